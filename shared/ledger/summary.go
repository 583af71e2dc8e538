package ledger

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// CodeBuckets says that a summary would have too many parts.
const CodeBuckets fault.Code = "LEDGER_BUCKETS"

// MaxBuckets is how many parts of time a summary has at most.
const MaxBuckets = 1000

// Bucket sums up what was accepted in one part of time.
type Bucket struct {
	From      time.Time               `json:"from"`
	Count     int                     `json:"count"`
	States    map[execution.State]int `json:"states"`
	Executors map[string]int          `json:"executors"` // of those that began
	// Waits are from the acceptance to the first attempt, runs the last attempts. Both are
	// within 3 % above the exact value, in nanoseconds in JSON.
	WaitP50 time.Duration `json:"wait_p50"`
	WaitP99 time.Duration `json:"wait_p99"`
	RunP50  time.Duration `json:"run_p50"`
	RunP99  time.Duration `json:"run_p99"`
	CostUSD float64       `json:"cost_usd"`
}

// Summary sums up what was accepted from f.From to f.To, both of which must be given,
// in parts of width; the first begins at f.From. f's prefix doesn't matter. Its cost grows with
// the number of executions in that time, and its memory with the number of parts.
func (l *Ledger) Summary(ctx context.Context, f Filter, width time.Duration) ([]Bucket, error) {
	span := f.To.Sub(f.From)
	if f.From.IsZero() || span <= 0 || width <= 0 || span > MaxBuckets*width {
		return nil, fault.New(CodeBuckets, "a summary from %v to %v in parts of %v", f.From, f.To, width).
			Expecting("a beginning, an end behind it, and at most %d parts between", MaxBuckets).Permanent()
	}
	buckets := make([]Bucket, int((span+width-1)/width))
	waits, runs := make([]quantiles, len(buckets)), make([]quantiles, len(buckets))
	for i := range buckets {
		buckets[i] = Bucket{From: f.From.Add(time.Duration(i) * width), States: map[execution.State]int{}, Executors: map[string]int{}}
	}
	if f.Mailboxes != nil && len(f.Mailboxes) == 0 {
		return buckets, nil
	}
	where, args := "accepted_us >= ? AND accepted_us < ?", []any{micros(f.From), micros(f.To)}
	add := func(text string, values ...any) { where, args = where+" AND "+text, append(args, values...) }
	if f.Mailboxes != nil {
		add("mailbox IN ("+marks(len(f.Mailboxes))+")", anys(f.Mailboxes)...)
	}
	if len(f.States) > 0 {
		add("state IN ("+marks(len(f.States))+")", anys(f.States)...)
	}
	if f.Executor != "" {
		add("executor = ?", f.Executor)
	}
	rows, err := l.db.QueryContext(ctx, l.rebind("SELECT accepted_us, state, executor, waited_us, ran_us, cost_usd FROM execution WHERE "+where), args...)
	if err != nil {
		return nil, fmt.Errorf("sum up executions: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var at, waited, ran int64
	var state execution.State
	var executor string
	var cost float64
	for rows.Next() {
		if err := rows.Scan(&at, &state, &executor, &waited, &ran, &cost); err != nil {
			return nil, fmt.Errorf("sum up executions: %w", err)
		}
		i := min(int(max(moment(at).Sub(f.From), 0)/width), len(buckets)-1)
		b := &buckets[i]
		b.Count++
		b.States[state]++
		if executor != "" {
			b.Executors[executor]++
		}
		b.CostUSD += cost
		waits[i].add(waited)
		runs[i].add(ran)
	}
	for i := range buckets {
		b := &buckets[i]
		b.WaitP50, b.WaitP99 = waits[i].at(0.5), waits[i].at(0.99)
		b.RunP50, b.RunP99 = runs[i].at(0.5), runs[i].at(0.99)
	}
	return buckets, rows.Err()
}

// quantiles counts spans of time by their magnitude, 24 steps for each doubling, so
// that it stays small whatever it counts.
type quantiles struct {
	counts map[int]int
	n      int
}

const steps = 24

// add counts a span of so many microseconds, unless it is negative.
func (q *quantiles) add(us int64) {
	if us < 0 {
		return
	}
	if q.counts == nil {
		q.counts = map[int]int{}
	}
	q.counts[int(math.Ceil(steps*math.Log2(float64(us+1))))]++
	q.n++
}

// at is the span below which a part of all lies, such as 0.99.
func (q *quantiles) at(part float64) time.Duration {
	keys := make([]int, 0, len(q.counts))
	for k := range q.counts {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	left := int(math.Ceil(part * float64(q.n)))
	for _, k := range keys {
		if left -= q.counts[k]; left <= 0 {
			return time.Duration(math.Exp2(float64(k)/steps)-1) * time.Microsecond
		}
	}
	return 0
}
