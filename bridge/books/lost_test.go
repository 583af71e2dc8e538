package books_test

import (
	"context"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/bridge/books"
	"github.com/sagefleet/sagefleet/bridge/remote"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// An entry whose answer was lost may stand, and everybody would wait for its run: so it
// begins, whether the entry came to stand or not.
func TestAnAnswerThatWasLostIsReadAgain(t *testing.T) {
	t.Parallel()
	for name, applied := range map[string]bool{"written": true, "not written": false} {
		for _, number := range []int{1, 2} {
			b, l, p := open(t)
			l.save = func(n int, save func() (uint64, error)) (uint64, error) {
				if n > 1 {
					return save()
				}
				if applied {
					_, _ = save()
				}
				return 0, errLost
			}
			end, err := begin(t, b, attempt(7, number))
			if err != nil {
				t.Fatalf("%s, attempt %d: %v", name, number, err)
			}
			if e := stands(t, l); !e.Live(time.Now()) || e.Token != 7 {
				t.Errorf("%s, attempt %d: the ledger has %#v", name, number, e)
			}
			end(t.Context(), remote.Result{State: delegation.Ended, Usage: &execution.Usage{CostUSD: 0.001}})
			if e := stands(t, l); e.State != delegation.Ended || len(p.settled) != 1 {
				t.Errorf("%s, attempt %d: the ledger has %#v, and settled is %v", name, number, e, p.settled)
			}
		}
	}
}

// Where nobody can say in time whether the entry stands, the run isn't begun, and the
// entry says so as soon as it can be written: nobody waits for it.
func TestARunThatIsNotBegunIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]bool{"written": false, "written later": true} {
		b, l, p := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		var first func() (uint64, error)
		l.save = func(n int, save func() (uint64, error)) (uint64, error) {
			if n > 1 {
				return save()
			}
			if first = save; !late {
				_, _ = save()
			}
			cancel() // as a drain does
			return 0, errLost
		}
		if _, err := b.Begin(ctx, attempt(7, 1), time.Now().Add(time.Minute)); fault.CodeOf(err) != books.CodeBooks {
			t.Errorf("%s: %v", name, err)
		}
		if late {
			if _, err := first(); err == nil {
				t.Errorf("%s: what comes so late is written", name)
			}
		}
		if e := stands(t, l); e.State != delegation.Refused || e.Code != string(books.CodeBooks) || e.Reason == "" {
			t.Errorf("%s: the ledger has %#v", name, e)
		}
		if len(p.settled) != 1 || p.settled[0] != 0 {
			t.Errorf("%s: settled %v", name, p.settled)
		}
	}
}

// A lost answer at the end leaves no entry that says the run goes on: a retry would wait
// for it.
func TestTheEndIsWrittenThoughAnAnswerWasLost(t *testing.T) {
	t.Parallel()
	for name, applied := range map[string]bool{"written": true, "not written": false} {
		b, l, _ := open(t)
		l.save = func(n int, save func() (uint64, error)) (uint64, error) {
			if n != 2 {
				return save()
			}
			if applied {
				_, _ = save()
			}
			return 0, errLost
		}
		end, err := begin(t, b, attempt(7, 1))
		if err != nil {
			t.Fatal(err)
		}
		end(t.Context(), remote.Result{State: delegation.Running, RequestID: "r"})
		if e := stands(t, l); e.State != delegation.Running {
			t.Errorf("%s: the ledger has %#v", name, e)
		}
		end(t.Context(), remote.Result{State: delegation.Failed})
		if e := stands(t, l); e.State != delegation.Failed {
			t.Errorf("%s: the ledger has %#v", name, e)
		}
	}
}

// What others wrote meanwhile stays: the reconciler has seen an end, or another run began.
func TestOthersKnowBetter(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*delegation.Entry){
		"the reconciler": func(e *delegation.Entry) { e.State = delegation.Ended },
		"another run":    func(e *delegation.Entry) { e.Token, e.Bridge = 8, "b2" },
	} {
		b, l, _ := open(t)
		end, err := begin(t, b, attempt(7, 1))
		if err != nil {
			t.Fatal(err)
		}
		e, revision, err := l.Ledger.Load(t.Context(), request.Key())
		if err != nil {
			t.Fatal(err)
		}
		change(&e)
		if _, err := l.Ledger.Save(t.Context(), e, revision); err != nil {
			t.Fatal(err)
		}
		end(t.Context(), remote.Result{State: delegation.Unknown})
		if got := stands(t, l); got.State != e.State || got.Token != e.Token {
			t.Errorf("%s wrote %+v, and now the ledger has %#v", name, e, got)
		}
	}
}

// While the ledger can't be read the run is not begun, and its reservation comes back.
func TestNoLedgerNoRun(t *testing.T) {
	t.Parallel()
	b, l, p := open(t)
	l.load = func() error { return errLost }
	l.save = func(int, func() (uint64, error)) (uint64, error) { return 0, errLost }
	if _, err := begin(t, b, attempt(7, 1)); fault.CodeOf(err) != books.CodeBooks {
		t.Errorf("begun: %v", err)
	}
	if len(p.settled) != 1 || p.settled[0] != 0 {
		t.Errorf("settled %v", p.settled)
	}
}
