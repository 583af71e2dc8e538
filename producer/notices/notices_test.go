package notices_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/producer/notices"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// counted is what a Watcher hears.
type counted struct{ sent, failed, givenUp atomic.Int64 }

func (c *counted) NoticeTried(_, _, end string) {
	map[string]*atomic.Int64{"sent": &c.sent, "failed": &c.failed, "given_up": &c.givenUp}[end].Add(1)
}

func TestSay(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	heard := &counted{}
	book, err := notices.Open(t.Context(), js, time.Minute, heard)
	if err != nil {
		t.Fatal(err)
	}
	say := func(key string, since time.Time, send error) (time.Duration, int) {
		t.Helper()
		tries := 0
		wait, err := book.Say(t.Context(), notices.Notice{Key: "answer." + key, ID: "id", Kind: notices.KindAnswer, Channel: "webhook", Since: since,
			Patience: time.Hour, Send: func(context.Context) error { tries++; return send }})
		if err != nil {
			t.Fatal(err)
		}
		return wait, tries
	}
	now := time.Now()
	for range 2 {
		if wait, _ := say("good", now, nil); wait != 0 {
			t.Errorf("what was said waits %v", wait)
		}
	}
	if wait, tries := say("bad", now, errors.New("no")); wait < 1500*time.Millisecond || wait > 2500*time.Millisecond || tries != 1 {
		t.Errorf("what failed once waits %v after %d tries", wait, tries)
	}
	if wait, tries := say("bad", now, nil); wait < time.Second || tries != 0 {
		t.Errorf("what waits is tried %d times, and waits %v", tries, wait)
	}
	for name, send := range map[string]error{"hopeless": fault.New("X", "no").Permanent(), "late": errors.New("no")} {
		since := now
		if name == "late" {
			since = now.Add(-2 * time.Hour)
		}
		if wait, tries := say(name, since, send); wait != 0 || tries != 1 {
			t.Errorf("%s: waits %v after %d tries", name, wait, tries)
		}
	}
	if s, f, g := heard.sent.Load(), heard.failed.Load(), heard.givenUp.Load(); s != 1 || f != 1 || g != 2 {
		t.Errorf("%d sent, %d failed, %d given up", s, f, g)
	}
	kv, err := js.KeyValue(t.Context(), bus.BucketNotices)
	if err != nil {
		t.Fatal(err)
	}
	standings := map[string]string{}
	if err := notices.List(t.Context(), kv, func(k notices.Known) error {
		standings[k.Key] = k.Standing
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"good": notices.Sent, "bad": notices.Waiting, "hopeless": notices.GivenUp, "late": notices.GivenUp} {
		if got := standings["answer."+key]; got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
}

// Of several who say the same at once, one does.
func TestOneOfSeveralSaysIt(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	book, err := notices.Open(t.Context(), js, time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	var said atomic.Int64
	done := make(chan error)
	const several = 8
	for range several {
		go func() {
			_, err := book.Say(t.Context(), notices.Notice{Key: "alarm.x", ID: "id", Since: time.Now(), Patience: time.Hour,
				Send: func(context.Context) error { said.Add(1); return nil }})
			done <- err
		}()
	}
	for range several {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := said.Load(); n != 1 {
		t.Errorf("said %d times", n)
	}
}
