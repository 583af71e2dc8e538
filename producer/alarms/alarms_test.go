package alarms_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/producer/alarms"
	"github.com/sagefleet/sagefleet/producer/notices"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/heartbeat"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/state"
)

// Dead letters of one cause are one incident, told again when there are more after the quiet
// time, and a second process tells nothing twice.
func TestDeadLettersOfOneCauseAreOneIncident(t *testing.T) {
	t.Parallel()
	r := receive(t)
	f := newFleet(t, webhook(r, ""), only(alarms.RuleDead, "again: 3s, calm: 1h"))
	f.bury(t, key("ventas", "before"), "POISON") // whoever turns alarms on knows
	f.alarm(t, "h1")
	f.alarm(t, "h2")
	f.leads(t, bus.StreamDead)
	for n := range 3 {
		f.bury(t, key("ventas", fmt.Sprint("e", n)), "INPUT_MISSING")
	}
	f.bury(t, key("compras", "e0"), "INPUT_MISSING")
	eventually(t, "both are opened", func() bool { return len(r.all(alarms.Opened)) == 2 })
	f.bury(t, key("ventas", "e3"), "INPUT_MISSING")
	eventually(t, "it goes on", func() bool {
		all := r.all(alarms.Again)
		return len(all) > 0 && all[len(all)-1].Count == 4
	})
	r.quiet()
	opened, again := r.all(alarms.Opened), r.all(alarms.Again)
	if got := subjects(opened); !slices.Equal(got, []string{"compras/INPUT_MISSING", "ventas/INPUT_MISSING"}) {
		t.Errorf("opened %v", got)
	}
	last := again[len(again)-1]
	if last.Subject != "ventas/INPUT_MISSING" || len(again) > 2 || !slices.Contains(last.Examples, "e3") || len(r.all("")) != 2+len(again) {
		t.Errorf("again %+v", again)
	}
	for _, o := range opened {
		if o.Subject == last.Subject && (o.Incident != last.Incident || o.id == last.id) {
			t.Errorf("%s of %s, then %s of %s", o.id, o.Incident, last.id, last.Incident)
		}
	}
}

func TestDeadlinesMissed(t *testing.T) {
	t.Parallel()
	r := receive(t)
	f := newFleet(t, webhook(r, ""), only(alarms.RuleDeadline, ""))
	f.alarm(t, "h1")
	f.leads(t, bus.StreamEvents)
	f.end(t, key("ventas", "early"), -time.Hour)
	f.end(t, key("compras", "late"), time.Hour)
	eventually(t, "it is told", func() bool { return len(r.all("")) > 0 })
	r.quiet()
	all := r.all("")
	if len(all) != 1 || all[0].Subject != "compras" || all[0].Rule != alarms.RuleDeadline || all[0].Detail != "late: +1h0m0s" {
		t.Errorf("heard %+v", all)
	}
}

// What is the case is told when it begins and when it is over.
func TestBudgetIsToldUntilItIsOver(t *testing.T) {
	t.Parallel()
	r := receive(t)
	f := newFleet(t, webhook(r, ""), only(alarms.RuleBudget, "calm: 1s"))
	var used atomic.Int64
	used.Store(79)
	f.budget = func(context.Context) ([]alarms.Limit, error) {
		return []alarms.Limit{{Window: "hour", Used: float64(used.Load()) / 100}, {Window: "hour", Mailbox: "ventas", Used: 0.1}}, nil
	}
	f.alarm(t, "h1")
	time.Sleep(2 * time.Second)
	if all := r.all(""); len(all) != 0 {
		t.Errorf("below the limit: %+v", all)
	}
	used.Store(80)
	eventually(t, "it is told", func() bool { return len(r.all(alarms.Opened)) == 1 })
	used.Store(99) // it goes on, and isn't told again
	time.Sleep(time.Second)
	used.Store(20)
	eventually(t, "it is over", func() bool { return len(r.all(alarms.Resolved)) == 1 })
	used.Store(90)
	eventually(t, "it comes back", func() bool { return len(r.all(alarms.Opened)) == 2 })
	all := r.all("")
	if len(all) != 3 || all[0].Incident != all[1].Incident || all[0].Incident == all[2].Incident || all[0].Subject != "hour" || all[0].Detail != "80 %" {
		t.Errorf("heard %+v", all)
	}
}

