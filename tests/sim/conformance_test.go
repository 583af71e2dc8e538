package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
)

// TestConformance: the simulated JetStream says what the real one says, in all that
// the protocol depends on. Times are compared from below only: a busy machine may
// be late, and a server must not be early.
func TestConformance(t *testing.T) {
	all := maps.Clone(scripts)
	maps.Copy(all, readingScripts)
	for name, script := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := fleetConfig
			cfg.AckWait = 3 * time.Second
			real, simulated := &teller{t: t}, &teller{t: t}

			server := bustest.Run(t)
			server.Config.AckWait = cfg.AckWait
			real.js = server.Connect(t, "test")
			if err := bus.Provision(t.Context(), real.js, server.Config); err != nil {
				t.Fatal(err)
			}
			script(t.Context(), real)

			synctest.Test(t, func(t *testing.T) {
				w := newWorld(1, cfg, t.TempDir())
				w.plan.rates, w.outages = rates{}, nil
				simulated.js = w.start("test").js()
				script(t.Context(), simulated)
				w.running.Wait()
				time.Sleep(time.Minute) // the timers of what is left
			})
			if diff := cmp.Diff(real.told, simulated.told); diff != "" {
				t.Errorf("-real +simulated:\n%s", diff)
			}
		})
	}
}

// teller does what a script asks and writes down what it is told.
type teller struct {
	t    *testing.T
	js   jetstream.JetStream
	told []string
}

func (c *teller) tell(format string, args ...any) {
	c.told = append(c.told, fmt.Sprintf(format, args...))
}

func codeOf(err error) string {
	switch api, ok := errors.AsType[*jetstream.APIError](err); {
	case err == nil:
		return "ok"
	case errors.Is(err, jetstream.ErrKeyExists):
		return "key exists"
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return "no key"
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return "no message"
	case ok:
		return fmt.Sprint(api.ErrorCode)
	}
	return err.Error()
}

func (c *teller) publish(ctx context.Context, subject, data string, header map[string]string, opts ...jetstream.PublishOpt) {
	m := nats.NewMsg(subject)
	m.Data = []byte(data)
	for name, value := range header {
		m.Header.Set(name, value)
	}
	ack, err := c.js.PublishMsg(ctx, m, opts...)
	if err != nil {
		c.tell("publish %s: %s", subject, codeOf(err))
		return
	}
	c.tell("publish %s: %s#%d duplicate %v", subject, ack.Stream, ack.Sequence, ack.Duplicate)
}

// fetch takes n messages and tells of them, and whether they came after early.
func (c *teller) fetch(ctx context.Context, stream, consumer string, n int, early time.Duration, opts ...jetstream.FetchOpt) []jetstream.Msg {
	began := time.Now()
	handle, err := c.js.Consumer(ctx, stream, consumer)
	if err != nil {
		c.t.Fatal(err)
	}
	if consumer == bus.ConsumerFleet {
		opts = append(opts, jetstream.FetchPriorityGroup(bus.GroupFleet))
	}
	batch, err := handle.Fetch(n, opts...)
	if err != nil {
		c.t.Fatal(err)
	}
	var got []jetstream.Msg
	for m := range batch.Messages() {
		meta, err := m.Metadata()
		if err != nil {
			c.t.Fatal(err)
		}
		var names []string
		for name := range m.Headers() {
			names = append(names, name)
		}
		slices.Sort(names)
		c.tell("%s: %s#%d %q, try %d, %d behind it, headers %v, early %v", consumer, m.Subject(), meta.Sequence.Stream, m.Data(),
			meta.NumDelivered, meta.NumPending, names, time.Since(began) < early)
		got = append(got, m)
	}
	if len(got) == 0 {
		c.tell("%s: nothing", consumer)
	}
	return got
}

