package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/tests/process"
)

// load submits steadily, as clients do who repeat until they are answered, and
// watches what becomes of it.
type load struct {
	c        *campaign
	js       jetstream.JetStream // over the clients' link
	objects  storage.Store       // over the faulty proxy
	producer *producer.Producer
	operator *producer.Operator
	journal  *journal

	ctx     context.Context //nolint:containedctx // of the clients
	end     context.CancelFunc
	working sync.WaitGroup
	repeats atomic.Int64  // submissions that had to be repeated
	refused int           // messages that name no execution, accepted by the queue
	enough  atomic.Bool   // nothing more need be submitted
	rush    atomic.Bool   // a Lambda is to be needed
	sent    chan struct{} // closed when everything is

	mu       sync.Mutex
	accepted []execution.Key
	open     []execution.Key // accepted, and not seen to have ended
	dead     []execution.Key // DEAD, and not redriven
	meant    map[execution.Key]execution.Kind
	kinds    map[execution.Kind]int
	strange  []string // ends that should not be
}

// What is submitted, by number: most of it is ordinary.
const (
	mailboxes  = 5
	everyDead  = 20  // has a configuration that can't be read
	everyGone  = 101 // asks for a file that isn't there
	everyLarge = 53  // has a result that doesn't fit into OUTCOME
	everyBroke = 211 // goes with a message that is no request
	submitters = 16
	most       = 500 // are open at once: a fleet with a backlog of minutes would show nothing new
	repeatWait = 100 * time.Millisecond

	overflowing = 60 // open: more than all slots of the workers
)

func newLoad(c *campaign) *load {
	cfg := c.cfg
	cfg.URL = c.clients.url()
	nc, err := bus.Connect(c.t.Context(), cfg, "clients")
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(nc.Close)
	l := &load{c: c, journal: newJournal(), sent: make(chan struct{}), meant: map[execution.Key]execution.Kind{}, kinds: map[execution.Kind]int{}}
	if l.js, err = bus.Open(nc); err != nil {
		c.t.Fatal(err)
	}
	if l.objects, err = storage.Open(c.t.Context(), c.storageURL); err != nil {
		c.t.Fatal(err)
	}
	l.producer = producer.New(l.js, l.objects)
	if l.operator, err = producer.OpenOperator(c.t.Context(), l.js, l.objects, cfg, 24*time.Hour, "ana"); err != nil {
		c.t.Fatal(err)
	}
	l.ctx, l.end = context.WithCancel(context.Background())
	c.t.Cleanup(l.stop)
	return l
}

// start submits n executions over the time and goes on until it is enough, and
// watches them.
func (l *load) start(n int, lasts time.Duration) {
	numbers := make(chan int, n)
	var submitting sync.WaitGroup
	for range submitters {
		submitting.Go(func() {
			for i := range numbers {
				l.submit(i)
			}
		})
	}
	l.working.Go(func() {
		defer close(l.sent)
		defer submitting.Wait()
		defer close(numbers)
		tick := time.NewTicker(max(lasts/time.Duration(n), time.Microsecond))
		defer tick.Stop()
		for i := 0; i < n || !l.enough.Load(); i++ {
			select {
			case numbers <- i:
			case <-l.ctx.Done():
				return
			}
			if l.rush.Load() && l.backlog() < overflowing {
				continue
			}
			<-tick.C
			for l.backlog() >= most && l.ctx.Err() == nil {
				<-tick.C
			}
		}
	})
	l.working.Go(l.watch)
}

// observe watches what others submit.
func (l *load) observe() {
	close(l.sent)
	l.working.Go(l.watch)
}

// stop ends what still works.
func (l *load) stop() {
	l.end()
	l.working.Wait()
}

// submit repeats until execution n is accepted.
func (l *load) submit(n int) {
	k := keyOf(fmt.Sprintf("mailbox%d", n%mailboxes), n)
	var act func(context.Context) error
	want := execution.Succeeded
	if n%everyGone == everyGone-1 {
		want = execution.Dead
		gone := storage.Join(l.objects.URL(), "inputs/"+k.Mailbox+"/gone.csv")
		r := execution.Request{ID: k.ID, Mailbox: k.Mailbox, Config: execution.Config{Text: string(pedidos)},
			Inputs: []execution.Input{{URI: gone, Filename: "pedidos.csv"}}}
		act = func(ctx context.Context) error { return queue.Publish(ctx, l.js, r) }
	} else {
		s := ordinary
		switch {
		case n%everyDead == 0:
			s, want = dead, execution.Dead
		case n%everyLarge == 1:
			s = large
		}
		what := s.submission(k, 10)
		act = func(ctx context.Context) error { _, err := l.producer.Submit(ctx, what); return err }
	}
	call := time.Now()
	if !l.repeat(act) {
		l.journal.unanswered(k, submitted{}, call)
		return
	}
	l.journal.note(k, submitted{}, nil, call)
	l.accept(k, want)
	if n%everyBroke == 0 {
		id := k.ID + "-broken"
		if l.repeat(func(ctx context.Context) error {
			_, err := l.js.Publish(ctx, bus.SubjectExec(k.Mailbox, id), []byte(`{"yaml_config":`), jetstream.WithMsgID(id))
			return err
		}) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.refused++
		}
	}
}