func TestOldBacklogs(t *testing.T) {
	t.Parallel()
	r := receive(t)
	f := newFleet(t, webhook(r, ""), only(alarms.RuleBacklog, "after: 1s, calm: 500ms"))
	f.alarm(t, "h1")
	for _, local := range []bool{false, true} {
		request := execution.Request{ID: fmt.Sprint("e-", local), Mailbox: "ventas", Config: execution.Config{Text: "x"},
			Inputs: []execution.Input{{URI: "file:///a", Filename: "a.csv"}}}
		var err error
		if local {
			data, failed := json.Marshal(request)
			if failed != nil {
				t.Fatal(failed)
			}
			_, err = f.js.Publish(t.Context(), bus.SubjectLocal("ventas", request.ID), data)
		} else {
			err = queue.Publish(t.Context(), f.js, request)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "both are told", func() bool {
		return slices.Equal(subjects(r.all(alarms.Opened)), []string{bus.ConsumerFleet, bus.ConsumerLocal})
	})
	consumer, err := f.js.Consumer(t.Context(), bus.StreamExecutions, bus.ConsumerLocal)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := consumer.Next()
	if err == nil {
		err = msg.Ack()
	}
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "one is over", func() bool { return slices.Equal(subjects(r.all(alarms.Resolved)), []string{bus.ConsumerLocal}) })
}

