// Package books keeps the books of what a bridge hands to a Lambda: what it may cost
// is reserved and an entry stands in the ledger before the Lambda is asked, and both
// say afterwards what came of it.
//
// The order is what matters. Whoever finds an entry knows that a run may be going on;
// whoever finds none knows that there is none. A run that nobody has heard the end of
// stays charged with the most that it can cost.
package books

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/bridge/remote"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/machine"
)

// Codes of delegations that are not begun.
const (
	CodeDelegated fault.Code = "DELEGATED"   // another run may be going on
	CodeLate      fault.Code = "BOOKS_SLOW"  // writing it down took so long that it is no longer true
	CodeBooks     fault.Code = "BOOKS_ERROR" // it could not be written down
)

// Ledger keeps entries; see package delegation.
type Ledger interface {
	Load(context.Context, execution.Key) (delegation.Entry, uint64, error)
	Save(context.Context, delegation.Entry, uint64) (uint64, error)
}

// Budget reserves what a run can cost; see package shares.
type Budget interface {
	// Reserve returns the name of a reservation for a run of k that can't be going on
	// after expiry; an empty one where there is no limit.
	Reserve(ctx context.Context, k execution.Key, expiry time.Time) (name string, err error)
	// Settle says what the reserved run did cost, in USD.
	Settle(ctx context.Context, name string, usd float64) error
}

// Books are those of one bridge. It is a [remote.Books].
type Books struct {
	ledger Ledger
	budget Budget
	form   delegation.Entry // what all entries have in common
}

// New returns the Books of the bridge on host, whose runs cost at most worst USD each.
func New(ledger Ledger, budget Budget, host, function, mode string, worst float64) *Books {
	return &Books{ledger: ledger, budget: budget,
		form: delegation.Entry{Function: function, Bridge: host, Mode: mode, ReservedUSD: worst}}
}

// patience bounds each step, and with it how late a run may begin after it was
// written down.
const patience = 10 * time.Second

// Begin reserves and writes down that a is about to be handed over. It returns a
// *execution.BusyError when it must not be.
func (b *Books) Begin(ctx context.Context, a execution.Attempt, expiry time.Time) (end func(context.Context, remote.Result), err error) {
	now := time.Now()
	work, cancel := context.WithDeadline(ctx, now.Add(patience))
	defer cancel()
	k := a.Request.Key()
	reservation, err := b.budget.Reserve(work, k, expiry)
	if err != nil {
		return nil, err
	}
	failpoint.Hit(failpoint.Reserved)
	e := b.form
	e.Key, e.Token, e.Number, e.Class, e.State = k, a.Token, a.Number, a.Request.Class, delegation.Invoked
	e.Trace = a.Request.Trace
	e.Reservation, e.Invoked, e.Updated, e.Expiry = reservation, now.UTC(), now.UTC(), expiry.UTC()
	revision, err := b.enter(work, e)
	if err == nil {
		err = failpoint.Err(failpoint.Entered)
	}
	if late := machine.Since(now); err == nil && late > patience {
		// This process was stopped meanwhile, and others may have drawn conclusions.
		err = fault.New(CodeLate, "it took %v to write it down", late)
	}
	if err != nil {
		err = unwritten(err)
		if fault.CodeOf(err) != CodeDelegated {
			b.withdraw(ctx, e, err)
			failpoint.Hit(failpoint.Withdrawn)
		}
		b.settle(ctx, reservation, 0)
		return nil, err
	}
	return func(ctx context.Context, r remote.Result) { revision = b.end(ctx, e, revision, r) }, nil
}

// unwritten is err, which says why a run is not begun, for whoever asked for it.
func unwritten(err error) error {
	if fault.CodeOf(err) == fault.Unclassified {
		err = fault.New(CodeBooks, "the delegation is not written down: %w", err)
	}
	return &execution.BusyError{For: time.Second, Err: err}
}

// end writes down what came of the run. Without the ctx of the work, which may have
// ended.
func (b *Books) end(ctx context.Context, e delegation.Entry, revision uint64, r remote.Result) uint64 {
	e.State, e.Billed, e.RequestID, e.Updated = r.State, r.Usage, r.RequestID, time.Now().UTC()
	if r.Err != nil {
		what := fault.Describe(r.Err)
		e.Code, e.Reason = string(what.Code), what.Message
	}
	revision = b.save(ctx, e, revision)
	failpoint.Hit(failpoint.Closed)
	switch {
	case r.AtMost > 0 && r.Usage == nil:
		b.settle(ctx, e.Reservation, min(r.AtMost, e.ReservedUSD))
	case r.Usage != nil:
		b.settle(ctx, e.Reservation, r.Usage.CostUSD)
	case e.State == delegation.Refused:
		b.settle(ctx, e.Reservation, 0)
	case e.State == delegation.Failed || e.State == delegation.Expired: // it cost something, and nobody can say what
		b.settle(ctx, e.Reservation, e.ReservedUSD)
	}
	// Else the run may be going on: an OUTCOME alone may be another's. The reservation
	// stands until that is over.
	return revision
}

func (b *Books) settle(ctx context.Context, reservation string, usd float64) {
	if reservation == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := b.budget.Settle(ctx, reservation, usd); err != nil {
		zerolog.Ctx(ctx).Warn().Err(fmt.Errorf("settle %s: %w", reservation, err)).Msg("reservation stays charged for now")
	}
}

// Unlimited is the Budget without a limit.
type Unlimited struct{}

// Reserve reserves nothing.
func (Unlimited) Reserve(context.Context, execution.Key, time.Time) (string, error) { return "", nil }

// Settle does nothing.
func (Unlimited) Settle(context.Context, string, float64) error { return nil }
