package k8s

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	networking "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// place is where a pod connects to: other pods, or an address outside of the cluster.
type place struct {
	what      string
	port      int32
	namespace string            // of the pods; "" is our own
	pods      map[string]string // their labels
	address   netip.Addr
}

var (
	names    = place{what: "names", port: 53, namespace: "kube-system", pods: map[string]string{"k8s-app": "kube-dns"}}
	internet = netip.MustParseAddr("203.0.113.7")
	// network is an address in the network that deploy/terraform makes.
	network = netip.MustParseAddr("10.64.17.4")
)

// checkNeeds: what a pod is told to use it may connect to, and is let in there.
func checkNeeds(s set, report reporter) {
	for _, p := range s.pods() {
		for _, need := range s.needs(p) {
			if !s.leaves(p, need) {
				report(p.name, "may not connect to %s, port %d", need.what, need.port)
			}
			if need.pods != nil && need.namespace == "" && !s.enters(p, need) {
				report(p.name, "is not let in by %s, port %d", need.what, need.port)
			}
		}
	}
}

// needs are the places that the variables of its containers name.
func (s set) needs(p pod) []place {
	found := []place{names}
	for _, c := range p.containers() {
		variables, _ := s.environment(c) // another rule says what is wrong with them
		if variables["NATS_NKEY_SEED"] != "" {
			servers := map[string]string{"app.kubernetes.io/name": "nats"}
			found = append(found, place{what: "NATS", port: 4222, pods: servers}, place{what: "the durability of NATS", port: 8222, pods: servers})
		}
		if variables["AWS_ROLE_ARN"] != "" {
			found = append(found, place{what: "AWS", port: 443, address: internet}, place{what: "AWS by an endpoint", port: 443, address: network})
		}
		if url := variables["LEDGER_URL"]; url != "" && !strings.HasPrefix(url, "sqlite:") {
			found = append(found, place{what: "the ledger's database", port: 5432, address: network})
		}
		if variables["ANSWERS_FILE"] != "" {
			found = append(found, place{what: "webhooks", port: 443, address: internet})
		}
		if _, port, ok := strings.Cut(variables["SMTP_ADDRESS"], ":"); ok {
			n, _ := strconv.Atoi(port)
			found = append(found, place{what: "the mail server", port: int32(n), address: network}) //nolint:gosec // a port
		}
		if c.Name == "collector" {
			for _, port := range []int32{9090, 9091} {
				found = append(found, place{what: "workers", port: port, pods: map[string]string{"app.kubernetes.io/name": "worker"}})
			}
		}
	}
	return found
}

// leaves reports whether a policy lets p out to the place.
func (s set) leaves(p pod, to place) bool {
	return s.somePolicy(p.labels, func(o *networking.NetworkPolicySpec) bool {
		return slices.ContainsFunc(o.Egress, func(out networking.NetworkPolicyEgressRule) bool {
			return opens(out.Ports, to.port) && slices.ContainsFunc(out.To, to.isOf)
		})
	})
}

// enters reports whether the policies of the place let p in.
func (s set) enters(p pod, to place) bool {
	from := place{pods: p.labels}
	return s.somePolicy(to.pods, func(o *networking.NetworkPolicySpec) bool {
		return slices.ContainsFunc(o.Ingress, func(in networking.NetworkPolicyIngressRule) bool {
			return opens(in.Ports, to.port) && slices.ContainsFunc(in.From, from.isOf)
		})
	})
}

func (s set) somePolicy(about map[string]string, allows func(*networking.NetworkPolicySpec) bool) bool {
	return slices.ContainsFunc(slices.Collect(maps.Values(all[networking.NetworkPolicy](s))), func(o *networking.NetworkPolicy) bool {
		return selects(&o.Spec.PodSelector, about) && allows(&o.Spec)
	})
}

func opens(ports []networking.NetworkPolicyPort, port int32) bool {
	return slices.ContainsFunc(ports, func(open networking.NetworkPolicyPort) bool { return open.Port != nil && open.Port.IntVal == port })
}

// isOf reports whether a policy's peer has the place among it.
func (to place) isOf(peer networking.NetworkPolicyPeer) bool {
	if peer.IPBlock != nil {
		return to.address.IsValid() && within(peer.IPBlock.CIDR, to.address) &&
			!slices.ContainsFunc(peer.IPBlock.Except, func(block string) bool { return within(block, to.address) })
	}
	if to.pods == nil {
		return false
	}
	selected := func(selector *metav1.LabelSelector, l map[string]string) bool {
		return selector == nil || selects(selector, l)
	}
	if peer.NamespaceSelector == nil && to.namespace != "" {
		return false
	}
	namespace := to.namespace
	if namespace == "" {
		namespace = "sage"
	}
	return selected(peer.NamespaceSelector, map[string]string{"kubernetes.io/metadata.name": namespace}) && selected(peer.PodSelector, to.pods)
}

func within(block string, address netip.Addr) bool {
	prefix, err := netip.ParsePrefix(block)
	return err == nil && prefix.Contains(address)
}
