package shares_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/sagefleet/sagefleet/bridge/books"
	"github.com/sagefleet/sagefleet/bridge/budget"
	"github.com/sagefleet/sagefleet/bridge/remote"
	"github.com/sagefleet/sagefleet/bridge/shares"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
)

const (
	worst   = 0.021
	timeout = 3 * time.Minute
	slots   = 4
)

// world is a store, a ledger and a Lambda in memory, and the bridges that use them. Every
// step that a bridge makes outside itself takes time; before and after each it may crash,
// or be stopped for up to an hour.
type world struct {
	mu      sync.Mutex
	random  *rand.Rand
	values  map[string]shares.Value
	entries map[execution.Key]entry
	last    uint64
	watches []watch
	spent   []spend
	over    chan struct{}
	limits  budget.Config
	faulty  bool
	faults  map[string]int // by step and kind
	served  int
	tickets map[string]bool // that an invocation was made with
	wrong   []string
	running sync.WaitGroup
}

type entry struct {
	delegation.Entry
	revision uint64
}

type watch struct {
	prefix string
	c      chan struct{}
}

type spend struct {
	at      time.Time
	mailbox string
	usd     float64
}

func newWorld(seed uint64, limits budget.Config) *world {
	return &world{random: rand.New(rand.NewPCG(seed, 1)), values: map[string]shares.Value{}, entries: map[execution.Key]entry{},
		over: make(chan struct{}), limits: limits, faulty: true, faults: map[string]int{}, tickets: map[string]bool{}}
}

func (w *world) chance() float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.random.Float64()
}

// bridge is one start of a bridge.
type bridge struct {
	w     *world
	name  string
	mu    sync.Mutex
	dead  bool
	until time.Time // stopped
}

var (
	errOver = errors.New("the bridge is dead, or the world over")
	errLost = errors.New("the answer was lost")
)

// step is passed before and after everything that others see.
func (b *bridge) step(name string) error {
	time.Sleep(time.Duration(1 + b.w.chance()*float64(4*time.Millisecond)))
	if b.w.faulty {
		c := b.w.chance()
		switch { // steps that are seldom made have more
		case strings.HasSuffix(name, "invoke"):
			c /= 20
		case strings.HasSuffix(name, "ledger"):
			c /= 10
		case strings.HasSuffix(name, "save account"):
			c /= 4
		}
		switch {
		case c < 0.0003:
			b.fault(name+" crash", func() { b.dead = true })
		case c < 0.0020:
			long := time.Duration(math.Pow(b.w.chance(), 4) * float64(time.Hour))
			b.fault(name+" pause", func() { b.until = time.Now().Add(long) })
		case c < 0.0100:
			b.w.note(name + " error")
			return errLost
		case c < 0.04:
			time.Sleep(time.Duration(b.w.chance() * float64(3*time.Second))) // the network's
		}
	}
	for {
		b.mu.Lock()
		dead, until := b.dead, b.until
		b.mu.Unlock()
		if dead {
			<-b.w.over
		}
		select {
		case <-b.w.over:
			return errOver
		default:
		}
		if !time.Now().Before(until) {
			return nil
		}
		time.Sleep(time.Until(until))
	}
}

func (b *bridge) fault(name string, do func()) {
	b.w.note(name)
	b.mu.Lock()
	defer b.mu.Unlock()
	do()
}

func (w *world) note(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults[name]++
}

func (b *bridge) isDead() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dead
}

// around does one thing between two steps. What is done is done, also when the second
// step fails.
func (b *bridge) around(name string, do func() error) error {
	if err := b.step("before " + name); err != nil {
		return err
	}
	b.w.mu.Lock()
	err := do()
	b.w.mu.Unlock()
	return errors.Join(err, b.step("after "+name))
}

func kindOf(key string) string { return strings.SplitN(key, ".", 2)[0] }

// store is the bridge's way to the values. It is a [shares.Store].
type store struct{ *bridge }

func (s store) Load(_ context.Context, key string) (v shares.Value, err error) {
	err = s.around("load "+kindOf(key), func() error {
		v = s.w.values[key]
		return nil
	})
	return v, err
}

func (s store) Save(_ context.Context, key string, data []byte, revision uint64) (now uint64, err error) {
	err = s.around("save "+kindOf(key), func() error {
		if s.w.values[key].Revision != revision {
			return shares.ErrStale
		}
		s.w.last++
		now = s.w.last
		s.w.values[key] = shares.Value{Data: data, Revision: now, Written: time.Now()}
		for _, watch := range s.w.watches {
			if strings.HasPrefix(key, watch.prefix) {
				select {
				case watch.c <- struct{}{}:
				default:
				}
			}
		}
		return nil
	})
	return now, err
}

func (s store) Delete(_ context.Context, key string, revision uint64) error {
	return s.around("delete "+kindOf(key), func() error {
		if s.w.values[key].Revision != revision {
			return shares.ErrStale
		}
		delete(s.w.values, key)
		return nil
	})
}

func (s store) Keys(context.Context) (keys []string, err error) {
	err = s.around("keys", func() error {
		for key := range s.w.values {
			keys = append(keys, key)
		}
		return nil
	})
	return keys, err
}

