package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/heartbeat"
	"github.com/sagefleet/sagefleet/shared/ledger"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// queue asks whether there is room for more work.
func (s *server) queue(ctx context.Context) []Finding {
	b, err := queue.Lag(ctx, s.js)
	if err != nil {
		return Failed(err)
	}
	stream, err := s.js.Stream(ctx, bus.StreamExecutions)
	if err != nil {
		return Failed(err)
	}
	info := stream.CachedInfo()
	text := fmt.Sprintf("%d waiting, %d in flight, %d later, %d dead", b.Waiting+b.Local, b.InFlight, b.Later, b.Dead)
	if most := info.Config.MaxBytes; most > 0 {
		free := 100 * (1 - float64(info.State.Bytes)/float64(most))
		text += fmt.Sprintf("; %s of %s are used", size(info.State.Bytes), size(uint64(most)))
		const do = "find out why workers fall behind, or raise QUEUE_MAX_BYTES and apply it with `sage admin provision --apply`"
		switch {
		case free < s.limits.Full:
			return []Finding{fail(do, "the queue is full and refuses work: %s", text)}
		case free < s.limits.Low:
			return []Finding{warn(do, "the queue is nearly full: %s", text)}
		}
	}
	if b.InFlight >= s.fleet.Bus.MaxAckPending {
		return []Finding{warn("raise QUEUE_MAX_ACK_PENDING and apply it with `sage admin provision --apply`",
			"as much is in flight as may be, and nobody gets more: %s", text)}
	}
	return []Finding{ok("%s", text)}
}

// members are those of one kind.
func (s *server) members(ctx context.Context, kind string) (all []heartbeat.Member, problem []Finding) {
	kv, err := s.js.KeyValue(ctx, bus.BucketFleet)
	if err != nil {
		return nil, Failed(fmt.Errorf("open bucket %s: %w", bus.BucketFleet, err))
	}
	fleet, err := heartbeat.Look(ctx, kv)
	if err != nil {
		return nil, Failed(err)
	}
	all = slices.DeleteFunc(fleet.Members(), func(m heartbeat.Member) bool { return m.Kind != kind || m.Presence == heartbeat.Stopped })
	return all, nil
}

// workers asks who executes.
func (s *server) workers(ctx context.Context) []Finding {
	all, problem := s.members(ctx, heartbeat.KindWorker)
	if problem != nil {
		return problem
	}
	slots, here := 0, 0
	for _, m := range all {
		if m.Presence == heartbeat.Here && m.Worker != nil {
			slots, here = slots+m.Worker.Slots, here+1
		}
	}
	found := silent(all, "worker")
	if here > 0 {
		return append(found, ok("%d here, with %d slots", here, slots))
	}
	waiting := 0
	if b, err := queue.Lag(ctx, s.js); err == nil {
		waiting = int(b.Waiting + b.Local) //nolint:gosec // far below 2^63
	}
	const do = "start one: `worker`, with the fleet's NATS_URL and STORAGE_URL"
	if waiting > 0 {
		return append(found, fail(do, "none is here, and %d executions wait", waiting))
	}
	return append(found, warn(do, "none is here"))
}

// bridges asks who hands work to a Lambda, if anybody should.
func (s *server) bridges(ctx context.Context) []Finding {
	all, problem := s.members(ctx, heartbeat.KindBridge)
	if problem != nil {
		return problem
	}
	found := silent(all, "bridge")
	here := 0
	for _, m := range all {
		if m.Presence != heartbeat.Here || m.Bridge == nil {
			continue
		}
		here++
		if m.Bridge.Closed != "" {
			found = append(found, warn("see `sage fleet` and `sage budget`", "%s takes nothing: %s", m.Host, m.Bridge.Closed))
		}
	}
	if here > 0 {
		return append(found, ok("%d here", here))
	}
	return append(found, warn("start one: `bridge`, with LAMBDA_FUNCTION set",
		"none is here: nothing overflows, and what crashes left is not repaired"))
}

// silent are those that died, and those of other versions than the rest.
func silent(all []heartbeat.Member, kind string) (found []Finding) {
	versions := map[string]bool{}
	for _, m := range all {
		if m.Presence == heartbeat.Dead {
			found = append(found, warn("look at its log, and start it again", "%s %s fell silent", kind, m.Host))
			continue
		}
		versions[m.Version] = true
	}
	if len(versions) > 1 {
		var named []string
		for v := range versions {
			named = append(named, v)
		}
		slices.Sort(named)
		found = append(found, warn("finish the upgrade", "%ss of %d versions: %s", kind, len(named), strings.Join(named, ", ")))
	}
	return found
}

// ledger asks how far the history is.
func (s *server) ledger(ctx context.Context) []Finding {
	if !s.fleet.Ledger.URL.IsSet() {
		return []Finding{skip("LEDGER_URL is not set")}
	}
	there, err := s.fleet.Ledger.Exists(ctx)
	if err != nil {
		return Failed(err)
	}
	if !there {
		return []Finding{warn("start `sage serve`, which makes it, or correct LEDGER_URL", "there is no ledger yet")}
	}
	l, err := s.fleet.Ledger.Open(ctx)
	if err != nil {
		return Failed(err)
	}
	defer func() { _ = l.Close() }()
	st, err := l.Status(ctx)
	if err != nil {
		return Failed(err)
	}
	return []Finding{s.behind(ctx, st)}
}

// behind compares how far the ledger is with what was told.
func (s *server) behind(ctx context.Context, st ledger.Status) Finding {
	has := fmt.Sprintf("%s, %d executions", st.Engine, st.Executions)
	if !s.set {
		return ok("%s", has)
	}
	stream, err := s.js.Stream(ctx, bus.StreamEvents)
	if err != nil {
		return Failed(err)[0]
	}
	state := stream.CachedInfo().State
	switch {
	case st.Sequence+1 < state.FirstSeq:
		return fail("build it again with `sage ledger rebuild`", "%s; it has read to event %d, and the oldest that is kept is %d: some it will never see",
			has, st.Sequence, state.FirstSeq)
	case state.LastSeq > st.Sequence+late:
		return warn("see whether `sage serve` runs with this LEDGER_URL", "%s; %d events behind", has, state.LastSeq-st.Sequence)
	}
	return ok("%s, no more than %d events behind", has, late)
}

// late is how many events a ledger that is kept may be behind: it reads in batches.
const late = 1000
