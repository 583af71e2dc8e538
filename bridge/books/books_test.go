package books_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/bridge/books"
	"github.com/sagefleet/sagefleet/bridge/remote"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

const worst = 0.02

var (
	errLost = errors.New("the answer was lost")
	request = execution.Request{ID: "e1", Mailbox: "ventas", Generation: 1, Class: "bulk"}
)

func attempt(token uint64, number int) execution.Attempt {
	return execution.Attempt{Request: request, Token: token, Number: number}
}

// ledger is a real one whose calls may fail, before or after they did what they should.
type ledger struct {
	*delegation.Ledger
	save func(n int, save func() (uint64, error)) (uint64, error) // n counts from 1
	load func() error

	saves int
}

func (l *ledger) Save(ctx context.Context, e delegation.Entry, revision uint64) (uint64, error) {
	l.saves++
	save := func() (uint64, error) { return l.Ledger.Save(ctx, e, revision) }
	if l.save != nil {
		return l.save(l.saves, save)
	}
	return save()
}

func (l *ledger) Load(ctx context.Context, k execution.Key) (delegation.Entry, uint64, error) {
	if l.load != nil {
		if err := l.load(); err != nil {
			return delegation.Entry{}, 0, err
		}
	}
	return l.Ledger.Load(ctx, k)
}

// purse is a budget that writes down what is said to it.
type purse struct {
	refuse  error
	settled []float64
}

func (p *purse) Reserve(context.Context, execution.Key, time.Time) (string, error) {
	return "b1/1", p.refuse
}

func (p *purse) Settle(_ context.Context, name string, usd float64) error {
	if name != "b1/1" {
		return errors.New("settled " + name)
	}
	p.settled = append(p.settled, usd)
	return nil
}

func open(t *testing.T) (*books.Books, *ledger, *purse) {
	t.Helper()
	js := bustest.Start(t)
	kv, err := js.KeyValue(t.Context(), bus.BucketDelegations)
	if err != nil {
		t.Fatal(err)
	}
	l, p := &ledger{Ledger: delegation.New(js, kv, time.Hour)}, &purse{}
	return books.New(l, p, "b1", "sage", delegation.ModeSync, worst), l, p
}

func stands(t *testing.T, l *ledger) delegation.Entry {
	t.Helper()
	e, _, err := l.Ledger.Load(t.Context(), request.Key())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func begin(t *testing.T, b *books.Books, a execution.Attempt) (func(context.Context, remote.Result), error) {
	t.Helper()
	end, err := b.Begin(t.Context(), a, time.Now().Add(time.Minute))
	if busy, ok := errors.AsType[*execution.BusyError](err); err != nil && (!ok || busy.For <= 0) {
		t.Errorf("%v is no reason to come back", err)
	}
	return end, err
}

func TestARunIsWrittenDownBeforeItBegins(t *testing.T) {
	t.Parallel()
	b, l, _ := open(t)
	end, err := begin(t, b, attempt(7, 1))
	if err != nil {
		t.Fatal(err)
	}
	e := stands(t, l)
	if !e.Live(time.Now()) || e.State != delegation.Invoked || e.Token != 7 || e.Bridge != "b1" || e.Function != "sage" || e.Class != "bulk" ||
		e.Reservation != "b1/1" || e.ReservedUSD != worst {
		t.Errorf("the ledger has %#v", e)
	}
	if _, err := begin(t, b, attempt(8, 2)); fault.CodeOf(err) != books.CodeDelegated {
		t.Errorf("a second run: %v", err)
	}
	end(t.Context(), remote.Result{State: delegation.Failed, RequestID: "r", Err: fault.New("OUT_OF_MEMORY", "too big"),
		Usage: &execution.Usage{BilledMillis: 5, MemoryMB: 1024, CostUSD: 0.001}})
	if e := stands(t, l); e.State != delegation.Failed || e.Billed.CostUSD != 0.001 || e.RequestID != "r" || e.Code != "OUT_OF_MEMORY" || e.Reason != "too big" {
		t.Errorf("the ledger has %#v", e)
	}
	if _, err := begin(t, b, attempt(8, 2)); err != nil {
		t.Errorf("another run, when the first is over: %v", err)
	}
	if e := stands(t, l); e.Token != 8 || e.Number != 2 || e.Billed != nil || e.Code != "" {
		t.Errorf("the ledger has %#v", e)
	}
}

func TestWithoutBudgetNothingIsWritten(t *testing.T) {
	t.Parallel()
	b, l, p := open(t)
	p.refuse = &execution.BusyError{For: time.Second, Err: fault.New("BUDGET_EXHAUSTED", "spent")}
	if _, err := begin(t, b, attempt(7, 1)); fault.CodeOf(err) != "BUDGET_EXHAUSTED" {
		t.Errorf("begun: %v", err)
	}
	if e := stands(t, l); e.State != "" || len(p.settled) > 0 {
		t.Errorf("the ledger has %#v, and settled is %v", e, p.settled)
	}
}

// What is settled is what is known of the cost; where a run may be going on, nothing.
func TestSettlement(t *testing.T) {
	t.Parallel()
	b, _, p := open(t)
	bill := &execution.Usage{BilledMillis: 5, MemoryMB: 1024, CostUSD: 0.001}
	token := uint64(0)
	for name, tt := range map[string]struct {
		results []remote.Result
		want    []float64
	}{
		"billed":             {[]remote.Result{{State: delegation.Ended, Usage: bill}}, []float64{0.001}},
		"failed, billed":     {[]remote.Result{{State: delegation.Failed, Usage: bill}}, []float64{0.001}},
		"failed":             {[]remote.Result{{State: delegation.Failed}}, []float64{worst}},
		"did not run":        {[]remote.Result{{State: delegation.Refused}}, []float64{0}},
		"never heard of":     {[]remote.Result{{State: delegation.Expired}}, []float64{worst}},
		"an outcome alone":   {[]remote.Result{{State: delegation.Ended}}, nil},
		"its own outcome":    {[]remote.Result{{State: delegation.Ended, AtMost: 0.002}}, []float64{0.002}},
		"more than possible": {[]remote.Result{{State: delegation.Ended, AtMost: 1}}, []float64{worst}},
		"nobody waits":       {[]remote.Result{{State: delegation.Unknown}}, nil},
		"an event":           {[]remote.Result{{State: delegation.Running}, {State: delegation.Ended, AtMost: 0.002}}, []float64{0.002}},
	} {
		token++
		a := attempt(token, 1)
		a.Request.ID = fmt.Sprintf("s%d", token)
		p.settled = nil
		end, err := begin(t, b, a)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range tt.results {
			end(t.Context(), r)
		}
		if len(p.settled) != len(tt.want) || len(tt.want) > 0 && p.settled[0] != tt.want[0] {
			t.Errorf("%s: settled %v, want %v", name, p.settled, tt.want)
		}
	}
}
