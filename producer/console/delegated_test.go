package console

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
)

// handed is an entry of the ledger, written.
func handed(t *testing.T, l *delegation.Ledger, mailbox, id string, state delegation.State, invoked time.Time) (delegation.Entry, uint64) {
	t.Helper()
	e := delegation.Entry{Key: execution.Key{Mailbox: mailbox, ID: id, Generation: 1}, Number: 1, State: state, Function: "sage", Bridge: "b-7", Mode: delegation.ModeSync,
		ReservedUSD: 0.25, Invoked: invoked, Updated: invoked, Expiry: invoked.Add(15 * time.Minute)}
	revision, err := l.Save(t.Context(), e, 0)
	if err != nil {
		t.Fatal(err)
	}
	return e, revision
}

// The fleet's page counts the runs that may be going on in the visitor's mailboxes, and
// those that nobody waits for.
func TestDelegationsAreCounted(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	kv, err := js.KeyValue(t.Context(), bus.BucketDelegations)
	if err != nil {
		t.Fatal(err)
	}
	l, now := delegation.New(js, kv, time.Hour), time.Now()
	running, revision := handed(t, l, "ventas", "running", delegation.Running, now.Add(-time.Minute))
	handed(t, l, "ventas", "lost", delegation.Unknown, now)
	handed(t, l, "ventas", "lapsed", delegation.Unknown, now.Add(-time.Hour))
	handed(t, l, "ventas", "over", delegation.Ended, now)
	handed(t, l, "compras", "another", delegation.Invoked, now)
	s := serve(t, Parts{Access: as{Name: "eva", Role: access.Viewer, Mailboxes: []string{"ventas"}}, JS: js, Delegations: l})
	counts := func() string {
		page := body(t, do(t, s, http.MethodGet, "/", nil, nil))
		if strings.Contains(page, "another") || strings.Contains(page, "lapsed") {
			t.Errorf("the page shows what isn't eva's, or must be over:\n%s", page)
		}
		all := regexp.MustCompile(`<dt>May be running</dt><dd>(\d+)</dd><dt>Of these, nobody waits for</dt><dd>(?:<b class="bad">)?(\d+)`).FindStringSubmatch(page)
		if all == nil {
			t.Fatalf("nothing is counted:\n%s", page)
		}
		return all[1] + " " + all[2]
	}
	if got := counts(); got != "2 1" {
		t.Errorf("counted %q, want 2 live and 1 of them unknown", got)
	}
	running.State = delegation.Ended
	if _, err := l.Save(t.Context(), running, revision); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); counts() != "1 1"; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still %s after one has ended", counts())
		}
	}
}

// An execution's timeline has where its delegation stands, in its place.
func TestDelegationIsOnTheTimeline(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	kv, err := js.KeyValue(t.Context(), bus.BucketDelegations)
	if err != nil {
		t.Fatal(err)
	}
	l, now := delegation.New(js, kv, time.Hour), time.Now()
	c := New(Parts{JS: js, Delegations: l})
	v := &visit{Request: (&http.Request{}).WithContext(t.Context()), words: known["en"], now: now}
	for state, want := range map[delegation.State]string{delegation.Invoked: "bridge b-7 has asked the Lambda", delegation.Running: "has taken it from bridge b-7", delegation.Unknown: "nobody at bridge b-7 waits",
		delegation.Ended: "bridge b-7 asked left a result", delegation.Failed: "left no result; another", delegation.Refused: "did not run", delegation.Expired: "in its time"} {
		entry, _ := handed(t, l, "ventas", string(state), state, now.Add(-time.Minute))
		e := executionView{Status: producer.Status{Key: entry.Key, Enqueued: now.Add(-2 * time.Minute)},
			Steps: []step{{At: now.Add(-2 * time.Minute), Text: "before"}, {At: now, Text: "after"}}}
		if err := c.delegationStep(v, &e); err != nil {
			t.Fatal(err)
		}
		if len(e.Steps) != 3 || !strings.Contains(e.Steps[1].Text, want) || e.Steps[1].After != "+1 min 0 s" {
			t.Errorf("%s: %+v", state, e.Steps)
			continue
		}
		for _, part := range []string{clock(entry.Invoked), clock(entry.Expiry), "≤ $0.2500"} {
			if !strings.Contains(e.Steps[1].Numbers, part) {
				t.Errorf("%s: %q lacks %s", state, e.Steps[1].Numbers, part)
			}
		}
	}
	lapsed, _ := handed(t, l, "ventas", "lapsed", delegation.Unknown, now.Add(-time.Hour))
	e := executionView{Status: producer.Status{Key: lapsed.Key}}
	if err := c.delegationStep(v, &e); err != nil || len(e.Steps) != 1 || !strings.Contains(e.Steps[0].Text, "must be over") {
		t.Errorf("what nobody closed: %+v, %v", e.Steps, err)
	}
	e = executionView{Status: producer.Status{Key: execution.Key{Mailbox: "ventas", ID: "never", Generation: 1}}}
	if err := c.delegationStep(v, &e); err != nil || len(e.Steps) != 0 {
		t.Errorf("what was never handed over: %+v, %v", e.Steps, err)
	}
}
