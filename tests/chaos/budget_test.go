package chaos

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/bridge/shares"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/tests/process"
)

// A bridge is killed at every step between a reservation and its settlement, with a budget
// for four invocations of which nobody knows what they cost. What Lambda bills is always in
// the account and within the limit, and when the four are used nothing is invoked any more,
// whatever waits: the bridge says why, and workers do it.
func TestTheBudgetHoldsWhereverABridgeIsKilled(t *testing.T) {
	t.Parallel()
	const (
		memoryGB, perSecond = 1.0, 0.0000133334
		perRequest          = 0.0000002
		worst               = perRequest + perSecond*memoryGB*130 // two minutes and an initialisation
		atOnce              = 4
		limit               = 2*atOnce*worst + 1e-9 // half of it at once
	)
	f := newFleet(t, stores["file"](t))
	lambda := f.slowLambda(t, 4, 0)
	bridge := f.bridgeTo(lambda, 4)
	bridge.vars["BUDGET_HOUR_USD"] = strconv.FormatFloat(limit, 'g', -1, 64)
	bridge.vars["BRIDGE_LEASE"] = "3s"
	var keys []execution.Key
	submit := func(deadline time.Duration) {
		k := execution.Key{Mailbox: "pedidos", ID: fmt.Sprintf("e%d", len(keys)), Generation: 1}
		f.submitOne(t, k, time.Now().Add(deadline)) // else a worker waits until the invocation must have ended
		keys = append(keys, k)
	}
	began := time.Now()
	within := func(when string) {
		t.Helper()
		most := limit / 2 * (1 + time.Since(began).Hours()) // time pays the other half off
		s := lambda.Stats()
		billed := float64(s.BilledMillis)/1000*perSecond*memoryGB + float64(s.Invocations)*perRequest
		charged := f.charged(t)
		if charged < billed || charged > most || billed > limit {
			t.Errorf("%s: %.7f USD are billed, and %.7f in the account, which may hold %.7f", when, billed, charged, most)
		}
	}
	// The first leaves a bill, so that it is settled; each of the others leaves a ticket used.
	for _, point := range []failpoint.Point{failpoint.Closed, failpoint.Reserved, failpoint.Entered, failpoint.Invoking, failpoint.Invoked} {
		f.arm(t, point, "kill")
		f.revive(t)
		submit(20 * time.Second)
		process.Eventually(t, patience, "the bridge is killed at "+string(point), func() bool { return !f.armed(point) && !bridge.Running() })
		within("killed at " + string(point))
	}
	invoked := lambda.Stats().Invocations
	f.revive(t)
	for range 3 * atOnce {
		submit(time.Minute)
	}
	time.Sleep(4 * time.Second) // enough for the share of the dead bridge to be taken, were there any money
	if n := lambda.Stats().Invocations; n != invoked {
		t.Errorf("%d invocations after the budget was spent", n-invoked)
	}
	f.addWorker() // what the budget doesn't cover
	f.revive(t)
	for _, k := range keys {
		if o := f.awaitEnd(t, k); o.Executor == execution.OnLambda && slices.Index(keys, k) >= len(keys)-3*atOnce {
			t.Errorf("%s was executed by a Lambda that nobody could pay for", k)
		}
	}
	within("at the end")
	t.Logf("%d executions, %d invocations; %.7f USD in the account", len(keys), lambda.Stats().Invocations, f.charged(t))
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
