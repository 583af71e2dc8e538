package k8s

import (
	"maps"
	"slices"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
)

// breakage is one way to make production wrong, and who must notice where.
type breakage struct {
	rule, at string
	spoil    func(set)
}

const (
	workers  = "Deployment/worker"
	servers  = "StatefulSet/nats"
	servings = "Deployment/serve"
)

func worker(s set) *core.PodSpec { return &s[workers].(*apps.Deployment).Spec.Template.Spec }
func serve(s set) *core.PodSpec  { return &s[servings].(*apps.Deployment).Spec.Template.Spec }
func nats(s set) *core.PodSpec   { return &s[servers].(*apps.StatefulSet).Spec.Template.Spec }

func netpol(s set, name string) *networking.NetworkPolicySpec {
	return &s["NetworkPolicy/"+name].(*networking.NetworkPolicy).Spec
}

// setting changes a variable that containers have from a ConfigMap.
func setting(s set, in, name, value string) {
	for _, m := range all[core.ConfigMap](s) {
		if len(m.Name) == len(in)+len("-0123456789") && m.Name[:len(in)] == in {
			m.Data[name] = value
			if value == "" {
				delete(m.Data, name)
			}
		}
	}
}

// variable changes one that a container has by itself.
func variable(c *core.Container, name, value string) {
	c.Env = slices.DeleteFunc(c.Env, func(v core.EnvVar) bool { return v.Name == name })
	c.Env = append(c.Env, core.EnvVar{Name: name, Value: value})
}

