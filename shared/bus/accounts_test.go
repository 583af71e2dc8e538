package bus_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// join starts a provisioned server that checks permissions, and returns how to
// connect to it as anyone.
func join(t *testing.T) func(bus.Identity) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	s, security := bustest.RunSecured(t, producers)
	as := func(i bus.Identity) (*nats.Conn, jetstream.JetStream) {
		nc, err := bus.Connect(t.Context(), security.As(i, s.Config), i)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		js, err := bus.Open(nc)
		if err != nil {
			t.Fatal(err)
		}
		return nc, js
	}
	_, admin := as(bus.IdentityAdmin)
	for range 2 { // the second finds everything there
		if err := bus.Provision(t.Context(), admin, s.Config); err != nil {
			t.Fatal(err)
		}
	}
	changed := s.Config
	changed.AckWait = 9 * time.Second
	changes, err := bus.Diff(t.Context(), admin, changed.Topology())
	if err == nil {
		err = bus.Apply(t.Context(), changes)
	}
	if err != nil {
		t.Fatal(err)
	}
	return as
}

// A producer in an account of its own gets its acknowledgement, and what it names as
// the subject of its reply reaches nobody in the fleet's.
func TestAProducerCannotForgeThroughItsReplySubject(t *testing.T) {
	t.Parallel()
	as := join(t)
	nc, js := as(bus.Producer("ventas"))
	if _, err := js.Publish(t.Context(), bus.SubjectExec("ventas", "e1"), []byte("accepted"), jetstream.WithMsgID("a")); err != nil {
		t.Fatal(err)
	}
	_, operator := as(bus.IdentityOperator)
	targets := []string{"$KV.sage_state.ventas.e1.1", "$KV.sage_locks.ventas.e1.1", "sage.later.ventas.e1.1", "sage.dead.ventas.e1.1",
		"sage.event.ventas.succeeded", "sage.exec.compras", "sage.due.ventas.e1", "$JS.ACK.EXECUTIONS.fleet.1.1.1.1.1"}
	for _, target := range targets {
		msg := &nats.Msg{Subject: bus.SubjectMailbox("ventas"), Reply: target, Data: []byte("evil")}
		if err := nc.PublishMsg(msg); err != nil {
			t.Fatal(err)
		}
	}
	// Answers are sent after the message is stored; this one's comes after theirs.
	if _, err := js.Publish(t.Context(), bus.SubjectExec("ventas", "e2"), nil); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{bus.StreamLater, bus.StreamEvents, bus.StreamDead, "KV_" + bus.BucketState, "KV_" + bus.BucketLocks} {
		if n := operatorStream(t, operator, name).CachedInfo().State.LastSeq; n != 0 {
			t.Errorf("%d messages reached %s", n, name)
		}
	}
	info, err := operatorStream(t, operator, bus.StreamExecutions).Info(t.Context(), jetstream.WithSubjectFilter(">"))
	if err != nil {
		t.Fatal(err)
	}
	// One is dropped by the server: nobody may have an acknowledgement for its reply.
	if n := info.State.Subjects[bus.SubjectMailbox("ventas")]; n != uint64(len(targets))-1 || len(info.State.Subjects) != 3 {
		t.Errorf("%v on the queue, want what was published, in its own mailbox alone", info.State.Subjects)
	}
}

func operatorStream(t *testing.T, js jetstream.JetStream, name string) jetstream.Stream {
	t.Helper()
	s, err := js.Stream(t.Context(), name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return s
}

// The same within the fleet's account does reach: that is why there are others.
func TestInOneAccountAReplySubjectReachesEverything(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	msg := &nats.Msg{Subject: bus.SubjectMailbox("ventas"), Reply: "sage.event.ventas.succeeded"}
	if err := js.Conn().PublishMsg(msg); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); operatorStream(t, js, bus.StreamEvents).CachedInfo().State.Msgs == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no acknowledgement was written: the accounts would be needless")
		}
	}
}

