package sim

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// mailboxOf: some executions are another mailbox's.
func mailboxOf(id string) string {
	if strings.HasSuffix(id, "1") || strings.HasSuffix(id, "4") {
		return "compras"
	}
	return "ventas"
}

// insist runs act as a program of its own until it succeeds, as a person or a
// script would.
func (w *world) insist(name string, act func(*process) error) {
	for n := 1; ; n++ {
		p := w.start(fmt.Sprintf("%s.%d", name, n))
		done := make(chan error, 1)
		w.running.Go(func() { done <- act(p) })
		var err error
		select {
		case err = <-done:
		case <-p.died:
			err = errCrashed
		}
		p.kill()
		if err == nil && !p.isDead() {
			return
		}
		time.Sleep(between(w.plan.number("again", p.name), 100*time.Millisecond, 2*time.Second))
	}
}

// users submits what the seed asks for, and whatever else people do.
func (w *world) users() {
	for i := range w.plan.work {
		n := w.plan.number("kind", fmt.Sprint(i))
		id := fmt.Sprintf("%s-%d", kinds[n%uint64(len(kinds))], i)
		w.people.Go(func() { w.user(id, scramble(n)) })
	}
	if n := w.plan.number("misprint"); n%3 == 0 {
		w.people.Go(func() {
			time.Sleep(between(scramble(n), 0, 5*time.Second))
			w.insist("misprinter", func(p *process) error {
				_, err := p.js().Publish(p.ctx, bus.SubjectMailbox("ventas"), []byte("{"+misprints))
				return err
			})
		})
	}
}

// user submits one execution, perhaps twice, perhaps cancels it, and perhaps
// redrives it if it dies.
func (w *world) user(id string, n uint64) {
	time.Sleep(between(n, time.Millisecond, w.plan.arrival))
	submit := func(name string) {
		w.insist(name, func(p *process) error {
			r, err := producer.New(p.js(), store{p}).Submit(p.ctx, submission(id))
			if err == nil {
				w.accept(r.Key())
			}
			return err
		})
	}
	submit("submit-" + id)
	n = scramble(n)
	if n%4 == 0 {
		time.Sleep(between(scramble(n), time.Millisecond, 5*time.Second))
		submit("resubmit-" + id)
	}
	if n%6 == 1 {
		time.Sleep(between(scramble(n), time.Millisecond, 8*time.Second))
		w.insist("cancel-"+id, func(p *process) error {
			return operate(p, func(o *producer.Operator) error {
				_, err := o.Cancel(p.ctx, mailboxOf(id), id, "", false)
				return err
			})
		})
	}
	if n/8%2 == 0 {
		w.redrive(id, scramble(n))
	}
}

func submission(id string) producer.Submission {
	return producer.Submission{Mailbox: mailboxOf(id), ID: id, Config: []byte("sage_yaml: {}"), Files: []producer.File{{
		Name: "a.csv", Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("a\n" + id + "\n")), nil },
	}}}
}

// accept notes that a submitter was told so.
func (w *world) accept(k execution.Key) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note("user", "accepted", k.String(), "")
	w.ledger.accepted[k] = true
}

// redrive waits for an end and, if it is DEAD, has two people open the next
// generation at once.
func (w *world) redrive(id string, n uint64) {
	k := execution.Key{Mailbox: mailboxOf(id), ID: id, Generation: 1}
	for {
		w.mu.Lock()
		o, ended := w.ledger.committed[k]
		w.mu.Unlock()
		if ended && o.Kind != execution.Dead || w.now() > faultsEnd {
			return
		}
		if ended {
			break
		}
		time.Sleep(between(n, 300*time.Millisecond, time.Second))
	}
	for _, who := range []string{"redrive-" + id, "redrive2-" + id} {
		w.people.Go(func() {
			time.Sleep(between(scramble(n+uint64(len(who))), time.Millisecond, 2*time.Second))
			w.insist(who, func(p *process) error { return w.reopen(p, id) })
		})
	}
}

// reopen redrives the first generation.
func (w *world) reopen(p *process, id string) error {
	k := execution.Key{Mailbox: mailboxOf(id), ID: id, Generation: 2}
	w.mu.Lock()
	if _, open := w.ledger.opened[k]; !open {
		w.ledger.opened[k] = time.Now()
	}
	w.mu.Unlock()
	return operate(p, func(o *producer.Operator) error {
		d, err := o.Redrive(p.ctx, k.Mailbox, id, 1, "", false)
		if err != nil {
			return err
		}
		w.accept(d.Key)
		return nil
	})
}

// operate has act done by an operator. What is refused for good is done.
func operate(p *process, act func(*producer.Operator) error) error {
	o, err := producer.OpenOperator(p.ctx, p.js(), store{p}, fleetConfig, guardConfig.StateTTL, p.name)
	if err == nil {
		err = act(o)
	}
	if fault.IsPermanent(err) {
		return nil
	}
	return err
}