func (s store) Watch(_ context.Context, pattern string) (<-chan struct{}, error) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	c := make(chan struct{}, 1)
	s.w.watches = append(s.w.watches, watch{strings.TrimSuffix(pattern, ">"), c})
	return c, nil
}

// ledger is the bridge's way to the delegations.
type ledger struct{ *bridge }

func (l ledger) Load(_ context.Context, k execution.Key) (e delegation.Entry, revision uint64, err error) {
	err = l.around("load ledger", func() error {
		e, revision = l.w.entries[k].Entry, l.w.entries[k].revision
		return nil
	})
	return e, revision, err
}

func (l ledger) Save(_ context.Context, e delegation.Entry, revision uint64) (now uint64, err error) {
	err = l.around("save ledger", func() error {
		if l.w.entries[e.Key].revision != revision {
			return delegation.ErrStale
		}
		l.w.last++
		now = l.w.last
		l.w.entries[e.Key] = entry{e, now}
		return nil
	})
	return now, err
}

// invoke has the Lambda run, which costs money at some time until it ends, whether
// anybody still waits or not.
func (b *bridge) invoke(k execution.Key, expiry time.Time) remote.Result {
	if err := b.step("before invoke"); err != nil || !time.Now().Before(expiry) { // the request's own deadline
		return remote.Result{State: delegation.Refused, Err: err}
	}
	u := b.w.chance()
	takes := time.Duration(math.Pow(u, 3) * float64(timeout))
	usd := worst * takes.Seconds() / timeout.Seconds()
	if b.w.chance() < 0.6 {
		takes, usd = timeout, worst
	}
	at := time.Now().Add(time.Duration(b.w.chance() * float64(takes)))
	b.w.mu.Lock()
	b.w.spent = append(b.w.spent, spend{at, k.Mailbox, usd})
	b.w.begins(k)
	b.w.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-b.w.over:
		return remote.Result{State: delegation.Unknown}
	}
	b.w.mu.Lock()
	b.w.isReserved(k, "ends")
	b.w.mu.Unlock()
	usage := &execution.Usage{CostUSD: usd}
	switch err, c := b.step("after invoke"), b.w.chance(); {
	case errors.Is(err, errOver) || c < 0.02:
		return remote.Result{State: delegation.Unknown} // nobody waits any longer
	case err != nil || c < 0.04:
		return remote.Result{State: delegation.Ended} // an OUTCOME, and no bill
	case c < 0.1:
		return remote.Result{State: delegation.Failed, Usage: usage}
	}
	return remote.Result{State: delegation.Ended, Usage: usage}
}

// begins checks that an invocation has a ticket of its own.
func (w *world) begins(k execution.Key) {
	w.isReserved(k, "begins")
	id := w.entries[k].Reservation
	if w.tickets[id] {
		w.wrong = append(w.wrong, fmt.Sprintf("%s is used twice, the second time for %s", id, k))
	}
	w.tickets[id] = true
}

// isReserved checks that the account holds what an invocation may cost.
func (w *world) isReserved(k execution.Key, when string) {
	var a shares.Account
	if err := json.Unmarshal(w.values["account"].Data, &a); err != nil {
		w.wrong = append(w.wrong, err.Error())
	}
	if id := w.entries[k].Reservation; a.Budget.Open[id].Amount == 0 {
		w.wrong = append(w.wrong, fmt.Sprintf("%s %s with the ticket %q, of which the account knows nothing", k, when, id))
	}
}

// run is a bridge from its start to its death.
func (b *bridge) run(ctx context.Context, cfg shares.Config) {
	member := shares.NewMember(store{b}, b.w.limits, worst, slots, b.name, cfg)
	lead := shares.NewLead(store{b}, ledger{b}, b.w.limits, b.name, cfg) // without any lease: all lead at once
	accounts := books.New(ledger{b}, member, b.name, "sage", delegation.ModeSync, worst)
	drained := make(chan struct{})
	var all, work sync.WaitGroup
	all.Go(func() { _ = member.Run(ctx, drained) })
	all.Go(func() { _ = lead.Run(ctx) })
	for slot := range slots {
		work.Go(func() {
			for n := 0; ctx.Err() == nil && !b.isDead(); n++ {
				b.work(ctx, accounts, fmt.Sprintf("%s-%d-%d", b.name, slot, n))
			}
		})
	}
	work.Wait()
	close(drained)
	all.Wait()
}

func (b *bridge) work(ctx context.Context, accounts *books.Books, id string) {
	mailbox := "stock"
	if b.w.chance() < 0.3 {
		mailbox = "ventas"
	}
	a := execution.Attempt{Number: 1, Token: 1, Request: execution.Request{ID: id, Mailbox: mailbox}}
	expiry := time.Now().Add(timeout + time.Minute)
	end, err := accounts.Begin(ctx, a, expiry)
	if err != nil {
		select {
		case <-time.After(time.Duration(b.w.chance() * float64(20*time.Second))):
		case <-ctx.Done():
		}
		return
	}
	b.w.mu.Lock()
	b.w.served++
	b.w.mu.Unlock()
	end(ctx, b.invoke(a.Request.Key(), expiry))
}
