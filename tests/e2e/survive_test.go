package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/history"
	"github.com/sagefleet/sagefleet/tests/process"
)

const (
	executions = 500
	mailbox    = "pedidos"
	ackWait    = 5 * time.Second
	// again is how long what a dead worker left may take beyond AckWait, after which the
	// server hands it out again: three times the slowest heavy file of the same run,
	// because it may wait for a slot and then has to be done, and a second at least.
	again, atLeast = 3, time.Second

	lightRows = 60
	heavyRows = 600_000 // enough for a start that is told, and little enough to be done again in time
)

// Heavy files come in two bursts, each larger than what all others than one
// worker can hold at once: one for the worker that is killed, one for the other
// that is asked to end.
const (
	firstBurst  = 150
	secondBurst = 300
	burst       = 6
)

func isHeavy(i int) bool {
	return i >= firstBurst && i < firstBurst+burst || i >= secondBurst && i < secondBurst+burst
}

// content is what execution i submits and the errors that its report must count.
func content(i int, heavy []byte) (data []byte, rows, errors int) {
	if isHeavy(i) {
		return heavy, heavyRows, 0
	}
	if i%3 == 0 {
		errors = 1 + i%7
	}
	return orders(lightRows, errors), lightRows, errors
}

func keyOf(i int) execution.Key {
	return execution.Key{Mailbox: mailbox, ID: fmt.Sprintf("e%04d", i), Generation: 1}
}

func TestFleetSurvives(t *testing.T) {
	for name, place := range places {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, place(t), map[string]string{"QUEUE_ACK_WAIT": ackWait.String(), "SLOTS": "2"})
			f.startBridge(t, f.startLambda(t))
			killed, drained := f.startWorker(t), f.startWorker(t)
			events := f.follow(t)

			began := time.Now()
			secondBurstMayCome := make(chan struct{})
			var submitting errgroup.Group
			submitting.Go(func() error { return f.submitAll(t.Context(), secondBurstMayCome) })

			holds := func(p *process.Process) func() bool {
				return func() bool { return slices.ContainsFunc(events.working(p.Host()), heavyKey) }
			}
			process.Eventually(t, 30*time.Second, killed.String()+" works on a heavy file", holds(killed))
			killedAt := killed.Signal(t, syscall.SIGKILL)
			killed.Exit(t, 5*time.Second)
			f.startWorker(t)
			close(secondBurstMayCome)

			process.Eventually(t, 30*time.Second, drained.String()+" works on a heavy file", holds(drained))
			endedBefore := events.ended()
			drainedAt := drained.Signal(t, syscall.SIGTERM)
			f.startWorker(t)
			if code := drained.Exit(t, 25*time.Second); code != 0 {
				t.Errorf("%s ended with %d after SIGTERM, want 0", drained, code)
			}
			t.Logf("drained in %v, with %d of %d ended before", time.Since(drainedAt).Round(time.Millisecond), endedBefore, executions)

			if err := submitting.Wait(); err != nil {
				t.Fatal(err)
			}
			if !process.Until(40*time.Second, func() bool { return events.ended() >= executions }) {
				t.Errorf("only %d of %d are told to have ended", events.ended(), executions)
			}
			took := time.Since(began)

			outcomes := f.checkOutcomes(t)
			report := f.checkHistory(t)
			t.Logf("%d executions in %.1f s, %v, wait p50 %v p99 %v", executions, took.Seconds(), report.ByExecutor,
				report.Waits.Percentile(50).Round(time.Millisecond), report.Waits.Percentile(99).Round(time.Millisecond))
			checkKilled(t, events, outcomes, killed.Host(), killedAt)
			checkDrained(t, events, outcomes, drained.Host())
			f.settled(t, 10*time.Second)
		})
	}
}

func heavyKey(k execution.Key) bool {
	var i int
	_, err := fmt.Sscanf(strings.TrimPrefix(k.ID, "e"), "%d", &i)
	return err == nil && isHeavy(i)
}

// submitAll submits every execution, roughly in order. It waits with the second
// burst until it may come.
func (f *fleet) submitAll(ctx context.Context, secondBurstMayCome <-chan struct{}) error {
	heavy := orders(heavyRows, 0)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i := range executions {
		if i == secondBurst {
			select {
			case <-secondBurstMayCome:
			case <-ctx.Done():
				return group.Wait()
			}
		}
		group.Go(func() error {
			data, _, _ := content(i, heavy)
			_, err := f.producer.Submit(ctx, submission(mailbox, keyOf(i).ID, data))
			return err
		})
	}
	return group.Wait()
}

