package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/tests/process"
)

// TestEveryIdentityCanDoItsWork has each identity do what the other tests don't ask
// of it, under its own permissions.
func TestEveryIdentityCanDoItsWork(t *testing.T) {
	f := newFleet(t, directory(t), map[string]string{"MAX_ATTEMPTS": "1", "RECONCILE_EVERY": "1s", "RECONCILE_GRACE": "1s",
		"RECONCILE_WINDOW": "1h", "SAGE_MAILBOX": mailbox, "LAMBDA_GUARDED": "true"})
	lambda := f.startLambda(t)
	f.startBridge(t, lambda)
	f.startWorker(t)
	heard, alarmed := f.startNotify(t)
	wants := func(id string, kind execution.Kind) {
		t.Helper()
		if o := f.outcome(t, mailbox, id); o.Kind != kind {
			t.Errorf("%s ended %s: %v", id, o.Kind, o.Fault)
		}
	}

	// The bridge finds what was stored and never published.
	if _, err := f.producer.Store(t.Context(), submission(mailbox, "forgotten", orders(3, 0))); err != nil {
		t.Fatal(err)
	}
	// The Lambda locks and records what it is invoked with directly.
	stored, err := f.producer.Store(t.Context(), submission(mailbox, "direct", orders(3, 0)))
	if err != nil {
		t.Fatal(err)
	}
	f.invoke(t, lambda.URL(), encode(t, stored))
	wants("direct", execution.Succeeded)

	// A producer submits, and who operates sees to what became of it.
	config, data := filepath.Join(t.TempDir(), "pedidos.yaml"), filepath.Join(t.TempDir(), "pedidos.csv")
	write(t, config, pedidos)
	write(t, data, orders(3, 0))
	f.sage(t, bus.Producer("e2e"), 0, "submit", config, data, "--id", "good")
	wants("good", execution.Succeeded)
	select {
	case <-heard:
	case <-time.After(20 * time.Second):
		t.Error("nobody was told of an end")
	}
	f.publish(t, mailbox, encode(t, f.request(mailbox, "bad", f.objects.URL()+"/inputs/"+mailbox+"/nowhere.csv")))
	wants("bad", execution.Dead)
	wants("forgotten", execution.Succeeded)
	f.settled(t, 20*time.Second)

	for _, i := range []bus.Identity{bus.IdentityOperator, bus.IdentityConsole} {
		for _, command := range []string{"status good", "backlog", "dead list", "dead show bad", "fetch good --to " + t.TempDir() + "/good"} {
			f.sage(t, i, 0, strings.Fields(command)...)
		}
	}
	for command, code := range map[string]int{"verify": 0, "wait good": 0, "erase good": 0, "dead export": 0, "cancel good": 1} {
		f.sage(t, bus.IdentityOperator, code, strings.Fields(command)...)
	}
	f.sage(t, bus.IdentityOperator, 0, "redrive", "bad")
	f.sage(t, bus.IdentityOperator, 3, "wait", "bad")
	f.sage(t, bus.IdentityGC, 0, "admin", "gc")
	f.sage(t, bus.IdentityAdmin, 0, "admin", "provision")
	f.sage(t, bus.IdentityAdmin, 0, "token", "create", "ana", "--mailbox", mailbox)
	f.sage(t, bus.IdentityAdmin, 0, "token", "list")
	f.sage(t, bus.IdentityOperator, 0, "notices", "list", "--all")
	alarmed()
}

// startNotify has `sage notify` answer the mailbox's senders by a webhook, which says
// that it was called, and tell operators by another. alarmed waits until that was called, and
// says what `sage notify` could not look at.
func (f *fleet) startNotify(t *testing.T) (answered <-chan struct{}, alarmed func()) {
	t.Helper()
	heard := make(chan struct{}, 1)
	var alarms atomic.Int64
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("webhook-signature") == "" {
			return
		}
		if r.URL.Path == "/alarms" {
			alarms.Add(1)
			return
		}
		select {
		case heard <- struct{}{}:
		default:
		}
	}))
	t.Cleanup(hook.Close)
	answers := filepath.Join(t.TempDir(), "answers.yaml")
	secret := "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 32))
	write(t, answers, []byte("mailboxes: {"+mailbox+": {webhook: {url: '"+hook.URL+"', secret: "+secret+"}}}"))
	rules := filepath.Join(t.TempDir(), "alarms.yaml")
	write(t, rules, []byte("channels: {ops: {webhook: {url: '"+hook.URL+"/alarms', secret: "+secret+"}}}\nrules: {stuck: {after: 5s}}"))
	p := process.Start(t, filepath.Join(binaries, "sage"),
		f.as(bus.IdentityNotify, map[string]string{"ANSWERS_FILE": answers, "ALARMS_FILE": rules, "ALARMS_EVERY": "500ms", "BUDGET_HOUR_USD": "1",
			"NOTIFY_PRIVATE": "127.0.0.0/8"}), "notify")
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(p.Tail(16<<10), "notify starts"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) || !p.Running() {
			t.Fatalf("sage notify doesn't start:\n%s", p.Tail(4<<10))
		}
	}
	process.Eventually(t, 20*time.Second, "it leads", func() bool { return len(p.Logged("this process leads")) > 0 })
	return heard, func() {
		t.Helper()
		process.Eventually(t, 30*time.Second, "operators are told", func() bool { return alarms.Load() > 0 })
		for _, trouble := range []string{"can't be looked at", "this process leads no longer", "heartbeats not followed"} {
			for _, line := range p.Logged(trouble) {
				t.Errorf("sage notify: %s: %s", trouble, line.Error)
			}
		}
	}
}

// TestADeniedCommandSaysWhy runs a command with somebody else's credentials.
func TestADeniedCommandSaysWhy(t *testing.T) {
	if open() {
		return // nothing is denied there
	}
	f := newFleet(t, directory(t), nil)
	p := process.Start(t, filepath.Join(binaries, "sage"), f.as(bus.IdentityAdmin, nil), "status", "any")
	if code := p.Exit(t, 20*time.Second); code != 2 || !strings.Contains(p.Tail(4<<10), "identity admin may not publish to $JS.API.") {
		t.Errorf("ended with %d and said %s, want 2 and %s", code, p.Tail(4<<10), bus.CodeDenied)
	}
}

// sage runs the operators' command as i.
func (f *fleet) sage(t *testing.T, i bus.Identity, code int, args ...string) {
	t.Helper()
	p := start(t, "sage", f.as(i, nil), args...)
	if got := p.Exit(t, 30*time.Second); got != code {
		t.Errorf("%s: sage %s ended with %d, want %d:\n%s", i, strings.Join(args, " "), got, code, p.Tail(4<<10))
	}
}

// invoke has the function carry out a request that no bridge delegated.
func (f *fleet) invoke(t *testing.T, endpoint string, payload []byte) {
	t.Helper()
	answer, err := http.Post(endpoint+"/2015-03-31/functions/"+function+"/invocations", "application/json", bytes.NewReader(payload))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	var reply execution.Reply
	if err := json.Unmarshal(body, &reply); err != nil || reply.StatusCode != http.StatusOK {
		t.Fatalf("the Lambda answers %s: %v", body, err)
	}
}

func write(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
