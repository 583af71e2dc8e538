package console

import (
	"context"
	"errors"
	"html/template"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/ledger"
)

const (
	trendParts = 60
	trendWidth = time.Minute // of a part
	trendEvery = 10 * time.Second
	// Summing up costs as much as there was in that time: at most a twentieth of
	// one connection's time goes into it.
	trendShare = 20
	trendsKept = 64 // sets of mailboxes
)

// trends sums up the last hour from the ledger, once for all who look at the same
// mailboxes, and only while somebody looks.
type trends struct {
	ledger *ledger.Ledger
	mu     sync.Mutex
	known  map[string]*trend // by mailboxes
}

// trend is the last hour of some mailboxes.
type trend struct {
	mu      sync.Mutex // held while it is summed up
	until   time.Time  // it is good
	buckets []ledger.Bucket
	dead    int // executions that are DEAD, whenever they died
}

func newTrends(l *ledger.Ledger) *trends { return &trends{ledger: l, known: map[string]*trend{}} }

// of returns the last hour, minute by minute, and how many executions are DEAD. Nil
// mailboxes are all there are.
func (t *trends) of(ctx context.Context, mailboxes []string, now time.Time) ([]ledger.Bucket, int, error) {
	x := t.entry(mailboxes)
	x.mu.Lock()
	defer x.mu.Unlock()
	if now.Before(x.until) {
		return x.buckets, x.dead, nil
	}
	began := time.Now()
	to := now.Truncate(trendWidth).Add(trendWidth)
	buckets, err := t.ledger.Summary(ctx, ledger.Filter{Mailboxes: mailboxes, From: to.Add(-trendParts * trendWidth), To: to}, trendWidth)
	if err != nil {
		return nil, 0, err
	}
	causes, err := t.ledger.Dead(ctx, mailboxes, time.Time{})
	if err != nil {
		return nil, 0, err
	}
	x.buckets, x.dead = buckets, 0
	for _, c := range causes {
		x.dead += c.Count
	}
	x.until = now.Add(max(trendEvery, trendShare*time.Since(began)))
	return x.buckets, x.dead, nil
}

func (t *trends) entry(mailboxes []string) *trend {
	key := "*"
	if mailboxes != nil {
		key = strings.Join(slices.Sorted(slices.Values(mailboxes)), " ")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.known[key]
	if x == nil {
		if len(t.known) >= trendsKept {
			clear(t.known)
		}
		x = &trend{}
		t.known[key] = x
	}
	return x
}

// hourView is the last hour as the page of the fleet shows it.
type hourView struct {
	Known         bool // something was accepted
	Count         int
	P50, P99      time.Duration // of the last minute in which something began
	Overflow      float64       // share of what began that a Lambda did
	Cost          float64       // USD
	Slowest, Most string        // the tops of the charts

	Waits, OverflowLine, CostLine template.HTML
}

// newHour sums up the last hour and draws it.
func newHour(w *words, buckets []ledger.Bucket) (hourView, error) {
	h := hourView{}
	var p50, p99, share, cost []float64
	began, lambda := 0, 0
	for _, b := range buckets {
		all := 0
		for _, n := range b.Executors {
			all += n
		}
		if all > 0 {
			h.P50, h.P99 = b.WaitP50, b.WaitP99
		}
		began, lambda = began+all, lambda+b.Executors[execution.OnLambda]
		h.Count += b.Count
		h.Cost += b.CostUSD
		p50, p99 = append(p50, b.WaitP50.Seconds()), append(p99, b.WaitP99.Seconds())
		share, cost = append(share, float64(b.Executors[execution.OnLambda])/float64(max(1, all))), append(cost, b.CostUSD)
	}
	h.Known = h.Count > 0
	if !h.Known {
		return h, nil
	}
	h.Overflow = float64(lambda) / float64(max(1, began))
	slowest, most := slices.Max(p99), slices.Max(cost)
	h.Slowest, h.Most = w.took(seconds(slowest)), w.usd(most)
	var errs [3]error
	h.Waits, errs[0] = drawLines(w.T("chart.waits", w.took(seconds(slices.Max(p50))), h.Slowest), trendParts, slowest, p50, p99)
	h.OverflowLine, errs[1] = drawLines(w.T("chart.overflow", w.percent(h.Overflow), w.percent(slices.Max(share))), trendParts, 1, share)
	h.CostLine, errs[2] = drawLines(w.T("chart.cost", w.usd(h.Cost), h.Most), trendParts, most, cost)
	return h, errors.Join(errs[:]...)
}
