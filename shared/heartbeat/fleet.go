package heartbeat

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
)

// Silence is how long a member may be silent before it is taken for dead.
const Silence = 5 * time.Second

// Presence says whether a member is there.
type Presence string

// Presences.
const (
	Here     Presence = "here"
	Draining Presence = "draining" // finishes what it has
	Stopped  Presence = "stopped"  // it said so
	Dead     Presence = "dead"     // it fell silent
)

// Member is a member of the fleet and what was last heard of it.
type Member struct {
	Beat
	Presence Presence  `json:"presence"`
	Heard    time.Time `json:"heard"` // by this reader's clock
}

// Fleet follows the beats of all members. It is safe for concurrent use.
type Fleet struct {
	kv      jetstream.KeyValue
	changed func(Beat)
	known   chan struct{} // closed when what was there has been read
	once    sync.Once

	mu      sync.Mutex
	members map[string]Member
}

// NewFleet returns a Fleet that reads kv and calls changed, if it isn't nil, with
// every beat that comes.
func NewFleet(kv jetstream.KeyValue, changed func(Beat)) *Fleet {
	if changed == nil {
		changed = func(Beat) {}
	}
	return &Fleet{kv: kv, changed: changed, members: map[string]Member{}, known: make(chan struct{})}
}

// Known is closed when what was there at the beginning has been read.
func (f *Fleet) Known() <-chan struct{} { return f.known }

// Look returns a Fleet as it is now.
func Look(ctx context.Context, kv jetstream.KeyValue) (*Fleet, error) {
	f := NewFleet(kv, nil)
	return f, f.follow(ctx, true)
}

// Run follows the beats until ctx ends.
func (f *Fleet) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := f.follow(ctx, false); err != nil && ctx.Err() == nil {
			zerolog.Ctx(ctx).Warn().Err(err).Msg("heartbeats not followed")
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	return nil
}

// follow reads beats, only those that are there if once.
func (f *Fleet) follow(ctx context.Context, once bool) error {
	w, err := f.kv.WatchAll(ctx)
	if err != nil {
		return fmt.Errorf("watch heartbeats: %w", err)
	}
	defer func() { _ = w.Stop() }()
	before := true // what was there before this watch comes first
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case entry, ok := <-w.Updates():
			switch {
			case !ok:
				return fmt.Errorf("watch heartbeats: the watch ended")
			case entry != nil:
				f.see(entry, before)
			default: // that was all there was
				before = false
				f.once.Do(func() { close(f.known) })
				if once {
					return nil
				}
			}
		}
	}
}

// see notes an entry. One that was there before counts as heard when it was written,
// as far as the clocks agree; one that comes now is heard now, whatever they say.
func (f *Fleet) see(entry jetstream.KeyValueEntry, before bool) {
	heard := time.Now()
	if age := time.Since(entry.Created()); before && age > time.Second {
		heard = heard.Add(-age)
	}
	kind, name, _ := strings.Cut(entry.Key(), ".")
	if kind != KindWorker && kind != KindBridge {
		return // the bucket has other keys
	}
	f.mu.Lock()
	old, known := f.members[entry.Key()]
	switch entry.Operation() {
	case jetstream.KeyValueDelete:
		old.Presence, old.Heard = Stopped, heard
		if !known { // it stopped before we looked
			old.Kind, old.Host = kind, name
		}
	case jetstream.KeyValuePurge: // it expired: dead for long
		delete(f.members, entry.Key())
		f.mu.Unlock()
		return
	default:
		var b Beat
		if json.Unmarshal(entry.Value(), &b) != nil || b.Key() != entry.Key() {
			f.mu.Unlock()
			return // not a beat of ours
		}
		old = Member{Beat: b, Presence: Here, Heard: heard}
		if b.Draining {
			old.Presence = Draining
		}
	}
	f.members[entry.Key()] = old
	f.mu.Unlock()
	f.changed(old.Beat)
}

// Members returns who is there, or was until a minute ago, by kind and host.
func (f *Fleet) Members() []Member {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	var all []Member
	for key, m := range f.members {
		silent := now.Sub(m.Heard)
		if silent > kept {
			delete(f.members, key)
			continue
		}
		if m.Presence != Stopped && silent > Silence {
			m.Presence = Dead
		}
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b Member) int {
		return cmp.Or(strings.Compare(b.Kind, a.Kind), strings.Compare(a.Host, b.Host))
	})
	return all
}

// Total is what the members that are there have together.
type Total struct {
	Workers   int           // draining ones included
	Slots     int           // of workers that take work
	Busy      int           // of them
	Free      int           // of them
	LocalBusy int           // executions that no Lambda can take
	LocalFree int           // slots that only those may have
	CPU       float64       // percent, the average over the workers' cores
	Service   time.Duration // average; 0 when nothing is known
	Bridges   int
	Delegated int // executions that bridges hold
}

// Total adds up. The bridge called except is left out: it knows better itself.
func (f *Fleet) Total(except string) Total {
	var t Total
	var used, cores, seconds, weight float64
	for _, m := range f.Members() {
		if m.Presence == Dead || m.Presence == Stopped {
			continue
		}
		switch {
		case m.Worker != nil:
			t.Workers++
			t.LocalBusy += m.Worker.LocalBusy
			used, cores = used+m.Machine.CPU*m.Machine.Cores, cores+m.Machine.Cores
			for _, s := range m.Worker.Services {
				w := min(float64(s.Count), 50) // no average is of more
				seconds, weight = seconds+w*s.Seconds, weight+w
			}
			if m.Presence == Here {
				t.Slots, t.Busy, t.Free = t.Slots+m.Worker.Slots, t.Busy+m.Worker.Busy, t.Free+m.Worker.Free
				t.LocalFree += max(0, m.Worker.LocalSlots-m.Worker.LocalBusy)
			}
		case m.Bridge != nil && m.Host != except:
			t.Bridges++
			t.Delegated += m.Bridge.InFlight
		}
	}
	if cores > 0 {
		t.CPU = used / cores
	}
	if weight > 0 {
		t.Service = time.Duration(seconds / weight * float64(time.Second))
	}
	return t
}
