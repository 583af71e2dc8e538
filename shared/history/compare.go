package history

import (
	"errors"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/outcome"
)

const repair = "a bridge's reconciler repairs it; see that one runs"

// compareBytes finds results that were changed or removed.
func (j *judge) compareBytes(g *generation) {
	o := g.outcome
	const restore = "restore it from a backup of the storage"
	if len(o.Damage) > 0 {
		j.find(g, Unchanged, nil, restore, "%s", strings.Join(o.Damage, "; "))
	}
	switch {
	case len(o.Gone) == 0:
	case time.Since(time.Unix(0, o.At)) < j.opts.Kept:
		j.find(g, Unchanged, nil, restore+"; if RETAIN_ATTEMPTS is less, say so with --kept", "it ended less than %v ago, and of its results %q is gone", j.opts.Kept, o.Gone)
	default:
		j.report.Gone += len(o.Gone)
	}
}

// compareEvents finds an end that was told otherwise than it is stored, or not at
// all.
func (j *judge) compareEvents(g *generation) {
	o := g.outcome
	attempts := map[string]bool{}
	for _, e := range g.ends {
		attempts[e.Attempt] = true
		if e.Attempt == o.Attempt && e.State != o.State {
			j.find(g, OneEnd, []fact{e}, "believe OUTCOME", "told %s, stored %s", e.State, o.State)
		}
	}
	switch {
	case len(attempts) > 1:
		j.report.Doubled++
		j.find(g, OneResult, g.ends, "look at these events: one result was replaced by another", "%d attempts are told to have committed", len(attempts))
	case len(attempts) == 1 && !attempts[o.Attempt]:
		j.find(g, Unchanged, g.ends, "compare OUTCOME with a backup of the storage", "attempt %s is stored, %s was told", o.Attempt, g.ends[0].Attempt)
	case len(attempts) == 0 && j.mustBeComplete(g):
		j.find(g, Complete, nil, repair, "it ended %s, and no event tells it", o.State)
	}
}

// mustBeComplete reports whether all that follows an end must be there: nobody can
// still be at it, and it is not from before anything was kept.
func (j *judge) mustBeComplete(g *generation) bool {
	ended, horizon := time.Unix(0, g.outcome.At), j.horizon
	if !j.opts.Ended {
		horizon = horizon.Add(clockSkew)
	}
	return !g.outcome.Erased && !g.waiting && ended.After(horizon) && ended.Before(j.recent)
}

func (j *judge) compareRecord(g *generation) {
	o, r := g.outcome, g.record
	switch {
	case r == nil: // expired, as it should
	case r.State.Terminal() && (r.State != o.State || r.Attempt != o.Attempt):
		j.find(g, OneEnd, nil, "believe OUTCOME; "+repair, "the record says %s by %s, OUTCOME %s by %s", r.State, r.Attempt, o.State, o.Attempt)
	case !r.State.Terminal() && j.mustBeComplete(g):
		j.find(g, Complete, nil, repair, "the record says %s, OUTCOME %s", r.State, o.State)
	}
}

func (j *judge) compareLetter(g *generation) {
	isDead := execution.Kind(g.outcome.State) == execution.Dead
	switch {
	case isDead && g.letter == nil && j.mustBeComplete(g) && time.Unix(0, g.outcome.At).After(j.letters.Add(clockSkew)):
		j.find(g, Complete, nil, repair, "it is DEAD, and there is no dead letter")
	case !isDead && g.letter != nil:
		j.find(g, OneEnd, nil, "believe OUTCOME", "it ended %s, and there is a dead letter", g.outcome.State)
	}
}

// compareGenerations finds a generation that no redrive can have opened, or that
// an attempt from before it committed into.
func (j *judge) compareGenerations(g *generation) error {
	if g.key.Generation == 1 {
		return nil
	}
	k := g.key
	k.Generation--
	var before fact
	if p := j.previous; p != nil && p.key == k && p.outcome != nil {
		before = *p.outcome
	} else {
		o, err := j.outcomes.Read(j.ctx, k)
		if err != nil && !errors.Is(err, outcome.ErrNone) {
			return err
		}
		before = outcomeFact(o)
	}
	if execution.Kind(before.State) != execution.Dead {
		j.find(g, OneRedrive, nil, "find out who opened it", "generation %d ended %q: it could not be redriven", k.Generation, before.State)
		return nil
	}
	if g.outcome.Started != 0 && g.outcome.Started < before.At-clockSkew.Nanoseconds() {
		j.find(g, NoGhosts, nil, "compare both outcomes' reports", "its attempt started %v before generation %d ended",
			time.Duration(before.At-g.outcome.Started).Round(time.Millisecond), k.Generation)
	}
	return nil
}