// checkOutcomes reads every OUTCOME there is: one for each execution, SUCCEEDED,
// with exactly the errors that its file has.
func (f *fleet) checkOutcomes(t *testing.T) map[execution.Key]execution.Outcome {
	t.Helper()
	all := map[execution.Key]execution.Outcome{}
	for o, err := range f.outcomes.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := all[o.Key]; twice {
			t.Errorf("%s has two outcomes", o.Key)
		}
		all[o.Key] = o
	}
	if len(all) != executions {
		t.Errorf("%d outcomes, want %d", len(all), executions)
	}
	for i := range executions {
		o := all[keyOf(i)]
		_, rows, errors := content(i, nil)
		switch {
		case o.Kind != execution.Succeeded || o.Summary == nil:
			t.Errorf("%s ended %q: %v", keyOf(i), o.Kind, o.Fault)
		case o.Summary.Records != rows || o.Summary.Errors != errors:
			t.Errorf("%s: %d records and %d errors, want %d and %d", o.Key, o.Summary.Records, o.Summary.Errors, rows, errors)
		}
	}
	return all
}

// checkHistory compares outcomes with events: nothing lost, nothing doubled, and
// both kinds of executor at work.
func (f *fleet) checkHistory(t *testing.T) history.Report {
	t.Helper()
	accepted := make([]execution.Key, executions)
	for i := range accepted {
		accepted[i] = keyOf(i)
	}
	report, err := history.Check(t.Context(), f.js, f.outcomes, accepted)
	if err != nil {
		t.Fatal(err)
	}
	if !report.Clean() || report.Succeeded != executions {
		t.Errorf("%d lost, %d doubled, %d of %d succeeded\n%s", report.Lost, report.Doubled, report.Succeeded, executions,
			report.Explain())
	}
	for executor, n := range report.ByExecutor {
		if n == 0 {
			t.Errorf("no execution ran on a %s", executor)
		}
	}
	if dead := f.backlog(t).Dead; dead != 0 {
		t.Errorf("%d dead letters", dead)
	}
	return report
}

// checkKilled finds what the killed worker left unfinished: others must have
// finished it in time.
func checkKilled(t *testing.T, events *chronicle, outcomes map[execution.Key]execution.Outcome, host string, at time.Time) {
	t.Helper()
	var abandoned int
	var slowest, heaviest time.Duration
	for k, o := range outcomes {
		if heavyKey(k) {
			heaviest = max(heaviest, o.Finished.Sub(o.Started))
		}
	}
	within := ackWait + max(again*heaviest, atLeast)
	for _, k := range events.startedAt(host) {
		if process.HostOf(outcomes[k].Host) == host {
			continue
		}
		abandoned++
		after := outcomes[k].Finished.Sub(at)
		slowest = max(slowest, after)
		if after > within {
			t.Errorf("%s was finished by %s %v after its worker was killed, want at most %v where a heavy file takes up to %v",
				k, outcomes[k].Host, after, within, heaviest)
		}
		if starts, retries, _ := events.life(k); starts != 2 || retries != 0 {
			t.Errorf("%s was started %d times and put off %d times, want a second start and nothing else", k, starts, retries)
		}
	}
	if abandoned == 0 {
		t.Error("the killed worker had nothing in flight: this test showed nothing")
	}
	t.Logf("killed with %d in flight, the last finished %v later; a heavy file took up to %v", abandoned,
		slowest.Round(time.Millisecond), heaviest.Round(time.Millisecond))
}

// checkDrained makes sure that the worker that was asked to end finished what it
// had started, and that nobody did it again.
func checkDrained(t *testing.T, events *chronicle, outcomes map[execution.Key]execution.Outcome, host string) {
	t.Helper()
	started := events.startedAt(host)
	committed := len(started)
	for _, k := range started {
		if hosts := events.hosts(k); hosts[len(hosts)-1] != host || process.HostOf(outcomes[k].Host) != host {
			committed--
			t.Errorf("%s was started by %v and committed by %s, want %s to be the last of both", k, hosts, outcomes[k].Host, host)
		}
	}
	if len(started) == 0 {
		t.Error("the drained worker never worked: this test showed nothing")
	}
	t.Logf("the drained worker had started %d and committed %d of them", len(started), committed)
}