// Who falls silent is told of, and who says goodbye isn't.
func TestComponentsThatFallSilent(t *testing.T) {
	t.Parallel()
	r := receive(t)
	f := newFleet(t, webhook(r, ""), only(alarms.RuleDown, "after: 6s, calm: 100ms"))
	beats := f.bucket(t, bus.BucketFleet)
	beat := func(host string) heartbeat.Beat {
		return heartbeat.Beat{Kind: heartbeat.KindWorker, Host: host, Started: time.Now().UTC(), Worker: &heartbeat.Worker{Slots: 1}}
	}
	silent, err := json.Marshal(beat("m1-17"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := beats.Put(t.Context(), "worker.m1-17", silent); err != nil { // its last
		t.Fatal(err)
	}
	leaving, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		left <- heartbeat.NewSender(f.js, beats).Run(leaving, func() heartbeat.Beat { return beat("m2-18") }, nil)
	}()
	f.alarm(t, "h1")
	time.Sleep(time.Second)
	leave()
	if err := <-left; err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is told", func() bool { return len(r.all("")) > 0 })
	r.quiet()
	if got := subjects(r.all("")); !slices.Equal(got, []string{"worker/m1-17"}) {
		t.Errorf("heard of %v", got)
	}
	again, stop := context.WithCancel(t.Context())
	defer stop()
	back := beat("m1-19")
	go func() { _ = heartbeat.NewSender(f.js, beats).Run(again, func() heartbeat.Beat { return back }, nil) }()
	eventually(t, "another took its place", func() bool { return len(r.all(alarms.Resolved)) == 1 })
}

func TestExecutionsThatDoNotGoOn(t *testing.T) {
	t.Parallel()
	r := receive(t)
	f := newFleet(t, webhook(r, ""), only(alarms.RuleStuck, "after: 2s, calm: 500ms"))
	states := state.New(f.js, f.bucket(t, bus.BucketState), time.Hour)
	revisions := map[string]uint64{}
	save := func(id string, s execution.State) {
		t.Helper()
		revision, err := states.Save(t.Context(), state.Record{Key: key("ventas", id), State: s, Updated: time.Now().UTC()}, revisions[id])
		if err != nil {
			t.Fatal(err)
		}
		revisions[id] = revision
	}
	save("still", execution.Running)
	save("ended", execution.Succeeded.Terminal())
	ledger := delegation.New(f.js, f.bucket(t, bus.BucketDelegations), time.Hour)
	begun := time.Now().Add(-time.Minute)
	if _, err := ledger.Save(t.Context(), delegation.Entry{Key: key("compras", "lost"), State: delegation.Invoked, Mode: delegation.ModeSync, Bridge: "gone",
		Invoked: begun, Expiry: begun.Add(time.Second), Updated: begun}, 0); err != nil {
		t.Fatal(err)
	}
	f.alarm(t, "h1")
	eventually(t, "both are told", func() bool { return slices.Equal(subjects(r.all(alarms.Opened)), []string{"compras/lambda", "ventas"}) })
	save("still", execution.Succeeded.Terminal())
	eventually(t, "one is over", func() bool { return slices.Equal(subjects(r.all(alarms.Resolved)), []string{"ventas"}) })
	for _, h := range r.all(alarms.Opened) {
		if h.Subject == "ventas" && !slices.Equal(h.Examples, []string{"still"}) {
			t.Errorf("%+v", h)
		}
	}
}

// What would be too many messages is one, and nothing is left out of it.
func TestTooManyComeTogether(t *testing.T) {
	t.Parallel()
	r := receive(t)
	f := newFleet(t, webhook(r, ", per_hour: 4"), only(alarms.RuleDead, ""))
	stop := f.alarm(t, "h1")
	f.leads(t, bus.StreamDead)
	stop() // so that all are found at once
	r.Fail(1)
	const mailboxes = 30
	for n := range mailboxes {
		f.bury(t, key(fmt.Sprint("m", n), "e"), "POISON")
	}
	stop = f.alarm(t, "h2")
	told := func() map[string]int {
		subjects, ids := map[string]int{}, map[string]bool{}
		for _, h := range r.all("") {
			if ids[h.id] {
				continue // said again, because it was not taken
			}
			ids[h.id] = true
			for _, a := range append(h.Alarms, h.Alarm) {
				if a.Subject != "" {
					subjects[a.Subject]++
				}
			}
		}
		return subjects
	}
	eventually(t, "all are told, after it failed once", func() bool { return len(told()) == mailboxes && len(r.all("")) == 2 })
	stop()
	for subject, n := range told() {
		if n != 1 {
			t.Errorf("%s was told %d times", subject, n)
		}
	}
	if n, digests := len(r.all("")), len(r.all(alarms.Digest)); n != 2 || digests != 2 {
		t.Errorf("%d messages, %d digests", n, digests)
	}
}

// An e-mail, a post and a publication are one notice: each is tried by itself, until it is given up.
func TestEveryChannelHears(t *testing.T) {
	t.Parallel()
	r := receive(t)
	r.Fail(1)
	f := newFleet(t, strings.TrimSuffix(webhook(r, ""), "}")+", people: {email: {to: [gone@example.com, ana@example.com]}}}", only(alarms.RuleDead, ""))
	f.mail.RefuseRecipient("gone@example.com")
	f.alarm(t, "h1")
	f.leads(t, bus.StreamDead)
	f.bury(t, key("ventas", "e1"), "POISON")
	eventually(t, "the webhook hears it again", func() bool { return len(r.all("")) == 2 })
	r.quiet()
	if all := r.all(""); len(all) != 2 || all[0].id != all[1].id || all[0].id == "" {
		t.Errorf("heard %+v", all)
	}
	letters := f.mail.Letters()
	if len(letters) != 1 || letters[0].To[0] != "ana@example.com" || !strings.Contains(letters[0].Text, "dead letters, ventas/POISON") ||
		!strings.Contains(letters[0].Text, "sage dead list --mailbox ventas --code POISON") {
		t.Errorf("got %+v", letters)
	}
	standings := map[string]int{}
	if err := notices.List(t.Context(), f.bucket(t, bus.BucketNotices), func(k notices.Known) error {
		standings[k.Channel+" "+k.Standing]++
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if standings["email sent"] != 1 || standings["email given up"] != 1 || standings["webhook sent"] != 1 {
		t.Errorf("%v", standings)
	}
}