func (c *teller) state(ctx context.Context, name string) {
	stream, err := c.js.Stream(ctx, name)
	if err != nil {
		c.t.Fatal(err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(">"))
	if err != nil {
		c.t.Fatal(err)
	}
	c.tell("%s: %d messages up to #%d, subjects %v", name, info.State.Msgs, info.State.LastSeq, info.State.Subjects)
}

func (c *teller) key(ctx context.Context, kv jetstream.KeyValue, key string) {
	entry, err := kv.Get(ctx, key)
	if err != nil {
		c.tell("get %s: %s", key, codeOf(err))
		return
	}
	c.tell("get %s: %q at %d", key, entry.Value(), entry.Revision())
}

func (c *teller) bucket(ctx context.Context, name string) jetstream.KeyValue {
	kv, err := c.js.KeyValue(ctx, name)
	if err != nil {
		c.t.Fatal(err)
	}
	return kv
}

const (
	long  = 20 * time.Second
	brief = 500 * time.Millisecond
)

var scripts = map[string]func(context.Context, *teller){
	"message ids": func(ctx context.Context, c *teller) {
		c.publish(ctx, "sage.exec.a.1", "x", nil, jetstream.WithMsgID("i"))
		c.publish(ctx, "sage.exec.a.1", "x", nil, jetstream.WithMsgID("i"))
		c.publish(ctx, "sage.exec.b.1", "x", nil, jetstream.WithMsgID("i")) // ids are the whole stream's
		c.publish(ctx, "sage.exec.a.1", "x", nil)
		c.publish(ctx, "sage.exec.a.1", strings.Repeat("x", bus.MaxRequest+1), nil)
		c.publish(ctx, "sage.exec.a.1", "x", map[string]string{"Nats-Schedule": "@at 2100-01-01T00:00:00Z", "Nats-Schedule-Target": "sage.exec.b"})
		// What a schedule leaves on a message must not be copied.
		c.publish(ctx, "sage.exec.a.1", "x", map[string]string{"Nats-Scheduler": "sage.later.a.1", "Nats-Schedule-Next": "purge"})
		c.state(ctx, bus.StreamExecutions)
		c.publish(ctx, "sage.dead.a.1.1", "x", nil)
		c.publish(ctx, "sage.dead.a.1.1", "y", nil)
		c.state(ctx, bus.StreamDead)
	},
	"compare and set": func(ctx context.Context, c *teller) {
		kv := c.bucket(ctx, bus.BucketState)
		c.key(ctx, kv, "a")
		revision, err := kv.Create(ctx, "a", []byte("1"))
		c.tell("create %d %s", revision, codeOf(err))
		_, err = kv.Create(ctx, "a", []byte("2"))
		c.tell("create again %s", codeOf(err))
		c.publish(ctx, "$KV.sage_state.a", "3", nil, jetstream.WithExpectLastSequencePerSubject(7))
		c.publish(ctx, "$KV.sage_state.a", "3", nil, jetstream.WithExpectLastSequencePerSubject(0))
		c.publish(ctx, "$KV.sage_state.a", "3", nil, jetstream.WithExpectLastSequencePerSubject(1))
		c.key(ctx, kv, "a")
		c.tell("purge %s", codeOf(kv.Purge(ctx, "a", jetstream.LastRevision(1), jetstream.PurgeTTL(time.Second))))
		c.tell("purge %s", codeOf(kv.Purge(ctx, "a", jetstream.LastRevision(2), jetstream.PurgeTTL(time.Second))))
		c.key(ctx, kv, "a")
		revision, err = kv.Create(ctx, "a", []byte("4")) // over the mark of the deletion
		c.tell("create %d %s", revision, codeOf(err))
		c.state(ctx, "KV_sage_state")
	},
	"lock": func(ctx context.Context, c *teller) {
		kv, began := c.bucket(ctx, bus.BucketLocks), time.Now()
		_, err := kv.Create(ctx, "a", []byte("1"), jetstream.KeyTTL(2500*time.Millisecond))
		c.tell("create %s", codeOf(err))
		for {
			if _, err = kv.Get(ctx, "a"); err != nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		c.tell("get %s, early %v", codeOf(err), time.Since(began) < 1900*time.Millisecond)
		revision, err := kv.Create(ctx, "a", []byte("2"), jetstream.KeyTTL(time.Minute))
		c.tell("create %d %s", revision, codeOf(err)) // its end left a mark, which was #2
		c.state(ctx, "KV_sage_locks")
	},
	"deliveries": func(ctx context.Context, c *teller) {
		c.publish(ctx, "sage.exec.a.1", "x", nil)
		first := c.fetch(ctx, bus.StreamExecutions, bus.ConsumerFleet, 1, 0, jetstream.FetchMaxWait(long))
		c.tell("nak %v", first[0].Nak())
		second := c.fetch(ctx, bus.StreamExecutions, bus.ConsumerFleet, 1, 0, jetstream.FetchMaxWait(long))
		c.tell("nak %v", second[0].NakWithDelay(brief))
		third := c.fetch(ctx, bus.StreamExecutions, bus.ConsumerFleet, 1, brief*9/10, jetstream.FetchMaxWait(long))
		time.Sleep(1500 * time.Millisecond)
		c.tell("in progress %v", third[0].InProgress())
		c.fetch(ctx, bus.StreamExecutions, bus.ConsumerFleet, 1, 2900*time.Millisecond, jetstream.FetchMaxWait(long))
		// A delivery that was given up long ago still settles the message.
		c.tell("ack %v", third[0].DoubleAck(ctx))
		c.tell("again %v", third[0].DoubleAck(ctx))
		c.state(ctx, bus.StreamExecutions)
		c.fetch(ctx, bus.StreamExecutions, bus.ConsumerFleet, 1, 0, jetstream.FetchMaxWait(brief))
	},
	"nak of a delivery that was given up": func(ctx context.Context, c *teller) {
		c.publish(ctx, "sage.exec.a.1", "x", nil)
		first := c.fetch(ctx, bus.StreamExecutions, bus.ConsumerFleet, 1, 0, jetstream.FetchMaxWait(long))
		c.fetch(ctx, bus.StreamExecutions, bus.ConsumerFleet, 1, 2900*time.Millisecond, jetstream.FetchMaxWait(long))
		c.tell("nak %v", first[0].Nak())
		c.fetch(ctx, bus.StreamExecutions, bus.ConsumerFleet, 1, 0, jetstream.FetchMaxWait(long))
	},
	"overflow": func(ctx context.Context, c *teller) {
		c.publish(ctx, "sage.exec.a.1", "x", nil)
		c.publish(ctx, "sage.exec.a.2", "y", nil)
		c.fetch(ctx, bus.StreamExecutions, bus.ConsumerFleet, 5, 0, jetstream.FetchMaxWait(brief), jetstream.FetchMinPending(3))
		got := c.fetch(ctx, bus.StreamExecutions, bus.ConsumerFleet, 5, 0, jetstream.FetchMaxWait(brief), jetstream.FetchMinPending(2))
		c.tell("nak %v", got[0].Nak())
		c.fetch(ctx, bus.StreamExecutions, bus.ConsumerFleet, 5, 0, jetstream.FetchMaxWait(brief), jetstream.FetchMinPending(3))
		c.fetch(ctx, bus.StreamExecutions, bus.ConsumerFleet, 5, 0, jetstream.FetchMaxWait(brief), jetstream.FetchMinPending(2))
	},
	"schedules": func(ctx context.Context, c *teller) {
		later := func(data string, after time.Duration) {
			c.publish(ctx, "sage.later.a.1", data, map[string]string{"Sage-Move": "m", "Nats-Schedule-Target": "sage.due.a.1",
				"Nats-Schedule": "@at " + time.Now().Add(after).UTC().Format(time.RFC3339Nano)})
		}
		later("x", time.Hour)
		later("y", brief) // takes the place of the first
		c.state(ctx, bus.StreamLater)
		due := c.fetch(ctx, bus.StreamLater, bus.ConsumerDue, 1, brief*9/10, jetstream.FetchMaxWait(long))
		c.state(ctx, bus.StreamLater)
		c.tell("ack %v", due[0].DoubleAck(ctx))
		c.state(ctx, bus.StreamLater)
	},
	"looking": func(ctx context.Context, c *teller) {
		for _, subject := range []string{"sage.exec.a.1", "sage.exec.b.1", "sage.exec.a.2", "sage.exec.a"} {
			c.publish(ctx, subject, "x", nil)
		}
		stream, err := c.js.Stream(ctx, bus.StreamExecutions)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, filter := range []string{"sage.exec.a.*", "sage.exec.b.*", "sage.exec.a", "sage.exec.c.*", "sage.exec.>"} {
			m, err := stream.GetMsg(ctx, 2, jetstream.WithGetMsgSubject(filter))
			c.tell("%s: %s", filter, codeOf(err))
			if err == nil {
				c.tell("%s#%d", m.Subject, m.Sequence)
			}
		}
		m, err := stream.GetLastMsgForSubject(ctx, "sage.exec.a.1")
		c.tell("last: %s#%d %v", m.Subject, m.Sequence, err)
		_, err = stream.GetLastMsgForSubject(ctx, "sage.exec.z.1")
		c.tell("last: %s", codeOf(err))
	},
}
