package chaos

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/history"
)

// table is what came of the crashes.
type table struct {
	mu   sync.Mutex
	rows map[row][]time.Duration
	lost map[row]int
}

// row is one line of a table.
type row struct {
	store string
	point failpoint.Point
	leads bool
}

func (tb *table) add(key row, took time.Duration, ok bool) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	if tb.rows == nil {
		tb.rows, tb.lost = map[row][]time.Duration{}, map[row]int{}
	}
	if !ok {
		tb.lost[key]++
		took = patience
	}
	tb.rows[key] = append(tb.rows[key], took)
}

// announced are the points at which a bridge has told that it asks a Lambda. If it
// dies there, nobody can know whether it did: the work waits until no invocation can
// be running any more, which is the function's timeout and the margin.
var announced = map[failpoint.Point]bool{failpoint.Entered: true, failpoint.Invoking: true}

// kindOfRow tells crashes apart by what recovery has to wait for.
type kindOfRow string

const (
	ofAll       kindOfRow = "by redelivery"
	ofAnnounced kindOfRow = "with an invocation announced"
	ofLeading   kindOfRow = "of the bridge that repairs for all"
)

func (r row) kind() kindOfRow {
	switch {
	case r.leads:
		return ofLeading
	case announced[r.point]:
		return ofAnnounced
	}
	return ofAll
}

// percentile is of the recovery times after crashes of a kind.
func (tb *table) percentile(p float64, of kindOfRow) time.Duration {
	var all []time.Duration
	for r, times := range tb.rows {
		if r.kind() == of {
			all = append(all, times...)
		}
	}
	slices.Sort(all)
	return history.Percentile(all, p)
}

func (tb *table) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(store, point string, times []time.Duration, lost int) {
		slices.Sort(times)
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%.1f s\t%.1f s\n", store, point, len(times), len(times)-lost,
			history.Percentile(times, 50).Seconds(), history.Percentile(times, 99).Seconds())
	}
	fmt.Fprintln(w, "store\tcrash at\truns\trecovered\tp50\tp99")
	var all []time.Duration
	lost := 0
	for _, r := range slices.SortedFunc(maps.Keys(tb.rows), func(a, b row) int {
		return cmp.Or(cmp.Compare(a.store, b.store), cmp.Compare(a.point, b.point), cmp.Compare(a.kind(), b.kind()))
	}) {
		point := string(r.point)
		if r.leads {
			point += ", the leading bridge"
		}
		line(r.store, point, tb.rows[r], tb.lost[r])
		all = append(all, tb.rows[r]...)
		lost += tb.lost[r]
	}
	line("all", "", all, lost)
	_ = w.Flush()
	return b.String()
}
