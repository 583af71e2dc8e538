package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
)

func TestDelegationsAndBudget(t *testing.T) {
	f := newFleet(t)
	kv, err := f.js.KeyValue(t.Context(), bus.BucketDelegations)
	if err != nil {
		t.Fatal(err)
	}
	ledger := delegation.New(f.js, kv, time.Hour)
	now := time.Now().UTC()
	for id, state := range map[string]delegation.State{"live": delegation.Invoked, "over": delegation.Ended} {
		e := delegation.Entry{Key: execution.Key{Mailbox: "general", ID: id, Generation: 1}, Token: 1, Number: 1, State: state, Function: "sage",
			Bridge: "b1", Mode: delegation.ModeSync, ReservedUSD: 0.0125, Invoked: now, Expiry: now.Add(10 * time.Minute), Updated: now}
		if state.Over() {
			e.Billed = &execution.Usage{BilledMillis: 100, MemoryMB: 1024, CostUSD: 0.000002}
		}
		if _, err := ledger.Save(t.Context(), e, 0); err != nil {
			t.Fatal(err)
		}
	}
	out := f.sage(t, exitOK, "delegations").stdout
	for _, want := range []string{"live", "invoked, at most", "≤ 0.012500", "over", "outcome", "0.000002"} {
		if !strings.Contains(out, want) {
			t.Errorf("without %q:\n%s", want, out)
		}
	}
	out = f.sage(t, exitOK, "delegations", "--open", "--json").stdout
	var e delegation.Entry
	if err := json.Unmarshal([]byte(out), &e); err != nil || e.ID != "live" || strings.Count(out, "\n") != 1 {
		t.Errorf("%v:\n%s", err, out)
	}
	t.Setenv("BUDGET_HOUR_USD", "2")
	out = f.sage(t, exitOK, "budget").stdout
	if !strings.Contains(out, "hour") || !strings.Contains(out, "1.000000") {
		t.Errorf("%s", out)
	}
	t.Logf("\n%s", out)
	out = f.sage(t, exitOK, "budget", "--json").stdout
	if !strings.Contains(out, `"free_usd":1`) {
		t.Errorf("%s", out)
	}
}
