package k8s

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"

	"github.com/sagefleet/sagefleet/deploy/programs"
	"github.com/sagefleet/sagefleet/shared/telemetry"
)

func selects(selector *metav1.LabelSelector, l map[string]string) bool {
	s, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && s.Matches(labels.Set(l))
}

// checkAvailable: a node that is emptied takes one at a time, and a zone that is lost
// not all.
func checkAvailable(s set, report reporter) {
	for _, p := range s.pods() {
		if !p.lasting {
			continue
		}
		budgets := all[policy.PodDisruptionBudget](s)
		maps.DeleteFunc(budgets, func(_ string, b *policy.PodDisruptionBudget) bool { return !selects(b.Spec.Selector, p.labels) })
		if len(budgets) != 1 {
			report(p.name, "%d disruption budgets; expected one", len(budgets))
		}
		for name, b := range budgets {
			if b.Spec.MaxUnavailable == nil || b.Spec.MaxUnavailable.IntValue() != 1 {
				report(name, "expected maxUnavailable 1, which holds for any number of replicas")
			}
		}
		spread := p.spec.TopologySpreadConstraints
		for _, key := range []string{core.LabelHostname, core.LabelTopologyZone} {
			if !slices.ContainsFunc(spread, func(c core.TopologySpreadConstraint) bool {
				return c.TopologyKey == key && selects(c.LabelSelector, p.labels)
			}) {
				report(p.name, "is not spread over %s", key)
			}
		}
		if len(p.claims) > 0 && p.replicas > 1 && !slices.ContainsFunc(spread, func(c core.TopologySpreadConstraint) bool {
			return c.TopologyKey == core.LabelHostname && c.WhenUnsatisfiable == core.DoNotSchedule
		}) {
			report(p.name, "may have two replicas of its data on one node")
		}
	}
	for name, o := range all[apps.StatefulSet](s) {
		fleet := s.configMap("fleet")
		if servers := strings.Count(fleet["NATS_URL"], "nats://"); servers != int(*o.Spec.Replicas) {
			report(name, "has %d servers, and NATS_URL names %d", *o.Spec.Replicas, servers)
		}
		if n, _ := strconv.Atoi(fleet["NATS_REPLICAS"]); max(n, 1) > int(*o.Spec.Replicas) {
			report(name, "has %d servers for NATS_REPLICAS=%d", *o.Spec.Replicas, n)
		}
		if o.Spec.PodManagementPolicy != apps.ParallelPodManagement {
			report(name, "starts one server after the other, and the first waits for the second")
		}
	}
}

// checkPorts: containers of a pod share its network.
func checkPorts(s set, report reporter) {
	for _, p := range s.pods() {
		taken := map[int32]string{}
		for _, c := range p.containers() {
			for _, port := range c.Ports {
				if other := taken[port.ContainerPort]; other != "" {
					report(p.name, "%s and %s both have port %d", other, c.Name, port.ContainerPort)
				}
				taken[port.ContainerPort] = c.Name
			}
			variables, err := s.environment(c)
			if err != nil {
				continue // another rule says so
			}
			for _, name := range []string{"METRICS_LISTEN", "LISTEN"} {
				if listen := variables[name]; listen != "" && !slices.ContainsFunc(c.Ports, func(port core.ContainerPort) bool {
					return listen == ":"+strconv.Itoa(int(port.ContainerPort))
				}) {
					report(p.name, "%s listens at %s, %s, which is no port of it", c.Name, listen, name)
				}
			}
		}
	}
}

// checkNetwork: nothing is open but what somebody needs, and what is needed is open.
func checkNetwork(s set, report reporter) {
	policies := all[networking.NetworkPolicy](s)
	denied := false
	for name, o := range policies {
		if len(o.Spec.PodSelector.MatchLabels) == 0 && len(o.Spec.Ingress) == 0 && len(o.Spec.Egress) == 0 && len(o.Spec.PolicyTypes) == 2 {
			denied = true
		}
		for _, in := range o.Spec.Ingress {
			if len(in.From) == 0 || len(in.Ports) == 0 {
				report(name, "lets in anybody, or to any port")
			}
		}
		for _, out := range o.Spec.Egress {
			if len(out.To) == 0 || len(out.Ports) == 0 {
				report(name, "lets out to anywhere, or to any port")
			}
			for _, to := range out.To {
				if to.IPBlock != nil && to.IPBlock.CIDR == "0.0.0.0/0" && !slices.Contains(to.IPBlock.Except, "169.254.0.0/16") {
					report(name, "lets out to the node's metadata service")
				}
			}
		}
	}
	if !denied {
		report("NetworkPolicy/default-deny", "nothing denies what isn't allowed")
	}
	checkNeeds(s, report)
}

