package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/tests/process"
)

// chronicle is what the fleet's events tell, as they come.
type chronicle struct {
	mu      sync.Mutex
	starts  map[execution.Key][]string // hosts that started it, in order
	tokens  map[uint64]bool            // of those attempts
	retries map[execution.Key]int      // attempts that failed and were charged
	ends    map[execution.Key]int      // terminal events
}

// follow reads every event until the test ends.
func (f *fleet) follow(t testing.TB) *chronicle {
	t.Helper()
	c := &chronicle{starts: map[execution.Key][]string{}, tokens: map[uint64]bool{}, retries: map[execution.Key]int{}, ends: map[execution.Key]int{}}
	consumer, err := f.js.OrderedConsumer(t.Context(), bus.StreamEvents, jetstream.OrderedConsumerConfig{FilterSubjects: []string{bus.EventFilter}})
	if err != nil {
		t.Fatal(err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			msg, err := messages.Next(jetstream.NextContext(ctx))
			if ctx.Err() != nil || errors.Is(err, jetstream.ErrMsgIteratorClosed) {
				return
			}
			if err == nil {
				err = c.add(msg.Data())
			}
			if err != nil {
				t.Errorf("read events: %v", err)
				return
			}
		}
	})
	t.Cleanup(func() {
		stop()
		messages.Stop()
		reading.Wait()
	})
	return c
}

func (c *chronicle) add(data []byte) error {
	var e execution.Event
	if err := json.Unmarshal(data, &e); err != nil {
		return err
	}
	kind := e.Type[strings.LastIndexByte(e.Type, '.')+1:]
	host := process.HostOf(e.Source[strings.LastIndexByte(e.Source, '/')+1:])
	c.mu.Lock()
	defer c.mu.Unlock()
	// The end of what soon succeeded says of its start, too.
	if kind == execution.EventStarted || kind == execution.EventSucceeded && e.Data.Executor == execution.OnWorker && !c.tokens[e.Data.Token] {
		c.tokens[e.Data.Token] = true
		c.starts[e.Data.Key] = append(c.starts[e.Data.Key], host)
	}
	switch {
	case kind == execution.EventRetry:
		c.retries[e.Data.Key]++
	case e.Data.State.Terminal():
		c.ends[e.Data.Key]++
	}
	return nil
}

// ended is how many executions were told to have ended.
func (c *chronicle) ended() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.ends)
}

// life is what was told of k.
func (c *chronicle) life(k execution.Key) (starts, retries, ends int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.starts[k]), c.retries[k], c.ends[k]
}

// working lists what host started last and has not ended.
func (c *chronicle) working(host string) []execution.Key {
	return c.startedBy(func(k execution.Key, hosts []string) bool {
		return hosts[len(hosts)-1] == host && c.ends[k] == 0
	})
}

// startedAt lists what host ever started.
func (c *chronicle) startedAt(host string) []execution.Key {
	return c.startedBy(func(_ execution.Key, hosts []string) bool { return slices.Contains(hosts, host) })
}

func (c *chronicle) startedBy(is func(execution.Key, []string) bool) []execution.Key {
	c.mu.Lock()
	defer c.mu.Unlock()
	var keys []execution.Key
	for k, hosts := range c.starts {
		if is(k, hosts) {
			keys = append(keys, k)
		}
	}
	return keys
}

// hosts lists who started k, in order.
func (c *chronicle) hosts(k execution.Key) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.starts[k])
}