// Who only reads is answered on everything that it may ask, and can't have an answer
// written anywhere either.
func TestReadersAreAnswered(t *testing.T) {
	t.Parallel()
	as := join(t)
	_, operator := as(bus.IdentityOperator)
	if _, err := operator.Publish(t.Context(), bus.SubjectExec("ventas", "e1"), []byte("one")); err != nil {
		t.Fatal(err)
	}
	for _, i := range []bus.Identity{bus.IdentityConsole, bus.IdentityGC} {
		nc, _ := as(i)
		for _, g := range i.Permissions().Publish {
			subject := strings.NewReplacer(">", "x", "*", "x").Replace(g.Subject)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			answer, err := nc.RequestWithContext(ctx, subject, nil)
			if err != nil {
				t.Errorf("%s asks %s: %v", i, subject, err)
			} else if strings.Contains(string(answer.Data), "not enabled") {
				t.Errorf("%s asks %s: %s", i, subject, answer.Data)
			}
			cancel()
			forged := &nats.Msg{Subject: subject, Reply: "sage.event.ventas.succeeded", Data: []byte(`{"last_by_subj":"sage.exec.ventas.e1"}`)}
			if err := nc.PublishMsg(forged); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := nc.RequestWithContext(t.Context(), "$JS.API.STREAM.INFO."+bus.StreamExecutions, nil); err != nil {
			t.Error(err)
		}
	}
	if n := operatorStream(t, operator, bus.StreamEvents).CachedInfo().State.LastSeq; n != 0 {
		t.Errorf("%d answers were written as events", n)
	}
}

// What is denied says so, instead of only timing out.
func TestADenialSaysWhoLacksWhat(t *testing.T) {
	t.Parallel()
	s, security := bustest.RunSecured(t, nil)
	gc := security.As(bus.IdentityGC, s.Config)
	gc.Identity = bus.IdentityWorker // the credentials of one, and the name of another
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, _, err := bus.Join(ctx, gc, bus.IdentityWorker)
	if !fault.IsPermanent(err) && fault.CodeOf(err) != bus.CodeDenied || !strings.Contains(err.Error(), "identity worker may not subscribe to _INBOX_worker.") {
		t.Errorf("Join = %v, want %s", err, bus.CodeDenied)
	}
	if _, err := bus.Connect(t.Context(), bus.Config{URL: s.Config.URL, Identity: "a.b"}, bus.IdentityWorker); err == nil {
		t.Error("an identity became several tokens")
	}
}

// Two with one name, one key or a key of nobody are mistakes that a server would take.
func TestServerConfigRefusesMistakes(t *testing.T) {
	t.Parallel()
	right := func() bus.ServerConfig {
		return bus.ServerConfig{Cert: "c", Key: "k", Users: []bus.User{{Identity: bus.IdentityWorker, PublicKey: "U1"},
			{Identity: bus.Producer("a"), PublicKey: "U2", Mailboxes: []string{"m"}}}}
	}
	if err := right().Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*bus.ServerConfig){
		"no TLS":   func(c *bus.ServerConfig) { c.Cert = "" },
		"same key": func(c *bus.ServerConfig) { c.Users[1].PublicKey = "U1" },
		"twice": func(c *bus.ServerConfig) {
			c.Users = slices.Concat(c.Users, []bus.User{{Identity: "worker", PublicKey: "U3"}})
		},
		"unknown":          func(c *bus.ServerConfig) { c.Users[0].Identity = "root" },
		"no mailbox":       func(c *bus.ServerConfig) { c.Users[1].Mailboxes = nil },
		"wildcard":         func(c *bus.ServerConfig) { c.Users[1].Mailboxes = []string{">"} },
		"several tokens":   func(c *bus.ServerConfig) { c.Users[1].Mailboxes = []string{"a.b"} },
		"injected mailbox": func(c *bus.ServerConfig) { c.Users[1].Mailboxes = []string{"a\"]}"} },
	} {
		c := right()
		spoil(&c)
		if err := c.Validate(); err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("%s is taken", name)
		}
	}
}
