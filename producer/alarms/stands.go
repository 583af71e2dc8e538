package alarms

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/heartbeat"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/state"
)

// standing looks at what is the case.
type standing func(ctx context.Context, now time.Time) ([]finding, error)

// Limit is what the Lambda may cost in an hour or a day.
type Limit struct {
	Window, Mailbox string  // no mailbox is the whole fleet
	Used            float64 // of what can be had at once, which is half the limit; 1 is all
}

// budgets are limits of which too much is used.
func budgets(r Rule, ask func(context.Context) ([]Limit, error)) standing {
	return func(ctx context.Context, _ time.Time) (all []finding, err error) {
		limits, err := ask(ctx)
		for _, l := range limits {
			if l.Used*100 >= r.At {
				all = append(all, finding{subject: strings.TrimSuffix(l.Window+"/"+l.Mailbox, "/"),
					Facts: Facts{Count: 1, Note: fmt.Sprintf("%.0f %%", l.Used*100)}})
			}
		}
		return all, err
	}
}

// backlogs are queues whose oldest message waits for too long.
func backlogs(ctx context.Context, js jetstream.JetStream, r Rule) (standing, error) {
	shared, err := queue.OpenGauge(ctx, js)
	if err != nil {
		return nil, err
	}
	local, err := queue.OpenLocalGauge(ctx, js)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, _ time.Time) (all []finding, err error) {
		for name, gauge := range map[string]*queue.Gauge{bus.ConsumerFleet: shared, bus.ConsumerLocal: local} {
			d, err := gauge.Measure(ctx)
			if err != nil {
				return nil, err
			}
			if d.HeadAge >= r.After {
				all = append(all, finding{subject: name, Facts: Facts{Count: d.Pending, Note: d.HeadAge.Round(time.Second).String()}})
			}
		}
		return all, nil
	}, nil
}

// members are workers and bridges that were there and fell silent without a farewell.
type members struct {
	fleet *heartbeat.Fleet
	lost  map[string]time.Time // when they were heard last, by kind and host
	r     Rule
}

// forgotten is after what time nobody waits for a member any more: most are started anew
// under another name.
const forgotten = 24 * time.Hour

func (m *members) look(_ context.Context, now time.Time) (all []finding, err error) {
	here := m.fleet.Members()
	for _, member := range here {
		if name := member.Kind + "/" + member.Host; member.Presence == heartbeat.Dead && now.Sub(member.Heard) >= m.r.After && m.lost[name].IsZero() {
			m.lost[name] = member.Heard
		}
	}
	for name, since := range m.lost {
		if slices.ContainsFunc(here, func(h heartbeat.Member) bool { return takesPlace(h, name, since) }) {
			delete(m.lost, name)
			continue
		}
		f := finding{subject: name, forgotten: now.Sub(since) > forgotten,
			Facts: Facts{Count: 1, Note: since.UTC().Format("15:04:05")}}
		if f.forgotten {
			delete(m.lost, name)
		}
		all = append(all, f)
	}
	return all, nil
}

// takesPlace reports whether a member is the one that was lost, or what was started in its place
// on the same machine since: its name ends with what tells its starts apart.
func takesPlace(m heartbeat.Member, lost string, since time.Time) bool {
	if m.Presence != heartbeat.Here && m.Presence != heartbeat.Draining {
		return false
	}
	name := m.Kind + "/" + m.Host
	machine := func(s string) string { return s[:max(0, strings.LastIndexByte(s, '-'))] }
	return name == lost || machine(name) == machine(lost) && m.Started.After(since)
}

// stuck are executions that don't go on, and invocations that must have ended.
type stuck struct {
	states *state.Store
	ledger *delegation.Ledger
	r      Rule

	next              time.Time // when it is looked again
	last              []finding
	revision, invoked uint64 // up to which both were read
	still             map[execution.Key]time.Time
	open              map[execution.Key]bool
}

// maxStuck bounds what is remembered of each.
const maxStuck = 1000

func openStuck(ctx context.Context, js jetstream.JetStream, r Rule) (*stuck, error) {
	states, err := js.KeyValue(ctx, bus.BucketState)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", bus.BucketState, err)
	}
	ledger, err := js.KeyValue(ctx, bus.BucketDelegations)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", bus.BucketDelegations, err)
	}
	return &stuck{states: state.New(js, states, 0), ledger: delegation.New(js, ledger, 0), r: r,
		still: map[execution.Key]time.Time{}, open: map[execution.Key]bool{}}, nil
}

// look is cheaper than it seems: a record is read once when it has not changed for long, and
// again only while it hasn't.
func (s *stuck) look(ctx context.Context, now time.Time) ([]finding, error) {
	if now.Before(s.next) {
		return s.last, nil
	}
	groups := map[string]*finding{}
	if err := s.executions(ctx, now, groups); err != nil {
		return nil, err
	}
	if err := s.delegations(ctx, now, groups); err != nil {
		return nil, err
	}
	s.last = nil
	for _, subject := range slices.Sorted(maps.Keys(groups)) {
		s.last = append(s.last, *groups[subject])
	}
	s.next = now.Add(min(30*time.Second, s.r.After/10))
	return s.last, nil
}

func add(groups map[string]*finding, subject, id, note string) {
	f := groups[subject]
	if f == nil {
		f = &finding{subject: subject, Facts: Facts{Note: note}}
		groups[subject] = f
	}
	f.Count++
	if len(f.Names) < maxNames {
		f.Names = append(f.Names, id)
	}
}

func (s *stuck) executions(ctx context.Context, now time.Time, groups map[string]*finding) (err error) {
	s.revision, err = s.states.Scan(ctx, s.revision, now.Add(-s.r.After), func(r state.Record) bool {
		if r.State.Terminal() {
			delete(s.still, r.Key)
		} else if r.State != "" {
			s.still[r.Key] = r.Updated
		}
		return len(s.still) < maxStuck
	})
	if err != nil {
		return err
	}
	for k := range s.still {
		r, _, err := s.states.Load(ctx, k)
		switch {
		case err != nil:
			return err
		case r.State == "" || r.State.Terminal() || now.Sub(r.Updated) < s.r.After:
			delete(s.still, k) // it is met again at its new place
		default:
			add(groups, k.Mailbox, k.ID, fmt.Sprintf("%s: %s, %s", k.ID, r.State, r.Updated.UTC().Format(time.DateTime)))
		}
	}
	return nil
}

func (s *stuck) delegations(ctx context.Context, now time.Time, groups map[string]*finding) error {
	for found, err := range s.ledger.Since(ctx, s.invoked) {
		if err != nil {
			return err
		}
		s.invoked = found.Revision
		if !found.State.Over() {
			s.open[found.Key] = true
		}
		if len(s.open) >= maxStuck {
			break
		}
	}
	for k := range s.open {
		e, _, err := s.ledger.Load(ctx, k)
		switch {
		case err != nil:
			return err
		case e.State == "" || e.State.Over():
			delete(s.open, k)
		case now.Sub(e.Expiry) >= s.r.After:
			add(groups, k.Mailbox+"/lambda", k.ID, fmt.Sprintf("%s: %s, %s", k.ID, e.State, e.Bridge))
		}
	}
	return nil
}