// repeat calls act until it returns nil.
func (l *load) repeat(act func(context.Context) error) bool {
	for l.ctx.Err() == nil {
		ctx, cancel := context.WithTimeout(l.ctx, 10*time.Second)
		err := act(ctx)
		cancel()
		switch {
		case err == nil:
			return true
		case fault.IsPermanent(err) && l.ctx.Err() == nil:
			l.c.t.Errorf("refused for ever: %v", err)
			return false
		}
		l.repeats.Add(1)
		time.Sleep(repeatWait)
	}
	return false
}

func (l *load) accept(k execution.Key, want execution.Kind) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accepted = append(l.accepted, k)
	l.open = append(l.open, k)
	l.meant[k] = want
}

// watch reads, as clients do, whatever has not ended, by turns.
func (l *load) watch() {
	for l.ctx.Err() == nil {
		l.mu.Lock()
		round := slices.Clone(l.open)
		l.mu.Unlock()
		var ended sync.Map
		var reading sync.WaitGroup
		for part := range slices.Chunk(round, max(len(round)/4, 1)) {
			reading.Go(func() {
				for _, k := range part {
					if l.ctx.Err() == nil && l.look(k) {
						ended.Store(k, true)
					}
				}
			})
		}
		reading.Wait()
		l.mu.Lock()
		l.open = slices.DeleteFunc(l.open, func(k execution.Key) bool { _, gone := ended.Load(k); return gone })
		l.mu.Unlock()
		time.Sleep(300 * time.Millisecond)
	}
}

// look reads OUTCOME and reports whether k has ended.
func (l *load) look(k execution.Key) bool {
	call := time.Now()
	o, err := l.c.outcomes.Read(l.ctx, k)
	switch {
	case errors.Is(err, outcome.ErrNone):
		l.journal.note(k, read{}, "", call)
		return false
	case err != nil:
		return false
	}
	l.journal.note(k, read{}, o.Attempt, call)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kinds[o.Kind]++
	if o.Kind == execution.Dead {
		l.dead = append(l.dead, k)
	}
	if want := l.meant[k]; o.Kind != want && o.Kind != execution.Cancelled {
		l.strange = append(l.strange, fmt.Sprintf("%s ended %s, want %s: %v", k, o.Kind, want, o.Fault))
	}
	return true
}

// lookAgain reads everything once more: what was committed must still be there.
func (l *load) lookAgain() {
	var reading sync.WaitGroup
	for part := range slices.Chunk(l.accepted, max(len(l.accepted)/8, 1)) {
		reading.Go(func() {
			for _, k := range part {
				call := time.Now()
				o, err := l.c.outcomes.Read(l.c.t.Context(), k)
				if err != nil && !errors.Is(err, outcome.ErrNone) {
					l.c.t.Error(err)
					continue
				}
				l.journal.note(k, read{}, o.Attempt, call)
			}
		})
	}
	reading.Wait()
}

func (l *load) backlog() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
}

// ended reports whether everything was submitted and has ended.
func (l *load) ended() bool { return l.submitted() && l.backlog() == 0 }

func (l *load) submitted() bool { return closed(l.sent)() }

func (l *load) unfinished() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%d of %d, %v", len(l.open), len(l.accepted), l.open[:min(len(l.open), 20)])
}

// redrive opens another generation of something DEAD.
func (l *load) redrive() bool {
	var k execution.Key
	if !process.Until(5*time.Second, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.dead) > 0 {
			k, l.dead = l.dead[0], l.dead[1:]
		}
		return k.ID != ""
	}) {
		return false
	}
	call := time.Now()
	next := k
	next.Generation++
	if !l.repeat(func(ctx context.Context) error {
		_, err := l.operator.Redrive(ctx, k.Mailbox, k.ID, k.Generation, "chaos", false)
		return err
	}) {
		return false
	}
	l.journal.note(next, submitted{}, nil, call)
	l.accept(next, execution.Dead)
	return true
}

// cancel ends something that may be anywhere by then.
func (l *load) cancel() bool {
	var k execution.Key
	if !process.Until(5*time.Second, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.open) > 0 {
			k = l.open[len(l.open)-1]
		}
		return k.ID != ""
	}) {
		return false
	}
	return l.repeat(func(ctx context.Context) error {
		_, err := l.operator.Cancel(ctx, k.Mailbox, k.ID, "chaos", false)
		return err
	})
}
