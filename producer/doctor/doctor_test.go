package doctor_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/producer/doctor"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/heartbeat"
	"github.com/sagefleet/sagefleet/shared/ledger"
	"github.com/sagefleet/sagefleet/shared/secret"
)

// patient is a fleet in which nothing is wrong.
type patient struct {
	doctor.Fleet
	server bustest.Server
	js     jetstream.JetStream
}

func newPatient(t *testing.T) patient {
	t.Helper()
	p := patient{server: bustest.Run(t)}
	p.js = p.server.Connect(t, "test")
	if err := bus.Provision(t.Context(), p.js, p.server.Config); err != nil {
		t.Fatal(err)
	}
	p.Fleet = doctor.Fleet{Bus: p.server.Config, As: bus.IdentityOperator, Storage: "file://" + filepath.ToSlash(t.TempDir()), Ledger: newLedger(t)}
	p.beat(t, heartbeat.Beat{Kind: heartbeat.KindWorker, Host: "w1", Started: time.Now(), Version: "v1", Worker: &heartbeat.Worker{Slots: 4}})
	p.beat(t, heartbeat.Beat{Kind: heartbeat.KindBridge, Host: "b1", Started: time.Now(), Version: "v1", Bridge: &heartbeat.Bridge{Slots: 9}})
	return p
}

func newLedger(t *testing.T) ledger.Config {
	t.Helper()
	cfg := ledger.Config{URL: secret.New("sqlite://" + filepath.ToSlash(t.TempDir()) + "/ledger")}
	l, err := cfg.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// beat has a member send b until the test ends, and waits for the first.
func (p patient) beat(t *testing.T, b heartbeat.Beat) {
	t.Helper()
	kv, err := p.js.KeyValue(t.Context(), bus.BucketFleet)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- heartbeat.NewSender(p.js, kv).Run(ctx, func() heartbeat.Beat { return b }, nil) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := kv.Get(t.Context(), b.Key()); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no heartbeat arrives")
		}
	}
}

// roomy judges by limits that a busy machine with little room on its disk keeps.
func roomy(change ...func(*doctor.Limits)) doctor.Option {
	l := doctor.DefaultLimits
	l.Connect = time.Minute
	l.Far, l.Slow, l.Low, l.Full = time.Minute, time.Minute, 0, 0
	for _, f := range change {
		f(&l)
	}
	return doctor.WithLimits(l)
}

func examine(t *testing.T, f doctor.Fleet, opts ...doctor.Option) []doctor.Finding {
	t.Helper()
	var found []doctor.Finding
	err := doctor.New(f, append([]doctor.Option{roomy()}, opts...)...).Run(t.Context(), func(f doctor.Finding) { found = append(found, f) })
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// want requires one finding, with something to do, and that nothing else but those of
// other checks is wrong.
func want(t *testing.T, found []doctor.Finding, check string, status doctor.Status, text string, others ...string) {
	t.Helper()
	seen := false
	for _, f := range found {
		switch {
		case f.Check == check && f.Status == status && strings.Contains(f.Found, text):
			seen = true
		case (f.Status == doctor.Warn || f.Status == doctor.Fail) && f.Check != check && !slices.Contains(others, f.Check):
			t.Errorf("besides: %+v", f)
		}
		if (f.Status == doctor.Warn || f.Status == doctor.Fail) && f.Do == "" {
			t.Errorf("nothing to do about %+v", f)
		}
	}
	if !seen {
		t.Errorf("no %s of %s with %q in\n%+v", status, check, text, found)
	}
}

func TestNothingIsWrong(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	found := examine(t, p.Fleet)
	var checks []string
	for _, f := range found {
		checks = append(checks, f.Check)
		if f.Status != doctor.OK {
			t.Errorf("%+v", f)
		}
	}
	expected := []string{"nats.server", "nats.permissions", "nats.topology", "nats.replicas", "nats.durability", "clock", "queue",
		"fleet.workers", "fleet.bridges", "storage", "storage.space", "ledger"}
	if !slices.Equal(checks, expected) {
		t.Errorf("looked at %q", checks)
	}
	if worst := doctor.Worst(found); worst != doctor.OK {
		t.Errorf("the worst is %s", worst)
	}
}

func TestWorst(t *testing.T) {
	t.Parallel()
	all := []doctor.Finding{{Status: doctor.Skip}, {Status: doctor.Warn}, {Status: doctor.OK}}
	if w := doctor.Worst(all); w != doctor.Warn {
		t.Error(w)
	}
	if w := doctor.Worst(append(all, doctor.Finding{Status: doctor.Fail}, doctor.Finding{Status: doctor.Warn})); w != doctor.Fail {
		t.Error(w)
	}
}

func TestItEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := doctor.New(doctor.Fleet{Bus: bustest.Run(t).Config, As: bus.IdentityOperator}).Run(ctx, func(f doctor.Finding) { t.Errorf("%+v", f) })
	if err == nil {
		t.Error("no error")
	}
}
