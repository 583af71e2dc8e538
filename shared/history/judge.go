package history

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// judge hears the facts in order and decides for one generation after the other.
type judge struct {
	ctx      context.Context //nolint:containedctx // of one call of Verify
	js       jetstream.JetStream
	outcomes *outcome.Store
	opts     Options
	horizon  time.Time
	letters  time.Time // what ended before may have lost its dead letter
	recent   time.Time // what is younger may be under way
	report   Report

	current  *generation
	previous *generation // the one before, of the same execution
}

// generation is what is known of one.
type generation struct {
	key                          execution.Key
	accepted, requested, waiting bool
	outcome, record, letter      *fact
	ends                         []fact // terminal events, each once
	traces                       []fact // other events, each once
	latest                       int64  // of all its facts
}

// grace is how long what belongs together may take to be there, for work that no
// message stands for: submissions under way, and direct invocations of a Lambda.
const grace = 20 * time.Minute

// clocks of different machines differ by less than this.
const clockSkew = time.Minute

func newJudge(ctx context.Context, js jetstream.JetStream, outcomes *outcome.Store, opts Options, horizon time.Time) *judge {
	j := &judge{ctx: ctx, js: js, outcomes: outcomes, opts: opts, horizon: horizon, recent: time.Now().Add(-grace)}
	if opts.Ended {
		j.recent = time.Now().Add(clockSkew)
	}
	j.report.ByExecutor = map[string]int{execution.OnWorker: 0, execution.OnLambda: 0}
	j.report.Violations = map[Guarantee]int{}
	return j
}

// hear takes the next fact.
func (j *judge) hear(f fact) error {
	if j.current == nil || j.current.key != f.key() {
		if err := j.decide(); err != nil {
			return err
		}
		j.previous = nil
		if c := j.current; c != nil && c.key.Mailbox == f.Mailbox && c.key.ID == f.ID {
			j.previous = c
		}
		j.current = &generation{key: f.key()}
	}
	j.current.add(f, &j.report)
	return nil
}

func (g *generation) add(f fact, r *Report) {
	g.latest = max(g.latest, f.At)
	switch f.Source {
	case isAccepted:
		g.accepted = true
	case isRequest:
		g.requested = true
	case isOutcome:
		g.outcome = &f
	case isRecord:
		g.record = &f
	case isLetter:
		g.letter = &f
	case isWaiting:
		g.waiting = true
	case isEvent:
		to := &g.traces
		if f.State.Terminal() && f.Kind == execution.Kind(f.State).EventKind() {
			to = &g.ends
		}
		for i := range *to { // the server's own deduplication ends after a while
			if known := &(*to)[i]; known.Kind == f.Kind && known.Attempt == f.Attempt && known.Token == f.Token {
				// Not everybody who tells of an end knows what it cost.
				r.CostUSD += max(f.Cost-known.Cost, 0)
				known.Cost = max(f.Cost, known.Cost)
				return
			}
		}
		*to = append(*to, f)
		r.CostUSD += f.Cost
	}
}

// decide judges the generation whose facts have all been heard.
func (j *judge) decide() error {
	g := j.current
	if g == nil {
		return nil
	}
	if g.outcome == nil && (!g.waiting || j.opts.Ended) {
		if err := j.lookAgain(g); err != nil {
			return err
		}
	}
	if g.outcome != nil && g.outcome.State != "" && time.Unix(0, g.outcome.At).Before(j.opts.Since) {
		return nil
	}
	j.report.Accepted++
	if g.outcome == nil {
		j.unfinished(g)
		return nil
	}
	j.compareBytes(g)
	if g.outcome.State == "" { // it can't be read
		return nil
	}
	j.count(*g.outcome)
	j.compareEvents(g)
	if !g.outcome.Erased {
		j.compareRecord(g)
		j.compareLetter(g)
	}
	return j.compareGenerations(g)
}

// lookAgain finds what ended, or came to wait, while the rest was read.
func (j *judge) lookAgain(g *generation) error {
	o, err := j.outcomes.Read(j.ctx, g.key)
	if err == nil {
		g.outcome = new(outcomeFact(o))
		return nil
	}
	if !errors.Is(err, outcome.ErrNone) {
		return err
	}
	if _, g.waiting, err = queue.Find(j.ctx, j.js, g.key); err != nil {
		return err
	}
	return nil
}

func (j *judge) find(g *generation, guarantee Guarantee, events []fact, do, format string, args ...any) {
	f := Finding{Guarantee: guarantee, Key: g.key, What: fmt.Sprintf(format, args...), Do: do}
	for _, e := range events {
		f.Events = append(f.Events, e.Sequence)
	}
	j.report.Violations[guarantee]++
	if len(j.report.Findings) < maxFindings {
		j.report.Findings = append(j.report.Findings, f)
	}
	if j.opts.Found != nil {
		j.opts.Found(f)
	}
}

// unfinished judges a generation without an outcome.
func (j *judge) unfinished(g *generation) {
	const resubmit = "submit it again under the same id, which is harmless"
	switch {
	case len(g.ends) > 0:
		j.report.Lost++
		j.find(g, Unchanged, g.ends, "restore OUTCOME from a backup of the storage", "told to have ended %s, and OUTCOME is gone", g.ends[0].State)
	case g.waiting && !j.opts.Ended:
		j.report.Open++
	case g.waiting:
		j.report.Lost++
		j.find(g, NotLost, nil, "look at what its worker logs", "it should have ended, and still waits")
	case !g.accepted && time.Unix(0, g.latest).After(j.recent):
		j.report.Open++ // its submission, or a direct invocation, is under way
	case g.accepted && !g.requested && g.record == nil && len(g.traces) == 0:
		j.report.Lost++
		j.find(g, Durable, nil, resubmit+"; look at NATS_DURABILITY", "accepted, and there is no trace of it")
	default:
		j.report.Lost++
		j.find(g, NotLost, g.traces, resubmit, "accepted, without an outcome, and it waits nowhere")
	}
}

func (j *judge) count(o fact) {
	r := &j.report
	switch execution.Kind(o.State) {
	case execution.Succeeded:
		r.Succeeded++
	case execution.Cancelled:
		r.Cancelled++
	default:
		r.Dead++
	}
	r.ByExecutor[o.Executor]++
	if o.Enqueued != 0 && o.Started != 0 {
		r.Waits.add(time.Duration(max(o.Started-o.Enqueued, 0)))
	}
}
