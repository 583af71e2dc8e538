package sim

import (
	"context"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/bridge/shares"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/state"
)

// info tells how far a consumer of the queue is.
func (c *teller) info(ctx context.Context, stream jetstream.Stream) {
	consumer, err := stream.Consumer(ctx, bus.ConsumerFleet)
	if err != nil {
		c.t.Fatal(err)
	}
	i := consumer.CachedInfo()
	c.tell("delivered #%d, settled up to #%d, %d wait, %d are out", i.Delivered.Stream, i.AckFloor.Stream, i.NumPending, i.NumAckPending)
}

// changes tells what a watch begins with.
func (c *teller) changes(w jetstream.KeyWatcher, err error) {
	if err != nil {
		c.t.Fatal(err)
	}
	for e := range w.Updates() {
		if e == nil {
			break
		}
		c.tell("%s %s %q at %d", e.Operation(), e.Key(), e.Value(), e.Revision())
	}
	c.tell("stop %v", w.Stop())
}

func newKey(id string) execution.Key { return execution.Key{Mailbox: "a", ID: id, Generation: 1} }

// reading scripts are about what only bridges use: how they find what needs help, and
// keep the budget.
var readingScripts = map[string]func(context.Context, *teller){
	"records": func(ctx context.Context, c *teller) {
		kv := c.bucket(ctx, bus.BucketState)
		records := state.New(c.js, kv, time.Hour)
		for i, id := range []string{"1", "2", "3", "2", "4"} {
			_, revision, err := records.Load(ctx, newKey(id))
			if err != nil {
				c.t.Fatal(err)
			}
			_, err = records.Save(ctx, state.Record{Key: newKey(id), State: execution.Running, Failures: i}, revision)
			c.tell("save %s", codeOf(err))
		}
		c.tell("forget %s", codeOf(records.Forget(ctx, newKey("3"))))
		for _, from := range []uint64{0, 2, 5, 6, 99} {
			for _, old := range []time.Duration{-time.Hour, time.Hour} { // too young to be looked at, and not
				next, err := records.Scan(ctx, from, time.Now().Add(old), func(r state.Record) bool {
					c.tell("from %d: %s with %d failures", from, r.ID, r.Failures)
					return r.ID != "2"
				})
				c.tell("from %d to %d: %s", from, next, codeOf(err))
			}
		}
	},
	"delegations": func(ctx context.Context, c *teller) {
		kv := c.bucket(ctx, bus.BucketDelegations)
		ledger := delegation.New(c.js, kv, time.Hour)
		for i, id := range []string{"1", "2", "1"} {
			_, revision, err := ledger.Load(ctx, newKey(id))
			if err != nil {
				c.t.Fatal(err)
			}
			e := delegation.Entry{Key: newKey(id), Number: i, State: delegation.Invoked, Mode: delegation.ModeSync, Invoked: time.Now(), Expiry: time.Now().Add(time.Hour)}
			_, err = ledger.Save(ctx, e, revision)
			c.tell("save %s", codeOf(err))
		}
		for from := range uint64(5) {
			for e, err := range ledger.Since(ctx, from) {
				c.tell("since %d: %s, attempt %d, at %d %v", from, e.ID, e.Number, e.Revision, err)
			}
		}
	},
	"shares": func(ctx context.Context, c *teller) {
		kv := c.bucket(ctx, bus.BucketBudget)
		store := shares.NewBucket(kv)
		changed, err := store.Watch(ctx, "share.>")
		c.tell("watch %s", codeOf(err))
		first, err := store.Save(ctx, "account", []byte("1"), 0)
		c.tell("save %d %s", first, codeOf(err))
		_, err = store.Save(ctx, "share.b.1_x", []byte("2"), first)
		c.tell("save %v", err)
		second, err := store.Save(ctx, "share.b.1_x", []byte("2"), 0)
		c.tell("save %d %s", second, codeOf(err))
		<-changed
		c.tell("load %v", func() (v shares.Value) { v, _ = store.Load(ctx, "share.b.1_x"); v.Written = time.Time{}; return }())
		keys, err := store.Keys(ctx)
		slices.Sort(keys)
		c.tell("keys %v %s", keys, codeOf(err))
		c.tell("delete %v", store.Delete(ctx, "share.b.1_x", first))
		c.tell("delete %v", store.Delete(ctx, "share.b.1_x", second))
		<-changed
		keys, err = store.Keys(ctx)
		c.tell("keys %v %s", keys, codeOf(err))
		third, err := store.Save(ctx, "share.b.1_x", []byte("3"), 0)
		c.tell("save %d %s", third, codeOf(err))
	},
	"watches": func(ctx context.Context, c *teller) {
		kv := c.bucket(ctx, bus.BucketFleet)
		c.changes(kv.WatchAll(ctx))
		for _, key := range []string{"a.1", "b.1", "b.2"} {
			_, err := kv.Put(ctx, key, []byte("x"))
			c.tell("put %s", codeOf(err))
		}
		c.publish(ctx, "$KV.sage_fleet.b.1", "", map[string]string{"KV-Operation": "DEL"})
		c.tell("purge %s", codeOf(kv.Purge(ctx, "b.2")))
		_, err := kv.Put(ctx, "a.2", []byte("y"))
		c.tell("put %s", codeOf(err))
		c.changes(kv.WatchAll(ctx))
		c.changes(kv.WatchAll(ctx, jetstream.IgnoreDeletes()))
		c.changes(kv.Watch(ctx, "a.*", jetstream.MetaOnly()))
		c.changes(kv.WatchAll(ctx, jetstream.IgnoreDeletes(), jetstream.ResumeFromRevision(2)))
		c.changes(kv.WatchAll(ctx, jetstream.ResumeFromRevision(50)))
	},
	"settled": func(ctx context.Context, c *teller) {
		stream, err := c.js.Stream(ctx, bus.StreamExecutions)
		if err != nil {
			c.t.Fatal(err)
		}
		c.info(ctx, stream)
		for _, subject := range []string{"sage.exec.a.1", "sage.exec.a.2", "sage.local.a.9", "sage.exec.a.3", "sage.exec.a.4"} {
			c.publish(ctx, subject, "x", nil)
		}
		var got []jetstream.Msg
		for range 3 { // one after the other: what is fetched at once arrives in any order
			got = append(got, c.fetch(ctx, bus.StreamExecutions, bus.ConsumerFleet, 1, 0, jetstream.FetchMaxWait(long))...)
		}
		c.info(ctx, stream)
		c.tell("ack %v", got[1].DoubleAck(ctx))
		c.info(ctx, stream)
		c.tell("ack %v", got[0].DoubleAck(ctx))
		c.info(ctx, stream)
		c.tell("delete %v", stream.DeleteMsg(ctx, 5)) // it waits
		c.info(ctx, stream)
		err = stream.DeleteMsg(ctx, 5)
		c.tell("again %v", err != nil)
		_, err = stream.GetMsg(ctx, 5)
		c.tell("it is gone: %s", codeOf(err))
		c.tell("ack %v", got[2].DoubleAck(ctx))
		c.info(ctx, stream)
		c.state(ctx, bus.StreamExecutions)
	},
}
