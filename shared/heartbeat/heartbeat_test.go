package heartbeat_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/heartbeat"
	"github.com/sagefleet/sagefleet/shared/machine"
)

func open(t *testing.T) (jetstream.JetStream, jetstream.KeyValue) {
	t.Helper()
	js := bustest.Start(t)
	kv, err := js.KeyValue(t.Context(), bus.BucketFleet)
	if err != nil {
		t.Fatal(err)
	}
	return js, kv
}

// run has run run until stop is called or the test ends.
func run(t *testing.T, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := run(ctx); err != nil {
			t.Error(err)
		}
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func worker(host string, slots, busy, free int) heartbeat.Beat {
	return heartbeat.Beat{Kind: heartbeat.KindWorker, Host: host, Started: time.Unix(5, 0).UTC(), Machine: machine.Usage{CPU: 50, Cores: 2},
		Worker: &heartbeat.Worker{Slots: slots, Busy: busy, Free: free, Services: []heartbeat.Service{{Config: "c", Count: 10, Seconds: 2}}}}
}

func presence(f *heartbeat.Fleet, host string) heartbeat.Presence {
	for _, m := range f.Members() {
		if m.Host == host {
			return m.Presence
		}
	}
	return ""
}

func TestWhoStoppedIsNotWhoDied(t *testing.T) {
	t.Parallel()
	js, kv := open(t)
	fleet := heartbeat.NewFleet(kv, nil)
	run(t, fleet.Run)
	stop := run(t, func(ctx context.Context) error {
		return heartbeat.NewSender(js, kv).Run(ctx, func() heartbeat.Beat { return worker("machine.example-1", 4, 1, 3) }, nil)
	})
	dying, kill := context.WithCancel(context.Background())
	go func() { // a sender whose connection goes away writes no farewell
		nc, err := bus.Connect(dying, bus.Config{URL: js.Conn().ConnectedUrl()}, "dying")
		if err != nil {
			return
		}
		dead, err := bus.Open(nc)
		if err != nil {
			return
		}
		context.AfterFunc(dying, nc.Close)
		_ = heartbeat.NewSender(dead, kv).Run(context.Background(), func() heartbeat.Beat { return worker("dying", 4, 4, 0) }, dying.Done())
	}()
	eventually(t, "both are here", func() bool {
		return presence(fleet, "machine.example-1") == heartbeat.Here && presence(fleet, "dying") == heartbeat.Here
	})
	if got := fleet.Total(""); got.Workers != 2 || got.Slots != 8 || got.Busy != 5 || got.Free != 3 || got.CPU != 50 || got.Service != 2*time.Second {
		t.Errorf("Total = %+v", got)
	}
	kill()
	stop()
	eventually(t, "one stopped", func() bool { return presence(fleet, "machine.example-1") == heartbeat.Stopped })
	eventually(t, "the other is dead", func() bool { return presence(fleet, "dying") == heartbeat.Dead })
	if got := fleet.Total(""); got.Workers != 0 || got.Slots != 0 || got.Free != 0 {
		t.Errorf("Total = %+v, want nobody", got)
	}
	late, err := heartbeat.Look(t.Context(), kv)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := presence(late, "machine-example-1"), presence(late, "dying"); a != heartbeat.Stopped || b != heartbeat.Dead {
		t.Errorf("who comes late sees %q and %q", a, b)
	}
	for _, key := range []string{"worker.machine-example-1", "worker.dying"} {
		msg, err := raw(t, js, "$KV."+kv.Bucket()+"."+key)
		if err != nil || msg.Header.Get("Nats-TTL") == "" {
			t.Errorf("%s stays for ever: %v, %v", key, msg.Header, err)
		}
	}
}

func raw(t *testing.T, js jetstream.JetStream, subject string) (*jetstream.RawStreamMsg, error) {
	t.Helper()
	stream, err := js.Stream(t.Context(), "KV_"+bus.BucketFleet)
	if err != nil {
		t.Fatal(err)
	}
	return stream.GetLastMsgForSubject(t.Context(), subject)
}

// That the last free slot was taken is known long before the next regular beat.
func TestChangesAreToldAtOnce(t *testing.T) {
	t.Parallel()
	js, kv := open(t)
	seen := make(chan heartbeat.Beat, 100)
	fleet := heartbeat.NewFleet(kv, func(b heartbeat.Beat) { seen <- b })
	run(t, fleet.Run)
	changed, beats := make(chan struct{}), 0
	run(t, func(ctx context.Context) error {
		return heartbeat.NewSender(js, kv).Run(ctx, func() heartbeat.Beat { beats++; return worker("w", 4, beats, 0) }, changed)
	})
	<-seen
	began := time.Now()
	const changes = 10
	for range changes {
		changed <- struct{}{}
		<-seen
	}
	if took := time.Since(began); took > changes*heartbeat.Every*4/5 {
		t.Errorf("%d changes took %v: they waited for regular beats", changes, took)
	}
}

func TestOtherKeysAreNobodys(t *testing.T) {
	t.Parallel()
	_, kv := open(t)
	for key, value := range map[string]string{"reconciler": "host x", "worker.a": "no JSON", "worker.b": `{"kind":"worker","host":"c"}`, "share.x": "{}"} {
		if _, err := kv.PutString(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
	}
	fleet, err := heartbeat.Look(t.Context(), kv)
	if err != nil || len(fleet.Members()) != 0 {
		t.Errorf("%+v, %v", fleet.Members(), err)
	}
}

func TestServicesAreBoundedAndKeepWhatIsUsed(t *testing.T) {
	var s heartbeat.Services
	for i := range 100 {
		s.Observe(fmt.Sprintf("c%d", i), time.Second)
		s.Observe("always", time.Duration(1+i%2)*time.Second)
	}
	all := s.All()
	if len(all) != 32 || all[0].Config != "always" || all[0].Count != 100 || all[0].Seconds < 1.4 || all[0].Seconds > 1.6 || all[1].Config != "c99" {
		t.Errorf("%d: %+v", len(all), all[:2])
	}
}

// behind is a bucket whose server's clock is behind the reader's.
type behind struct {
	jetstream.KeyValue
	by time.Duration
}

type behindWatcher struct {
	jetstream.KeyWatcher
	updates chan jetstream.KeyValueEntry
}

type behindEntry struct {
	jetstream.KeyValueEntry
	by time.Duration
}

func (b behind) WatchAll(ctx context.Context, opts ...jetstream.WatchOpt) (jetstream.KeyWatcher, error) {
	w, err := b.KeyValue.WatchAll(ctx, opts...)
	if err != nil {
		return nil, err
	}
	shifted := behindWatcher{w, make(chan jetstream.KeyValueEntry, 64)}
	go func() {
		defer close(shifted.updates)
		for entry := range w.Updates() {
			if entry != nil {
				entry = behindEntry{entry, b.by}
			}
			shifted.updates <- entry
		}
	}()
	return shifted, nil
}

func (w behindWatcher) Updates() <-chan jetstream.KeyValueEntry { return w.updates }

func (e behindEntry) Created() time.Time { return e.KeyValueEntry.Created().Add(-e.by) }

// A beat that comes now is heard now, however far the clocks are apart: else the whole
// fleet would seem to be dead, and its work go to the cloud.
func TestClocksMayDiffer(t *testing.T) {
	t.Parallel()
	js, kv := open(t)
	fleet := heartbeat.NewFleet(behind{kv, time.Hour}, nil)
	run(t, fleet.Run)
	run(t, func(ctx context.Context) error {
		return heartbeat.NewSender(js, kv).Run(ctx, func() heartbeat.Beat { return worker("w", 4, 1, 3) }, nil)
	})
	eventually(t, "the worker is here", func() bool { return fleet.Total("").Slots == 4 })
}
