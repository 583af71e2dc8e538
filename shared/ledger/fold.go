package ledger

import (
	"cmp"
	"slices"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
)

// fold makes the row of the generation k of all that was told of it, in whatever
// order. It reports false when nothing says where it stands.
func fold(k execution.Key, events []told) (Execution, bool) {
	slices.SortFunc(events, func(a, b told) int {
		return cmp.Or(cmp.Compare(a.Sequence, b.Sequence), a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
	})
	e := Execution{Key: k}
	var end *told
	ok := false
	for i, t := range events {
		switch {
		case t.Kind == execution.EventRedriven && t.Data.Generation != k.Generation:
			e.RedrivenAs = t.Data.Generation
			continue
		case t.Kind == execution.EventErased:
			if e.Erased.IsZero() || t.At.Before(e.Erased) {
				e.Erased = t.At
			}
			continue
		case t.Kind == execution.EventSuperseded:
			e.pay(t.Data.Usage)
			continue
		case !stages[t.Kind]:
			continue
		}
		ok = true
		e.follow(t)
		if t.Data.State.Terminal() && t.Kind != execution.EventRepaired {
			end = &events[i]
		}
	}
	if end != nil {
		e.end(*end, events)
	}
	if e.Accepted.IsZero() {
		e.Accepted = e.firstHeard(events)
	}
	if !e.Erased.IsZero() {
		e.forget()
	}
	return e, ok
}

// stages are the kinds of event that say where an execution stands. Others are only
// listed, those that a later version tells among them.
var stages = map[string]bool{
	execution.EventAccepted: true, execution.EventStarted: true, execution.EventRetry: true, execution.EventReturned: true, execution.EventRedriven: true,
	execution.EventRepaired: true, execution.EventStranded: true,
	execution.EventSucceeded: true, execution.EventDead: true, execution.EventCancelled: true,
}

// follow takes over what t says, which comes after what e knows.
func (e *Execution) follow(t told) {
	d := t.Data
	if t.Kind == execution.EventViewed {
		return
	}
	if d.State != "" {
		e.State = d.State
	}
	e.Code, e.Reason = d.Code, d.Reason
	e.Attempts = max(e.Attempts, d.Number)
	if t.At.After(e.Updated) {
		e.Updated = t.At
	}
	if !d.Enqueued.IsZero() && (e.Accepted.IsZero() || d.Enqueued.Before(e.Accepted)) {
		e.Accepted = d.Enqueued
	}
	if !d.Started.IsZero() {
		e.Started = d.Started
		if e.Began.IsZero() || d.Started.Before(e.Began) {
			e.Began = d.Started
		}
	}
	e.pay(d.Usage)
	if d.Asked != nil {
		e.ask(*d.Asked)
	}
	e.Bytes = cmp.Or(d.InputBytes, e.Bytes)
	switch t.Kind {
	case execution.EventStarted, execution.EventRetry:
		e.Executor, e.Host = known(d.Executor), t.host()
	case execution.EventReturned, execution.EventRedriven:
		e.Executor, e.Host = "", ""
	}
}

func (e *Execution) pay(u *execution.Usage) {
	if u != nil {
		e.BilledMillis += u.BilledMillis
		e.CostUSD += u.CostUSD
	}
}

// ask takes over what was asked for, as far as a says it.
func (e *Execution) ask(a execution.Asked) {
	e.Sender, e.Method, e.Class = cmp.Or(a.Sender, e.Sender), cmp.Or(a.Method, e.Method), cmp.Or(a.Class, e.Class)
	if !a.Deadline.IsZero() {
		e.Deadline = a.Deadline
	}
	if a.FileCount > 0 {
		e.Files, e.FileCount = a.Files, a.FileCount
	}
	e.Bytes = cmp.Or(a.Bytes, e.Bytes)
}

// known is executor if a filter can find it.
func known(executor string) string {
	if slices.Contains(executors, executor) {
		return executor
	}
	return ""
}

// end takes over how it ended, which stands whatever was told afterwards.
func (e *Execution) end(t told, events []told) {
	d := t.Data
	e.State, e.Code, e.Reason, e.Executor, e.Host = d.State, d.Code, d.Reason, known(d.Executor), cmp.Or(d.Host, t.host())
	for _, other := range events { // who tells of the end need not be who worked
		if other.Kind == execution.EventStarted && other.Data.Token == d.Token {
			e.Host = other.host()
		}
	}
	e.Started, e.Finished = d.Started, d.Finished
	if e.Finished.IsZero() {
		e.Finished = t.At
	}
	if d.Summary != nil {
		e.Status, e.Records, e.Errors, e.Warnings = d.Summary.Status, d.Summary.Records, d.Summary.Errors, d.Summary.Warnings
	}
	if d.CachedFrom != nil {
		e.CachedFrom = d.CachedFrom.ExecutionID
	}
}

// forget leaves how and when it ended, and nothing that came from the customer.
func (e *Execution) forget() {
	e.Sender, e.Method, e.Files, e.FileCount, e.Bytes = "", "", nil, 0, 0
	e.Status, e.Records, e.Errors, e.Warnings = "", 0, 0, 0
	e.Reason, e.CachedFrom = "", ""
}

// firstHeard is the earliest time that an event has.
func (e *Execution) firstHeard(events []told) (first time.Time) {
	for _, t := range events {
		for _, at := range []time.Time{t.Data.Started, t.At} {
			if !at.IsZero() && (first.IsZero() || at.Before(first)) {
				first = at
			}
		}
	}
	return first
}