// checkBudget: the console shows the limits that the bridges keep to.
func checkBudget(s set, report reporter) {
	limits := func(name string) (of pod, found map[string]string) {
		for _, p := range s.pods() {
			for _, c := range p.containers() {
				if c.Name == name {
					variables, _ := s.environment(c)
					return p, programs.Budget(variables)
				}
			}
		}
		return pod{name: name}, nil
	}
	_, kept := limits("bridge")
	if p, shown := limits("serve"); kept == nil || shown == nil || !maps.Equal(shown, kept) {
		report(p.name, "serve shows the limits %v, and the bridge keeps to %v", shown, kept)
	}
}

// checkSelectors: a selector that selects nothing is a mistake that nobody tells of.
func checkSelectors(s set, report reporter) {
	pods := s.pods()
	someone := func(l *metav1.LabelSelector) bool {
		return slices.ContainsFunc(pods, func(p pod) bool { return selects(l, p.labels) })
	}
	for name, o := range all[networking.NetworkPolicy](s) {
		if !someone(&o.Spec.PodSelector) {
			report(name, "is about no pod")
		}
		for _, in := range o.Spec.Ingress {
			for _, from := range in.From {
				if from.NamespaceSelector == nil && from.PodSelector != nil && !someone(from.PodSelector) {
					report(name, "lets in nobody")
				}
			}
		}
		for _, out := range o.Spec.Egress {
			for _, to := range out.To {
				if to.NamespaceSelector == nil && to.PodSelector != nil && !someone(to.PodSelector) {
					report(name, "lets out to nobody")
				}
			}
		}
	}
	for name, o := range all[policy.PodDisruptionBudget](s) {
		if !someone(o.Spec.Selector) {
			report(name, "is about no pod")
		}
	}
	services := all[core.Service](s)
	for name, o := range services {
		selector := &metav1.LabelSelector{MatchLabels: o.Spec.Selector}
		if !someone(selector) {
			report(name, "is of no pod")
		}
		for _, port := range o.Spec.Ports {
			if !slices.ContainsFunc(pods, func(p pod) bool { return selects(selector, p.labels) && hasPort(p, port.TargetPort) }) {
				report(name, "forwards to port %s, which nobody has", port.TargetPort.String())
			}
		}
	}
	for name, o := range all[monitoring.ServiceMonitor](s) {
		for _, endpoint := range o.Spec.Endpoints {
			if !slices.ContainsFunc(slices.Collect(maps.Values(services)), func(service *core.Service) bool {
				return selects(&o.Spec.Selector, service.Labels) &&
					slices.ContainsFunc(service.Spec.Ports, func(p core.ServicePort) bool { return p.Name == endpoint.Port })
			}) {
				report(name, "looks at port %s, which no service has", endpoint.Port)
			}
		}
	}
}

func hasPort(p pod, port intstr.IntOrString) bool {
	return slices.ContainsFunc(p.containers(), func(c core.Container) bool {
		return slices.ContainsFunc(c.Ports, func(have core.ContainerPort) bool {
			return have.Name == port.StrVal || port.Type == intstr.Int && have.ContainerPort == port.IntVal
		})
	})
}

// checkScaling: who scales says how many there are.
func checkScaling(s set, report reporter) {
	for name, o := range all[scaledObject](s) {
		target := "Deployment/" + o.Spec.ScaleTargetRef.Name
		d, ok := s[target].(*apps.Deployment)
		switch {
		case !ok:
			report(name, "scales %s, which is not there", target)
		case d.Spec.Replicas != nil:
			report(target, "has replicas, which %s decides about", name)
		}
		for _, trigger := range o.Spec.Triggers {
			if !strings.Contains(trigger.Metadata["query"], telemetry.LocalBacklog.Name+"{") {
				report(name, "scales by %q; expected the backlog without what is with the Lambda", trigger.Metadata["query"])
			}
		}
	}
}
