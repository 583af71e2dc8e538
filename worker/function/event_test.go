package function_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/worker/function"
)

type outcomesFunc func() (execution.Outcome, error)

func (f outcomesFunc) Read(context.Context, execution.Key) (execution.Outcome, error) { return f() }

// TestEvent: an event that is delivered again, or too late, does no work; any doubt is
// work.
func TestEvent(t *testing.T) {
	stands := execution.Outcome{Key: request.Key(), Kind: execution.Succeeded, Attempt: "1-first", RequestDigest: request.Digest()}
	another := stands
	another.RequestDigest = "another"
	event := execution.Delegation{Token: 1, Number: 1, Event: true}
	at := func(d execution.Delegation, expires time.Duration) *execution.Delegation {
		d.Expires = time.Now().Add(expires)
		return &d
	}
	tests := map[string]struct {
		delegation *execution.Delegation
		outcome    execution.Outcome
		err        error
		works      bool
		status     int
	}{
		"first":                {at(event, time.Minute), execution.Outcome{}, errors.New("none"), true, 200},
		"again":                {at(event, time.Minute), stands, nil, false, 200},
		"again, late":          {at(event, -time.Minute), stands, nil, false, 200},
		"late":                 {at(event, -time.Second), execution.Outcome{}, errors.New("none"), false, 410},
		"another's outcome":    {at(event, time.Minute), another, nil, true, 200},
		"no expiry":            {&event, execution.Outcome{}, errors.New("none"), true, 200},
		"waited for":           {&execution.Delegation{Token: 1, Number: 1}, stands, nil, true, 200},
		"waited for, no limit": {at(execution.Delegation{Token: 1, Number: 1}, -time.Hour), stands, nil, true, 200},
		"direct":               {nil, stands, nil, true, 200},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			worked := false
			h := function.New(executorFunc(func(context.Context, execution.Attempt) (execution.Outcome, error) {
				worked = true
				return execution.Outcome{Kind: execution.Succeeded, Attempt: "1-second"}, nil
			}), function.WithOutcomes(outcomesFunc(func() (execution.Outcome, error) { return tt.outcome, tt.err })))
			got, err := h.Handle(t.Context(), payload(t, tt.delegation))
			if err != nil || got.StatusCode != tt.status || worked != tt.works {
				t.Errorf("got %+v, %v, worked %v", got, err, worked)
			}
			if !tt.works && tt.status == 200 && got.Outcome.Attempt != "1-first" {
				t.Errorf("answered %+v", got.Outcome)
			}
		})
	}
}

// TestScratch: what an invocation left is gone when the next one begins, and what runs
// beside another keeps its own.
func TestScratch(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "scratch")
	var during []string
	var beside func()
	h := function.New(executorFunc(func(context.Context, execution.Attempt) (execution.Outcome, error) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Error(err)
		}
		for _, e := range entries {
			during = append(during, e.Name())
		}
		if err := os.MkdirAll(filepath.Join(dir, "sage-1", "deep"), 0o700); err != nil {
			t.Error(err)
		}
		if beside != nil {
			nested := beside
			beside = nil
			nested()
		}
		return execution.Outcome{Kind: execution.Succeeded}, nil
	}), function.WithScratch(dir))
	for range 2 {
		if h.Handle(t.Context(), payload(t, nil)); len(during) > 0 {
			t.Errorf("found %v", during)
		}
	}
	beside = func() { h.Handle(t.Context(), payload(t, nil)) }
	if h.Handle(t.Context(), payload(t, nil)); len(during) != 1 {
		t.Errorf("beside another it found %v", during)
	}
}
