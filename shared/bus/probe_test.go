package bus_test

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
)

// Whoever tries what everybody may do changes nothing: not on a server that lets
// each do what it needs, and not on one that lets everybody do everything.
func TestProbeChangesNothing(t *testing.T) {
	t.Parallel()
	s, security := bustest.RunSecured(t, producers)
	probeAll(t, s, func(i bus.Identity) bus.Config { return security.As(i, s.Config) })
	open := bustest.Run(t)
	probeAll(t, open, func(i bus.Identity) bus.Config {
		cfg := open.Config
		cfg.Identity = i
		return cfg
	})
}

func probeAll(t *testing.T, s bustest.Server, as func(bus.Identity) bus.Config) {
	t.Helper()
	s.Config = as(bus.IdentityAdmin)
	js := s.Connect(t, bus.IdentityAdmin)
	if err := bus.Provision(t.Context(), js, s.Config); err != nil {
		t.Fatal(err)
	}
	before := states(t, js)
	var wg sync.WaitGroup
	for _, i := range everyone {
		wg.Go(func() {
			mailbox := ""
			if i.IsProducer() {
				mailbox = producers[string(i)[len("producer-"):]][0]
			}
			lacks, tried, err := bus.Probe(t.Context(), as(i), i, mailbox)
			if err != nil || len(lacks) > 0 || tried == 0 {
				t.Errorf("%s: lacks %v of %d, %v", i, lacks, tried, err)
			}
		})
	}
	wg.Wait()
	if d := cmp.Diff(before, states(t, js)); d != "" {
		t.Errorf("changed: %s", d)
	}
}

// states are how much each stream holds and did hold, and how many consumers it has.
func states(t *testing.T, js jetstream.JetStream) map[string][4]uint64 {
	t.Helper()
	all := map[string][4]uint64{}
	for _, want := range (bus.Config{}).Topology().Streams {
		stream, err := js.Stream(t.Context(), want.Name)
		if err != nil {
			t.Fatal(err)
		}
		s := stream.CachedInfo().State
		all[want.Name] = [4]uint64{s.Msgs, s.FirstSeq, s.LastSeq, uint64(s.Consumers)}
	}
	return all
}
