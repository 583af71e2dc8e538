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
	if out = f.sage(t, exitOK, "budget").stdout; !strings.Contains(out, "was told no limit") || strings.Contains(out, "FREE") {
		t.Errorf("without limits:\n%s", out)
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

func TestNoCostThatIsOneIsShownAsNothing(t *testing.T) {
	for _, c := range []struct {
		usd  float64
		want string
	}{{0, "0.000000"}, {1.5, "1.500000"}, {0.0000381, "0.000038"}, {0.000002, "0.0000020"}, {0.0000002, "0.00000020"}, {0.000000000001, "0.000000000001"}} {
		if got := usdText(c.usd); got != c.want {
			t.Errorf("%g is %s, want %s", c.usd, got, c.want)
		}
	}
}
