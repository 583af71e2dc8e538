// Package notify runs `sage notify` as a process, causes what each rule is of, kills it between
// claiming, sending and noting, and counts what its receivers heard.
package notify

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/bridge/budget"
	"github.com/sagefleet/sagefleet/bridge/shares"
	"github.com/sagefleet/sagefleet/producer/alarms"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/event"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/heartbeat"
	"github.com/sagefleet/sagefleet/shared/notify/notifytest"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/state"
	"github.com/sagefleet/sagefleet/tests/process"
)

var binaries string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	process.IsolateAWS()
	dir, err := os.MkdirTemp("", "sage-notify-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binaries = dir
	if err := process.Build(dir, "failpoints", "./producer/cmd/sage"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// patience is for a machine that has other things to do.
const patience = 2 * time.Minute

// rules counts the messages that the operators' webhook heard by rule, and all posts.
func (f *fleet) rules(t *testing.T) (messages map[string]int, posts int) {
	t.Helper()
	messages = map[string]int{}
	ids := map[string]bool{}
	all := f.hook.Posts()
	for _, p := range all {
		var a alarms.Alarm
		if err := json.Unmarshal(p.Body, &a); err != nil {
			t.Errorf("heard %s: %v", p.Body, err)
		}
		if !ids[p.ID] {
			messages[a.Rule]++
		}
		ids[p.ID] = true
	}
	return messages, len(all)
}

type fleet struct {
	js   jetstream.JetStream
	vars map[string]string
	hook *notifytest.Hook
}

// newFleet is a fleet whose operators have a webhook, and more channels as the file says them.
func newFleet(t *testing.T, rules string, more ...string) *fleet {
	t.Helper()
	process.DependOnSources(t)
	s := bustest.Run(t)
	f := &fleet{js: s.Connect(t, "test"), hook: notifytest.Webhook(t)}
	if err := bus.Provision(t.Context(), f.js, s.Config); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "alarms.yaml")
	channels := append([]string{fmt.Sprintf("ops: {webhook: {url: %q, secret: %s}}", f.hook.URL, notifytest.HookSecret)}, more...)
	text := fmt.Sprintf("channels: {%s}\nrules: %s\n", strings.Join(channels, ", "), rules)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f.vars = map[string]string{"NATS_URL": s.Config.URL, "STORAGE_URL": "file://" + filepath.ToSlash(t.TempDir()), "ALARMS_FILE": file,
		"ALARMS_EVERY": "200ms", "NOTIFY_TRY": "2s", "NOTIFY_PRIVATE": "127.0.0.0/8",
		// As the server has them.
		"QUEUE_ACK_WAIT": s.Config.AckWait.String(), "EVENTS_MAX_AGE": s.Config.EventsMaxAge.String(),
		"QUEUE_MAX_ACK_PENDING": fmt.Sprint(s.Config.MaxAckPending)}
	return f
}

// notify starts `sage notify`, to be killed at a point if one is given.
func (f *fleet) notify(t *testing.T, at failpoint.Point) *process.Process {
	t.Helper()
	vars := map[string]string{}
	for name, value := range f.vars {
		vars[name] = value
	}
	if at != "" {
		vars["SAGE_FAILPOINT"] = string(at)
	}
	return process.Start(t, filepath.Join(binaries, "sage"), vars, "notify")
}

// leads waits until a process has begun to look.
func (f *fleet) leads(t *testing.T) {
	t.Helper()
	kv := f.bucket(t, bus.BucketNotices)
	process.Eventually(t, patience, "it looks", func() bool {
		_, dead := kv.Get(t.Context(), "place."+bus.StreamDead)
		_, ends := kv.Get(t.Context(), "place."+bus.StreamEvents)
		return dead == nil && ends == nil
	})
}

func (f *fleet) bucket(t *testing.T, name string) jetstream.KeyValue {
	t.Helper()
	kv, err := f.js.KeyValue(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

func key(id string) execution.Key { return execution.Key{Mailbox: "ventas", ID: id, Generation: 1} }

func (f *fleet) bury(t *testing.T, id string) {
	t.Helper()
	o := execution.Outcome{Key: key(id), Kind: execution.Dead, Number: 1, Fault: fault.New("POISON", "of a test")}
	if err := queue.Bury(t.Context(), f.js, o, nil); err != nil {
		t.Fatal(err)
	}
}

// spend has what bridges keep of the budget say that so many USD are spoken for.
func (f *fleet) spend(t *testing.T, limits budget.Config, usd float64) {
	t.Helper()
	account := budget.Open(limits, budget.State{})
	if err := account.Reserve(time.Now(), budget.Reservation{ID: "b1/1", USD: usd}); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(shares.Account{Budget: account.State()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.bucket(t, bus.BucketBudget).Put(t.Context(), "account", data); err != nil {
		t.Fatal(err)
	}
}

// TestOneNoticeOfEachRule: several of each fault, and one notice of each rule, by webhook and
// by mail.
func TestOneNoticeOfEachRule(t *testing.T) {
	t.Parallel()
	mail := notifytest.Mail(t)
	f := newFleet(t, "{stuck: {after: 3s}, backlog: {after: 3s}, down: {after: 6s}}", "mail: {email: {to: [ops@example.org]}}")
	maps.Copy(f.vars, mail.Variables(t))
	f.vars["BUDGET_HOUR_USD"] = "1"
	p := f.notify(t, "")
	f.leads(t)
	states := state.New(f.js, f.bucket(t, bus.BucketState), time.Hour)
	now := time.Now().UTC()
	for n := range 3 {
		id := fmt.Sprint("e", n)
		f.bury(t, id)
		data := execution.EventData{Key: key(id), State: execution.Succeeded.Terminal(), Finished: now, Asked: &execution.Asked{Deadline: now.Add(-time.Hour)}}
		e := execution.NewEvent(execution.EventSucceeded, "host", now, data)
		if err := event.New(f.js, bus.SubjectEvent).Publish(execution.EventSucceeded, e)(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := states.Save(t.Context(), state.Record{Key: key("still-" + id), State: execution.Running, Updated: now}, 0); err != nil {
			t.Fatal(err)
		}
		if err := queue.Publish(t.Context(), f.js, execution.Request{ID: "waits-" + id, Mailbox: "ventas", Config: execution.Config{Text: "x"},
			Inputs: []execution.Input{{URI: "file:///a", Filename: "a.csv"}}}); err != nil {
			t.Fatal(err)
		}
	}
	beat, err := json.Marshal(heartbeat.Beat{Kind: heartbeat.KindWorker, Host: "m1-1", Started: now, Worker: &heartbeat.Worker{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.bucket(t, bus.BucketFleet).Put(t.Context(), "worker.m1-1", beat); err != nil { // its last
		t.Fatal(err)
	}
	f.spend(t, budget.Config{Hour: 1}, 0.45) // of the half that can be spent at once
	want := []string{alarms.RuleDead, alarms.RuleDeadline, alarms.RuleBudget, alarms.RuleStuck, alarms.RuleBacklog, alarms.RuleDown}
	process.Eventually(t, patience, "each rule is told of", func() bool {
		m, _ := f.rules(t)
		return len(m) == len(want) && len(mail.Letters()) >= len(want)
	})
	time.Sleep(3 * time.Second) // for what should not come
	p.Stop(t)
	messages, posts := f.rules(t)
	for _, rule := range want {
		if messages[rule] != 1 {
			t.Errorf("%s was told %d times", rule, messages[rule])
		}
	}
	letters := mail.Letters()
	if posts != len(want) || len(letters) != len(want) {
		t.Errorf("%d posts, %d letters: %v", posts, len(letters), messages)
	}
	for _, l := range letters {
		if !l.Secured || l.User != notifytest.User || !slices.Equal(l.To, []string{"ops@example.org"}) {
			t.Errorf("a letter to %q by %q, secured: %v", l.To, l.User, l.Secured)
		}
	}
}

// TestCrashesRepeatTheKey: wherever it is killed, nothing is lost, and what is said again has
// the same key.
func TestCrashesRepeatTheKey(t *testing.T) {
	t.Parallel()
	for point, posts := range map[failpoint.Point]int{failpoint.AlarmKept: 1, failpoint.NoticeClaimed: 1, failpoint.NoticeSent: 2, failpoint.NoticeNoted: 1} {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, "{}")
			p := f.notify(t, point)
			f.leads(t)
			f.bury(t, "e1")
			if code := p.Exit(t, patience); code != -1 {
				t.Fatalf("it ended by itself: %d", code)
			}
			again := f.notify(t, "")
			process.Eventually(t, patience, "it is told", func() bool {
				_, n := f.rules(t)
				return n >= posts && len(again.Logged("notify starts")) > 0
			})
			process.Eventually(t, patience, "nothing is left to be said", func() bool {
				keys, err := f.bucket(t, bus.BucketNotices).ListKeysFiltered(t.Context(), "incident.>")
				if err != nil {
					t.Fatal(err)
				}
				left := 0
				for k := range keys.Keys() {
					entry, err := f.bucket(t, bus.BucketNotices).Get(t.Context(), k)
					var i alarms.Incident
					if err != nil || json.Unmarshal(entry.Value(), &i) != nil {
						t.Fatal(err)
					}
					left += len(i.Notices)
				}
				return left == 0
			})
			again.Stop(t)
			if messages, n := f.rules(t); messages[alarms.RuleDead] != 1 || len(messages) != 1 || n != posts {
				t.Errorf("%v in %d posts, want one key in %d", messages, n, posts)
			}
		})
	}
}
