package producer

import (
	"context"
	"errors"
	"iter"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// Redriven is what a redrive found and did.
type Redriven struct {
	execution.Key                 // the generation that is open
	From          int             `json:"from_generation"` // the DEAD one before it
	State         execution.State `json:"state"`           // of the open generation
	// Already says that an earlier redrive had opened it: nothing was changed.
	Already bool `json:"already,omitempty"`
	DryRun  bool `json:"dry_run,omitempty"` // nothing was changed, it would have been
}

// Redrive has a DEAD execution carried out again, as the next generation; the DEAD
// one stays as it is. from names the generation that must be DEAD; 0 is the last.
// Done again, it does nothing until the new generation is DEAD too. With dryRun it
// only says what it would do.
func (p *Operator) Redrive(ctx context.Context, mailbox, id string, from int, why string, dryRun bool) (Redriven, error) {
	last, err := p.outcomes.Last(ctx, mailbox, id)
	if errors.Is(err, outcome.ErrNone) {
		return Redriven{}, p.notDead(ctx, mailbox, id)
	}
	if err != nil {
		return Redriven{}, err
	}
	if from == 0 {
		from = last.Generation
		if last.Kind != execution.Dead {
			from-- // what opened the last generation, if that was a redrive
		}
	}
	switch {
	case from > last.Generation || from < 1 || from == last.Generation && last.Kind != execution.Dead:
		return Redriven{}, notDead(mailbox, id, last.Kind.Terminal())
	case from < last.Generation:
		k := execution.Key{Mailbox: mailbox, ID: id, Generation: from + 1}
		return p.wasRedriven(ctx, Redriven{Key: k, From: from, Already: true, DryRun: dryRun})
	}
	return p.open(ctx, last, why, dryRun)
}

// wasRedriven completes d, whose generation has ended.
func (p *Operator) wasRedriven(ctx context.Context, d Redriven) (Redriven, error) {
	o, err := p.outcomes.Read(ctx, d.Key)
	if err != nil {
		return d, err
	}
	d.State = o.Kind.Terminal()
	letter, err := queue.ReadLetter(ctx, p.js, d.Mailbox, d.ID, d.From)
	if errors.Is(err, queue.ErrNoLetter) || d.DryRun {
		return d, nil
	}
	if err != nil {
		return d, err
	}
	return d, queue.MarkRedriven(ctx, p.js, letter, p.who)
}

// open opens the generation behind o, which is DEAD and the last that ended. The
// record comes first: with it the generation is open, and if the message is never
// sent because we crash, another redrive or the reconciler sends it.
func (p *Operator) open(ctx context.Context, o execution.Outcome, why string, dryRun bool) (Redriven, error) {
	d := Redriven{Key: o.Key, From: o.Generation, State: execution.Accepted, DryRun: dryRun}
	d.Generation++
	letter, err := queue.ReadLetter(ctx, p.js, o.Mailbox, o.ID, o.Generation)
	if err != nil && !errors.Is(err, queue.ErrNoLetter) {
		return d, err
	}
	hasLetter := err == nil
	s, found, err := p.tracker.underWay(ctx, d.Key)
	if err != nil {
		return d, err
	}
	if found {
		d.State = s.State
	}
	if _, d.Already, err = queue.Find(ctx, p.js, d.Key); err != nil {
		return d, err
	}
	if !d.Already {
		r, err := p.request(ctx, o, letter)
		if err != nil || dryRun {
			return d, err
		}
		r.Generation = d.Generation
		who := guard.Identity{Executor: execution.ByOperator, Host: p.who}
		if err := guard.Reopen(ctx, p.states, p.events, who, d.Key, o.RequestDigest, why); err != nil {
			return d, err
		}
		failpoint.Hit(failpoint.Reopened)
		publish := queue.Publish
		if letter.Local() {
			publish = queue.PublishLocal
		}
		if err := publish(ctx, p.js, r); err != nil {
			return d, err
		}
	}
	failpoint.Hit(failpoint.Requeued)
	if !hasLetter || dryRun {
		return d, nil
	}
	return d, queue.MarkRedriven(ctx, p.js, letter, p.who)
}

// notDead is the error of an execution none of whose generations has ended.
func (p *Operator) notDead(ctx context.Context, mailbox, id string) error {
	s, err := p.tracker.Status(ctx, mailbox, id)
	if err != nil {
		return err
	}
	return notDead(mailbox, id, s.State)
}

func notDead(mailbox, id string, is execution.State) error {
	return fault.New(CodeNotDead, "execution %s of mailbox %s is %s", id, mailbox, is).
		Expecting("a DEAD execution: only those are redriven").Permanent()
}

// RedriveAll redrives what the dead letters that f chooses tell of, and yields
// each execution with what became of it. An error of one doesn't keep the others;
// an error without a name ends it.
func (p *Operator) RedriveAll(ctx context.Context, f queue.LetterFilter, why string, dryRun bool) iter.Seq2[Redriven, error] {
	return func(yield func(Redriven, error) bool) {
		for letter, err := range queue.Letters(ctx, p.js, f) {
			if err != nil {
				yield(Redriven{}, err)
				return
			}
			if letter.Refused() { // it was never an execution
				continue
			}
			d, err := p.Redrive(ctx, letter.Mailbox, letter.Name, letter.Generation, why, dryRun)
			if d.ID == "" { // refused before it was known which generation
				d.Key = execution.Key{Mailbox: letter.Mailbox, ID: letter.Name, Generation: letter.Generation}
			}
			if !yield(d, err) || ctx.Err() != nil {
				return
			}
		}
	}
}
