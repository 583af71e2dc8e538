package bus

import (
	"net"
	"strconv"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// Cluster is how servers that replicate find each other. The zero Cluster is a
// server alone. Each shows the others the certificate that it shows clients.
type Cluster struct {
	Name   string
	Listen string   // host:port
	Routes []string // host:port of every server, this one among them
	CA     string   // path of a PEM bundle that the others' certificates are checked with
}

func (c Cluster) validate(refuse func(string, ...any) *fault.Error) error {
	if len(c.Routes) == 0 {
		if c.Name != "" {
			return refuse("cluster %s has no routes", c.Name).Expecting("host:port of every server")
		}
		return nil
	}
	for _, route := range c.Routes {
		if _, port, err := net.SplitHostPort(route); err != nil || port == "" {
			return refuse("the route %q names no server", route).Expecting("host:port")
		}
	}
	switch {
	case c.Name == "":
		return refuse("the cluster has no name").Expecting("one that all its servers have")
	case c.Listen == "":
		return refuse("cluster %s listens nowhere", c.Name).Expecting("host:port for the other servers")
	case c.CA == "":
		return refuse("cluster %s has no authority", c.Name).Expecting("the path of one: whoever may join the cluster reads everything")
	}
	return nil
}

func (s ServerConfig) cluster(w *configText) {
	if len(s.Cluster.Routes) == 0 {
		if s.Durability == Replicated {
			w.line("# Replicas need a cluster of three: name its servers with --route.")
		}
		return
	}
	w.block("cluster", func() {
		w.set("name", s.Cluster.Name)
		w.set("listen", s.Cluster.Listen)
		list(w, "routes", s.Cluster.Routes, func(route string) string { return strconv.Quote("nats://" + route) })
		w.line("no_advertise: true # clients know every server by the name in its certificate")
		w.block("tls", func() {
			w.set("cert_file", s.Cert)
			w.set("key_file", s.Key)
			w.set("ca_file", s.Cluster.CA)
			w.line("verify: true") // servers always do; it says so
			w.line(`min_version: "1.2"`)
		})
	})
}
