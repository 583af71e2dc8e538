package guard_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/event"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/settings"
)

// limited is a guard with limits of time.
func (f fleet) limited(cfg guard.Config, next execution.ExecutorFunc) *guard.Guard {
	cfg.MaxAttempts, cfg.MaxCrashes = 2, 2
	return guard.New(f.locks, f.states, f.ledger, f.outcomes, event.New(f.js, bus.SubjectEvent), next,
		guard.Identity{Executor: execution.OnWorker, Host: "h1"}, cfg)
}

func TestTheClassDecidesHowLongAnAttemptMayTake(t *testing.T) {
	t.Parallel()
	cfg := guard.Config{Timeout: time.Hour, ClassTimeouts: map[string]time.Duration{"bulk": 3 * time.Hour, "urgent": time.Minute, "free": 0}}
	f := newFleet(t)
	for class, want := range map[string]time.Duration{"": time.Hour, "bulk": 3 * time.Hour, "urgent": time.Minute, "unheard-of": time.Hour, "free": 0} {
		a := attempt()
		a.Request.ID, a.Request.Class = "e"+class, class
		_, err := f.limited(cfg, func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
			at, ok := ctx.Deadline()
			if left := time.Until(at); ok != (want > 0) || ok && (left > want || left < want-30*time.Second) {
				t.Errorf("class %q has until %v (%v), want %v", class, left, ok, want)
			}
			return f.commit(ctx, a)
		}).Execute(t.Context(), a)
		if err != nil {
			t.Error(err)
		}
	}
}

func TestATimeoutIsAFailedAttempt(t *testing.T) {
	t.Parallel()
	usage := execution.Usage{BilledMillis: 20, CostUSD: 0.1}
	answers := map[string]func(ctx context.Context) error{
		"says the cause":      context.Cause,
		"says something else": func(context.Context) error { return errors.New("read: use of closed file") },
		"says busy": func(context.Context) error {
			return &execution.BusyError{For: time.Second, Err: errors.New("throttled")}
		},
		"says what it had cost":  func(ctx context.Context) error { return &execution.BilledError{Usage: usage, Err: ctx.Err()} },
		"wraps what was ended":   func(ctx context.Context) error { return errors.Join(errors.New("fetch"), ctx.Err()) },
		"says that it's expired": context.Context.Err,
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			g := f.limited(guard.Config{Timeout: 20 * time.Millisecond}, func(ctx context.Context, _ execution.Attempt) (execution.Outcome, error) {
				<-ctx.Done()
				return execution.Outcome{}, answer(ctx)
			})
			_, err := g.Execute(t.Context(), attempt())
			if retry, ok := errors.AsType[*execution.RetryError](err); !ok || retry.Number != 1 || fault.CodeOf(err) != guard.CodeTimeout {
				t.Fatalf("first attempt: %v, want a retry because of %s", err, guard.CodeTimeout)
			}
			if r := f.record(t, attempt().Request.Key()); r.Failures != 1 || r.Code != string(guard.CodeTimeout) {
				t.Errorf("record %+v", r)
			}
			o, err := g.Execute(t.Context(), attempt())
			if err != nil || o.Kind != execution.Dead || o.Fault.Code != guard.CodeExhausted || !strings.Contains(o.Fault.Message, string(guard.CodeTimeout)) {
				t.Errorf("second attempt: %+v, %v", o, err)
			}
			for id, e := range f.told(t) {
				if e.State == execution.RetryWait && (e.Usage != nil) != (name == "says what it had cost") {
					t.Errorf("%s says that it cost %+v", id, e.Usage)
				}
			}
		})
	}
}

func TestAResultInTimeOrLateIsAResult(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	g := f.limited(guard.Config{Timeout: 10 * time.Millisecond}, func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
		<-ctx.Done()
		return f.commit(context.WithoutCancel(ctx), a)
	})
	if o, err := g.Execute(t.Context(), attempt()); err != nil || o.Kind != execution.Succeeded {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestTimeoutsAreChecked(t *testing.T) {
	t.Parallel()
	good, err := settings.Parse[guard.Config](map[string]string{"CLASS_TIMEOUTS": "bulk:2h,urgent:1m,free:0"})
	if err != nil || good.Validate() != nil || good.ClassTimeouts["bulk"] != 2*time.Hour || good.Timeout != time.Hour {
		t.Errorf("%+v: %v, %v", good, err, good.Validate())
	}
	for variable, values := range map[string][]string{
		"EXECUTION_TIMEOUT": {"-1s", "soon"},
		"CLASS_TIMEOUTS":    {"bulk", "bulk:", "bulk:-1s", "a/b:1s", ":1s", "bulk:1h;urgent:1m"},
	} {
		for _, value := range values {
			cfg, err := settings.Parse[guard.Config](map[string]string{variable: value})
			if err == nil {
				err = cfg.Validate()
			}
			if err == nil || !strings.Contains(err.Error(), variable+" is ") {
				t.Errorf("%s=%s: %v", variable, value, err)
			}
		}
	}
}
