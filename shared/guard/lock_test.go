package guard_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// Who failed gives the lock back; who ended an execution leaves it: nobody asks for it
// any more, and it expires.
func TestOnlyAnEndLeavesItsLock(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	held := func() bool {
		held, err := f.locks.Held(t.Context(), attempt().Request.Key().Path())
		if err != nil {
			t.Fatal(err)
		}
		return held
	}
	failing := f.guard(func(context.Context, execution.Attempt) (execution.Outcome, error) {
		return execution.Outcome{}, fault.New("INPUT_MISSING", "no such file")
	})
	if _, err := failing.Execute(t.Context(), attempt()); !errors.As(err, new(*execution.RetryError)) || held() {
		t.Fatalf("the lock is held: %t, after %v", held(), err)
	}
	if _, err := f.guard(f.commit).Execute(t.Context(), attempt()); err != nil || !held() {
		t.Fatalf("the lock is held: %t, after %v", held(), err)
	}
	for deadline := time.Now().Add(20 * time.Second); held(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the lock never expired")
		}
	}
}
