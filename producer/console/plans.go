package console

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/ledger"
	"github.com/sagefleet/sagefleet/shared/planning"
)

const (
	planMost     = 10_000           // executions, the newest
	planLife     = time.Minute      // for which an answer is good
	planPatience = 10 * time.Second // for a turn, and then for an answer
	plansKept    = 32
)

// codePlanTooLarge says that a question takes longer than anybody may have.
const codePlanTooLarge fault.Code = "PLAN_TOO_LARGE"

var errPlanBusy = fault.New("PLAN_BUSY", "plans for others are being made").Advise("try again in a moment")

// plans answers questions one after another, and rests after each as long as it took:
// whoever asks, and however much, plans take at most half of one processor.
type plans struct {
	ask  planning.Planner
	read func(context.Context, ledger.Filter, int) ([]ledger.Execution, error)
	turn chan struct{} // has room while nobody plans or rests

	mu    sync.Mutex
	known map[string]planned
}

// planned is an answer, for all who ask the same.
type planned struct {
	planning.Answer
	cut   bool // there are more executions than were counted with
	until time.Time
}

func newPlans(ask planning.Planner, l *ledger.Ledger) *plans {
	return &plans{ask: ask, read: l.Newest, turn: make(chan struct{}, 1), known: map[string]planned{}}
}

// of answers q from what was accepted in mailboxes within window; nil is all mailboxes.
func (p *plans) of(ctx context.Context, mailboxes []string, window time.Duration, q planning.Question) (planned, error) {
	key := fmt.Sprintf("%q %t %v %+v", mailboxes, mailboxes == nil, window, q)
	if a, ok := p.kept(key); ok {
		return a, nil
	}
	waiting, cancel := context.WithTimeout(ctx, planPatience)
	defer cancel()
	select {
	case p.turn <- struct{}{}:
	case <-waiting.Done():
		return planned{}, errPlanBusy
	}
	began := time.Now()
	defer func() { time.AfterFunc(time.Since(began), func() { <-p.turn }) }()
	if a, ok := p.kept(key); ok { // somebody asked the same meanwhile
		return a, nil
	}
	a, err := p.answer(ctx, mailboxes, window, q)
	if err != nil {
		return planned{}, err
	}
	p.keep(key, a)
	return a, nil
}

func (p *plans) answer(ctx context.Context, mailboxes []string, window time.Duration, q planning.Question) (planned, error) {
	bounded, cancel := context.WithTimeout(ctx, planPatience)
	defer cancel()
	found, err := p.read(bounded, ledger.Filter{Mailboxes: mailboxes, From: time.Now().Add(-window),
		States: []execution.State{execution.Succeeded.Terminal(), execution.Dead.Terminal()}}, planMost+1)
	a := planned{cut: len(found) > planMost}
	if err == nil {
		var past []planning.Past
		past, q.Now = pastOf(found[:min(len(found), planMost)])
		a.Answer, err = p.ask(bounded, past, q)
	}
	if err != nil && ctx.Err() == nil && errors.Is(bounded.Err(), context.DeadlineExceeded) {
		return planned{}, fault.New(codePlanTooLarge, "this takes more than %v", planPatience).
			Expecting("fewer executions, or fewer numbers of workers").Advise("choose a shorter time or a mailbox; `sage plan` has no such bound").Permanent()
	}
	return a, err
}

// pastOf is what is known of executions to plan from, and how many workers did them.
func pastOf(found []ledger.Execution) (past []planning.Past, workers int) {
	hosts := map[string]bool{}
	for _, e := range found {
		if e.Executor != execution.OnWorker && e.Executor != execution.OnLambda {
			continue
		}
		if e.Executor == execution.OnWorker {
			hosts[e.Host] = true
		}
		past = append(past, planning.Past{Enqueued: e.Accepted, Started: e.Started, Finished: e.Finished, Lambda: e.Executor == execution.OnLambda, Bytes: e.Bytes})
	}
	return past, max(1, min(len(hosts), planMostCount))
}

func (p *plans) kept(key string) (planned, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, ok := p.known[key]
	return a, ok && time.Now().Before(a.until)
}

func (p *plans) keep(key string, a planned) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= plansKept {
		clear(p.known)
	}
	a.until = time.Now().Add(planLife)
	p.known[key] = a
}
