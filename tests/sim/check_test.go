package sim

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/state"
)

// settled reports whether all that was accepted has ended and nothing is under way or
// left to mend.
func (w *world) settled() bool {
	for k := range w.ledger.accepted {
		if _, ended := w.ledger.committed[k]; !ended {
			return false
		}
	}
	if len(w.streams[bus.StreamExecutions].msgs) > 0 || len(w.streams[bus.StreamLater].msgs) > 0 || len(w.underWay()) > 0 {
		return false
	}
	for k, o := range w.ledger.committed {
		if w.disagreement(k, o) != "" {
			return false
		}
	}
	return true
}

// checkEnd checks what must hold once everything is quiet.
func (w *world) checkEnd() {
	l := &w.ledger
	for _, name := range []string{bus.StreamExecutions, bus.StreamLater} {
		for _, m := range w.streams[name].msgs {
			w.violate("I5", "%s#%d is still in %s", m.subject, m.seq, name)
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(l.accepted), execution.Key.Compare) {
		if _, ended := l.committed[k]; !ended {
			w.violate("I5", "%s was accepted and has not ended", k)
		}
	}
	for _, e := range w.underWay() {
		w.violate("I5", "%s was handed over by %s, and is %s for ever", e.Key, e.Bridge, e.State)
	}
	for _, k := range slices.SortedFunc(maps.Keys(l.committed), execution.Key.Compare) {
		w.checkOutcome(k, l.committed[k])
	}
}

// checkOutcome checks that everything agrees with how k ended, and that it could
// end so.
func (w *world) checkOutcome(k execution.Key, o execution.Outcome) {
	if what := w.disagreement(k, o); what != "" {
		w.violate("I1", "%s", what)
	}
	if o.Kind != execution.Dead {
		if o.Kind == execution.Succeeded && !succeeds(k.ID) {
			w.violate("I1", "%s can't succeed, and did", k)
		}
		return
	}
	if !mayDie(k.ID, o.Fault) {
		w.violate("I5", "%s can succeed, and is dead: %v", k, o.Fault)
	}
}

// disagreement is what says another thing than how k ended.
func (w *world) disagreement(k execution.Key, o execution.Outcome) string {
	if told := w.ledger.told[k]; (len(told) != 1 || !told[o.Attempt]) && (len(told) > 0 || !w.ledger.mayBeUntold(k)) {
		return fmt.Sprintf("%s was committed by %s, and events tell of %d others", k, o.Attempt, len(told))
	}
	dead := w.streams[bus.StreamDead].lastOf(bus.SubjectDead(k)) != nil
	if dead != (o.Kind == execution.Dead) {
		return fmt.Sprintf("%s is %s, and it has a dead letter: %v", k, o.Kind, dead)
	}
	var r state.Record
	if m := w.streams["KV_"+bus.BucketState].lastOf("$KV." + bus.BucketState + "." + k.Path()); m != nil {
		_ = json.Unmarshal(m.data, &r)
	}
	if r.State != o.Kind.Terminal() {
		return fmt.Sprintf("%s is %s, and its record says %q", k, o.Kind, r.State)
	}
	return ""
}

// mayDie: an execution that can succeed dies only of processes that die under it,
// or when something else fails it as often as it may: a Lambda, a store that does
// not give the input.
func mayDie(id string, cause *fault.Error) bool {
	return !succeeds(id) || cause.Code == guard.CodePoison || cause.Code == guard.CodeExhausted &&
		(kindOf(id) == flaky || strings.Contains(cause.Message, "REMOTE_") || strings.Contains(cause.Message, "STORAGE_"))
}

func succeeds(id string) bool {
	switch kindOf(id) {
	case failing, refused, poison:
		return false
	}
	return true
}
