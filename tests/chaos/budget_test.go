package chaos

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/bridge/shares"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/tests/process"
)

// A bridge is killed at every step between a reservation and its settlement. What Lambda
// bills is always in the account, and what the budget doesn't cover isn't invoked.
func TestTheBudgetHoldsWhereverABridgeIsKilled(t *testing.T) {
	t.Parallel()
	const (
		memoryGB, perSecond = 1.0, 0.0000133334
		perRequest          = 0.0000002
		worst               = perRequest + perSecond*memoryGB*130 // two minutes and an initialisation
	)
	f := newFleet(t, stores["file"](t))
	lambda := f.slowLambda(t, 4, 0)
	bridge := f.bridgeTo(lambda, 4)
	bridge.vars["BUDGET_HOUR_USD"] = strconv.FormatFloat(2*8*worst+1e-9, 'g', -1, 64) // eight at once
	bridge.vars["BRIDGE_LEASE"] = "3s"
	var keys []execution.Key
	billed := func() float64 {
		s := lambda.Stats()
		return float64(s.BilledMillis)/1000*perSecond*memoryGB + float64(s.Invocations)*perRequest
	}
	for i, point := range []failpoint.Point{failpoint.Reserved, failpoint.Entered, failpoint.Invoking, failpoint.Invoked, failpoint.Closed} {
		f.arm(t, point, "kill")
		f.revive(t)
		k := execution.Key{Mailbox: "pedidos", ID: fmt.Sprintf("e%d", i), Generation: 1}
		f.submitOne(t, k, time.Now().Add(20*time.Second)) // else a worker waits until the invocation must have ended
		keys = append(keys, k)
		process.Eventually(t, patience, "the bridge is killed at "+string(point), func() bool { return !f.armed(point) && !bridge.Running() })
		if charged := f.charged(t); charged < billed() {
			t.Errorf("killed at %s: %.7f USD are billed, and %.7f in the account", point, billed(), charged)
		}
	}
	if n := lambda.Stats().Invocations; n == 0 || n > int64(len(keys)) {
		t.Errorf("%d invocations of %d executions", n, len(keys))
	}
	f.revive(t)
	f.addWorker() // what the budget doesn't cover
	f.revive(t)
	for _, k := range keys {
		f.awaitEnd(t, k)
	}
	a := f.account(t)
	t.Logf("billed %.7f USD of %s; %.7f in the account, %d reservations open", billed(), bridge.vars["BUDGET_HOUR_USD"], f.charged(t), len(a.Budget.Open))
	if charged := f.charged(t); charged < billed() {
		t.Errorf("%.7f USD are billed, and %.7f in the account", billed(), charged)
	}
}

func (f *fleet) account(t *testing.T) (a shares.Account) {
	t.Helper()
	kv, err := f.js.KeyValue(t.Context(), bus.BucketBudget)
	if err != nil {
		t.Fatal(err)
	}
	entry, err := kv.Get(t.Context(), "account")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(entry.Value(), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// charged is all that the account has ever settled, and what it holds for invocations
// that the shares say were begun.
func (f *fleet) charged(t *testing.T) float64 {
	t.Helper()
	kv, err := f.js.KeyValue(t.Context(), bus.BucketBudget)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := kv.ListKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a := f.account(t)
	sum := a.Budget.Settled
	for key := range keys.Keys() {
		entry, err := kv.Get(t.Context(), key)
		var s shares.Share
		if err != nil || json.Unmarshal(entry.Value(), &s) != nil {
			continue // the account, or a share that has just gone
		}
		for id, ticket := range s.Tickets {
			if ticket.Key != "" {
				sum += a.Budget.Open[id].Amount
			}
		}
	}
	return float64(sum) / 1e9
}
