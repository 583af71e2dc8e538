package inbox

import (
	"strings"
	"testing"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/tests/process"
)

// TestAsAProducer: it needs no more rights than a producer has, and a mailbox that it has
// no right to doesn't hold up the others.
func TestAsAProducer(t *testing.T) {
	process.DependOnSources(t)
	s, security := bustest.RunSecured(t, map[string][]string{"sftp": mailboxes[:2]})
	admin := s
	admin.Config = security.As(bus.IdentityAdmin, s.Config)
	if err := bus.Provision(t.Context(), admin.Connect(t, bus.IdentityAdmin), s.Config); err != nil {
		t.Fatal(err)
	}
	in := newInbox(t, s.Config.URL)
	for n := range 30 {
		in.put(n)
	}
	var vars []string
	for name, value := range security.Variables(bus.Producer("sftp")) {
		vars = append(vars, name, value)
	}
	p := in.watch(vars...)
	process.Eventually(t, patience, "the files of its mailboxes are processed", func() bool { return len(in.left("processed/*/*")) == 20 })
	process.Eventually(t, patience, "it says what it may not do", func() bool {
		return strings.Contains(p.Tail(1<<20), "identity producer-sftp may not publish to sage.exec."+mailboxes[2])
	})
	if n := len(in.left("f*.csv")) + len(in.left("processing/*/*")); n != 10 {
		t.Errorf("%d files wait, of 10", n)
	}
	if bad := in.left("rejected/*/*"); len(bad) > 0 {
		t.Errorf("rejected: %v", bad)
	}
	p.Stop(t)
}
