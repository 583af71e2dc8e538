package doctor_test

import (
	"slices"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/producer/doctor"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
)

func TestIdentities(t *testing.T) {
	t.Parallel()
	security := bustest.Secure(t, t.TempDir(), map[string][]string{"ventas": {"ventas"}})
	s := security.Run(t, security.Config)
	if err := bus.Provision(t.Context(), connectAs(t, s, security, bus.IdentityAdmin), s.Config); err != nil {
		t.Fatal(err)
	}
	producer := bus.Producer("ventas")
	for _, i := range append([]bus.Identity{producer}, bus.Identities...) {
		f := doctor.Fleet{Bus: security.As(i, s.Config), As: i, Mailbox: "ventas"}
		want(t, examine(t, f), "nats.permissions", doctor.OK, "may do all it has to", "fleet.workers", "fleet.bridges", "storage")
	}
	f := doctor.Fleet{Bus: security.As(producer, s.Config), As: producer, Mailbox: "compras"}
	want(t, examine(t, f), "nats.permissions", doctor.Fail, "identity producer-ventas may not publish to sage.exec.compras", "storage")
}

// A server with another configuration than the one for these keys.
func TestAnIdentityThatLacksWhatItNeeds(t *testing.T) {
	t.Parallel()
	security := bustest.Secure(t, t.TempDir(), nil)
	cfg := security.Config
	cfg.Users = nil
	for _, u := range security.Config.Users {
		if u.Identity == bus.IdentityOperator {
			u.Identity = bus.IdentityWorker // as the server has it
		}
		cfg.Users = append(cfg.Users, u)
	}
	s := security.Run(t, cfg)
	if err := bus.Provision(t.Context(), connectAs(t, s, security, bus.IdentityAdmin), s.Config); err != nil {
		t.Fatal(err)
	}
	as := security.As(bus.IdentityOperator, s.Config)
	lacks, _, err := bus.Probe(t.Context(), as, bus.IdentityOperator, "")
	if err != nil {
		t.Fatal(err)
	}
	for subject, lacking := range map[string]bool{"$KV.sage_state.>": false, "$JS.API.DIRECT.GET.DEAD": true, "$JS.API.STREAM.MSG.DELETE.DEAD": true} {
		if slices.ContainsFunc(lacks, func(g bus.Grant) bool { return g.Subject == subject }) != lacking {
			t.Errorf("%s is lacking: want %v, among %v", subject, lacking, lacks)
		}
	}
	want(t, examine(t, doctor.Fleet{Bus: as, As: bus.IdentityOperator}), "nats.permissions", doctor.Fail,
		"may not publish to", "storage", "nats.server")
}

func connectAs(t *testing.T, s bustest.Server, security bustest.Security, i bus.Identity) jetstream.JetStream {
	t.Helper()
	s.Config = security.As(i, s.Config)
	return s.Connect(t, i)
}