// breakages are the failing fixtures, for every rule one or more.
var breakages = map[string]breakage{
	"root":           {"restricted", workers, func(s set) { worker(s).SecurityContext.RunAsNonRoot = nil }},
	"user 0":         {"restricted", workers, func(s set) { worker(s).Containers[0].SecurityContext.RunAsUser = new(int64(0)) }},
	"all calls":      {"restricted", servers, func(s set) { nats(s).SecurityContext.SeccompProfile = nil }},
	"capabilities":   {"restricted", workers, func(s set) { worker(s).Containers[1].SecurityContext.Capabilities.Drop = nil }},
	"escalation":     {"restricted", workers, func(s set) { worker(s).Containers[0].SecurityContext.AllowPrivilegeEscalation = new(true) }},
	"privileged":     {"restricted", workers, func(s set) { worker(s).Containers[0].SecurityContext.Privileged = new(true) }},
	"host's network": {"restricted", servers, func(s set) { nats(s).HostNetwork = true }},
	"host's files": {"restricted", workers, func(s set) {
		worker(s).Volumes[0].VolumeSource = core.VolumeSource{HostPath: &core.HostPathVolumeSource{Path: "/"}}
	}},
	"lenient namespace": {"restricted", "Namespace/sage", func(s set) { s["Namespace/sage"].(*core.Namespace).Labels = nil }},

	"writable":        {"confined", workers, func(s set) { worker(s).Containers[0].SecurityContext.ReadOnlyRootFilesystem = nil }},
	"API token":       {"confined", servers, func(s set) { nats(s).AutomountServiceAccountToken = nil }},
	"token of all":    {"confined", "ServiceAccount/sage-gc", func(s set) { s["ServiceAccount/sage-gc"].(*core.ServiceAccount).AutomountServiceAccountToken = nil }},
	"no account":      {"confined", workers, func(s set) { worker(s).ServiceAccountName = "" }},
	"service links":   {"confined", workers, func(s set) { worker(s).EnableServiceLinks = nil }},
	"latest":          {"images", workers, func(s set) { worker(s).Containers[0].Image = "ghcr.io/sagefleet/worker:latest" }},
	"no tag":          {"images", workers, func(s set) { worker(s).Containers[1].Image = "ghcr.io/sagefleet/bridge" }},
	"no registry":     {"images", servers, func(s set) { nats(s).Containers[0].Image = "nats:2.15.2" }},
	"no CPU":          {"resources", workers, func(s set) { delete(worker(s).Containers[0].Resources.Requests, core.ResourceCPU) }},
	"no limit":        {"resources", servers, func(s set) { delete(nats(s).Containers[0].Resources.Limits, core.ResourceMemory) }},
	"throttled":       {"resources", workers, func(s set) { worker(s).Containers[0].Resources.Limits[core.ResourceCPU] = resource.MustParse("2") }},
	"Go knows it not": {"resources", workers, func(s set) { variable(&worker(s).Containers[0], "GOMEMLIMIT", "") }},
	"Go has too much": {"resources", servers, func(s set) { variable(&nats(s).Containers[0], "GOMEMLIMIT", "1GiB") }},

	"larger files": {"scratch", workers, func(s set) { setting(s, "worker", "MAX_INPUT_BYTES", "4294967296") }},
	"more slots":   {"scratch", workers, func(s set) { setting(s, "worker", "SLOTS", "8") }},
	"unbounded":    {"scratch", workers, func(s set) { setting(s, "worker", "SCRATCH_DIR", "/elsewhere") }},
	"evicted": {"scratch", workers, func(s set) {
		worker(s).Containers[0].Resources.Limits[core.ResourceEphemeralStorage] = resource.MustParse("4Gi")
	}},
	"no probe":       {"probes", workers, func(s set) { worker(s).Containers[0].ReadinessProbe = nil }},
	"no such port":   {"probes", workers, func(s set) { worker(s).Containers[0].LivenessProbe.HTTPGet.Port = intstr.FromString("bridge") }},
	"impatient":      {"probes", workers, func(s set) { worker(s).Containers[1].StartupProbe = nil }},
	"loop of deaths": {"probes", workers, func(s set) { worker(s).Containers[0].LivenessProbe.HTTPGet.Path = "/readyz" }},
	"killed":         {"grace", workers, func(s set) { worker(s).TerminationGracePeriodSeconds = new(int64(120)) }},
	"default grace":  {"grace", workers, func(s set) { worker(s).TerminationGracePeriodSeconds = nil }},
	"uploads cut":    {"grace", servings, func(s set) { serve(s).TerminationGracePeriodSeconds = new(int64(30)) }},
	"longer drain":   {"grace", workers, func(s set) { setting(s, "bridge", "DRAIN", "10m") }},

	"other limits shown": {"budget", servings, func(s set) { variable(&serve(s).Containers[0], "BUDGET_HOUR_USD", "7") }},
	"no limits shown":    {"budget", servings, func(s set) { serve(s).Containers[0].EnvFrom = serve(s).Containers[0].EnvFrom[:2] }},

	"no budget": {"available", servers, func(s set) { delete(s, "PodDisruptionBudget/nats") }},
	"never emptied": {"available", "PodDisruptionBudget/worker", func(s set) {
		s["PodDisruptionBudget/worker"].(*policy.PodDisruptionBudget).Spec.MaxUnavailable = new(intstr.FromInt32(0))
	}},
	"one zone":       {"available", workers, func(s set) { worker(s).TopologySpreadConstraints = worker(s).TopologySpreadConstraints[1:] }},
	"one node":       {"available", servers, func(s set) { nats(s).TopologySpreadConstraints[0].WhenUnsatisfiable = core.ScheduleAnyway }},
	"two servers":    {"available", servers, func(s set) { s[servers].(*apps.StatefulSet).Spec.Replicas = new(int32(2)) }},
	"no quorum ever": {"available", servers, func(s set) { s[servers].(*apps.StatefulSet).Spec.PodManagementPolicy = apps.OrderedReadyPodManagement }},

	"same port":     {"ports", workers, func(s set) { worker(s).Containers[1].Ports[0].ContainerPort = 9090 }},
	"nobody's port": {"ports", servings, func(s set) { setting(s, "serve", "LISTEN", ":80") }},
	"other port":    {"ports", workers, func(s set) { setting(s, "bridge", "METRICS_LISTEN", ":9090") }},
	"allowed":       {"network", "NetworkPolicy/default-deny", func(s set) { delete(s, "NetworkPolicy/default-deny") }},
	"only ingress":  {"network", "NetworkPolicy/default-deny", func(s set) { netpol(s, "default-deny").PolicyTypes = []networking.PolicyType{"Ingress"} }},
	"anybody":       {"network", "NetworkPolicy/nats", func(s set) { netpol(s, "nats").Ingress[0].From = nil }},
	"any port":      {"network", "NetworkPolicy/aws-clients", func(s set) { netpol(s, "aws-clients").Egress[0].Ports = nil }},
	"metadata":      {"network", "NetworkPolicy/aws-clients", func(s set) { netpol(s, "aws-clients").Egress[0].To[0].IPBlock.Except = nil }},
	"no NATS":       {"network", workers, func(s set) { delete(s[workers].(*apps.Deployment).Spec.Template.Labels, "sagefleet/nats") }},
	"no AWS":        {"network", workers, func(s set) { delete(s[workers].(*apps.Deployment).Spec.Template.Labels, "sagefleet/aws") }},
	"no names":      {"network", workers, func(s set) { delete(s, "NetworkPolicy/names") }},
	"NATS elsewhere": {"network", workers, func(s set) {
		netpol(s, "nats-clients").Egress[0].To[0].PodSelector.MatchLabels = map[string]string{"app.kubernetes.io/name": "worker"}
	}},
	"NATS in another namespace": {"network", servings, func(s set) {
		netpol(s, "nats-clients").Egress[0].To[0].NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": "nats"}}
	}},
	"NATS lets others in": {"network", workers, func(s set) {
		netpol(s, "nats").Ingress[0].From[0].PodSelector.MatchLabels = map[string]string{"app.kubernetes.io/name": "gc"}
	}},
	"names of another server": {"network", workers, func(s set) {
		netpol(s, "names").Egress[0].To[0].PodSelector.MatchLabels = map[string]string{"k8s-app": "dns"}
	}},
	"only some of AWS": {"network", workers, func(s set) { netpol(s, "aws-clients").Egress[0].To[0].IPBlock.CIDR = "10.0.0.0/8" }},
	"all but the endpoints": {"network", workers, func(s set) {
		netpol(s, "aws-clients").Egress[0].To[0].IPBlock.Except = []string{"169.254.0.0/16", "10.0.0.0/8"}
	}},
	"database elsewhere":   {"network", servings, func(s set) { netpol(s, "database-clients").Egress[0].To[0].IPBlock.CIDR = "10.0.0.0/16" }},
	"mail at another port": {"network", "Deployment/notify", func(s set) { setting(s, "notify", "SMTP_ADDRESS", "mail.example.com:2525") }},
	"no webhooks": {"network", "Deployment/notify", func(s set) {
		delete(s, "NetworkPolicy/notify")
		delete(s, "NetworkPolicy/aws-clients")
	}},
	"workers hide from alarms": {"network", "Deployment/collector", func(s set) { delete(s, "NetworkPolicy/collected") }},
	"a password for mail":      {"secrets", "Deployment/notify", func(s set) { setting(s, "notify", "SMTP_PASSWORD", "x") }},
	"nobody knows who":         {"identity", workers, func(s set) { worker(s).Containers[0].Name = "runner" }},
	"secret":                   {"secrets", "Secret/nats-tls", func(s set) { s["Secret/nats-tls"] = &core.Secret{} }},
	"seed":                     {"secrets", workers, func(s set) { variable(&worker(s).Containers[0], "NATS_NKEY_SEED", "SUAPM4E2") }},
	"password":                 {"secrets", workers, func(s set) { setting(s, "fleet", "NATS_PASSWORD", "x") }},
	"AWS key":                  {"secrets", workers, func(s set) { variable(&worker(s).Containers[1], "AWS_SECRET_ACCESS_KEY", "x") }},

	"another's key": {"identity", workers, func(s set) { variable(&worker(s).Containers[1], "NATS_NKEY_SEED", "file:///etc/sage/nkey/worker.nk") }},
	"all keys": {"identity", workers, func(s set) {
		eachSecret(worker(s), "nats-keys", func(v *core.SecretVolumeSource) { v.Items = nil })
	}},
	"the server's key": {"identity", workers, func(s set) {
		eachSecret(worker(s), "nats-tls", func(v *core.SecretVolumeSource) { v.Items = nil })
	}},
	"the worker's role": {"identity", workers, func(s set) {
		variable(&worker(s).Containers[1], "AWS_ROLE_ARN", s.configMap("aws")["worker_role_arn"])
	}},
	"the cluster's token": {"identity", workers, func(s set) {
		for _, v := range worker(s).Volumes {
			if v.Projected != nil {
				v.Projected.Sources[0].ServiceAccountToken.Audience = ""
			}
		}
	}},

	"no ConfigMap":   {"references", workers, func(s set) { worker(s).Containers[0].EnvFrom[0].ConfigMapRef.Name = "fleet" }},
	"no such key":    {"references", workers, func(s set) { setting(s, "aws", "bridge_role_arn", "") }},
	"no account yet": {"references", servers, func(s set) { delete(s, "ServiceAccount/sage-nats") }},
	"no such Secret": {"references", servers, func(s set) {
		eachSecret(nats(s), "nats-tls", func(v *core.SecretVolumeSource) { v.SecretName = "nats-cert" })
	}},
	"no such identity": {"references", workers, func(s set) {
		eachSecret(worker(s), "nats-keys", func(v *core.SecretVolumeSource) { v.Items[0].Key = "root.nk" })
	}},
	"unknown authorities": {"references", servings, func(s set) { variable(&serve(s).Containers[0], "LEDGER_URL", "postgres://sage@db/sage?auth=iam") }},
	"a password beside IAM": {"secrets", servings, func(s set) {
		variable(&serve(s).Containers[0], "LEDGER_URL", "postgres://sage:canary@db/sage?auth=iam")
	}},
	"no such volume": {"references", workers, func(s set) { worker(s).Containers[0].VolumeMounts[0].Name = "data" }},

	"no database": {"network", "Deployment/serve", func(s set) { delete(s, "NetworkPolicy/database-clients") }},
	"a password in a manifest": {"secrets", "Deployment/serve", func(s set) {
		for _, c := range s.pods() {
			for i := range c.spec.Containers {
				if c.spec.Containers[i].Name == "serve" {
					c.spec.Containers[i].Env = append(c.spec.Containers[i].Env, core.EnvVar{Name: "LEDGER_URL", Value: "postgres://sage:canary@db/ledger"})
				}
			}
		}
	}},

	"about nobody": {"selectors", "PodDisruptionBudget/nats", func(s set) {
		s["PodDisruptionBudget/nats"].(*policy.PodDisruptionBudget).Spec.Selector.MatchLabels["app.kubernetes.io/name"] = "nat"
	}},
	"lets in nobody": {"selectors", "NetworkPolicy/nats", func(s set) {
		netpol(s, "nats").Ingress[0].From[0].PodSelector.MatchLabels = map[string]string{"a": "b"}
	}},
	"leads nowhere": {"selectors", "Service/nats", func(s set) { s["Service/nats"].(*core.Service).Spec.Ports[0].TargetPort = intstr.FromString("nats") }},
	"of nobody":     {"selectors", "Service/worker", func(s set) { s["Service/worker"].(*core.Service).Spec.Selector = map[string]string{"app": "worker"} }},
	"looks elsewhere": {"selectors", "ServiceMonitor/worker", func(s set) {
		s["ServiceMonitor/worker"].(*monitoring.ServiceMonitor).Spec.Endpoints[0].Port = "metrics"
	}},

	"two decide":     {"scaling", workers, func(s set) { s[workers].(*apps.Deployment).Spec.Replicas = new(int32(2)) }},
	"scales nothing": {"scaling", "ScaledObject/worker", func(s set) { s["ScaledObject/worker"].(*scaledObject).Spec.ScaleTargetRef.Name = "workers" }},
	"the whole lag": {"scaling", "ScaledObject/worker", func(s set) {
		maps.Copy(s["ScaledObject/worker"].(*scaledObject).Spec.Triggers[0].Metadata, map[string]string{"query": "max(sage_queue_pending)"})
	}},
}

func eachSecret(p *core.PodSpec, name string, change func(*core.SecretVolumeSource)) {
	for _, v := range p.Volumes {
		if v.Secret != nil && v.Secret.SecretName == name {
			change(v.Secret)
		}
	}
}
