package console

import (
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/planning"
)

// codePlanQuestion says that a field of the form is not what it should be.
const codePlanQuestion fault.Code = "PLAN_QUESTION"

// Bounds of a question. `sage plan` has none: it is whoever runs it that waits.
const (
	planMostWorkers = 8   // numbers of workers
	planMostCount   = 500 // workers, and slots of one
)

// planWindows are how many hours back a plan may look.
var planWindows = []int{1, 6, 24, 72, 168}

// planForm is a question as the visitor wrote it.
type planForm struct {
	Mailbox, Window                                            string
	Deadline, Late, Workers, Slots, Budget                     string
	WorkerUSD, MemoryMB, GBSecondUSD, RequestUSD, Environments string
}

// planFormOf reads an address; what isn't given is what `sage plan` takes, but for the
// slots, which are the fleet's if it has any.
func planFormOf(q url.Values, slots int) planForm {
	if slots <= 0 || slots > planMostCount {
		slots = 4
	}
	get := func(name, otherwise string) string {
		if q.Has(name) {
			return strings.TrimSpace(q.Get(name))
		}
		return otherwise
	}
	return planForm{Mailbox: q.Get("mailbox"), Window: get("window", "24h"), Deadline: get("deadline", "60"), Late: get("late", "1"),
		Workers: get("workers", "1, 2, 4, 8"), Slots: get("slots", strconv.Itoa(slots)), Budget: get("budget", "0"), WorkerUSD: get("worker_usd", "0.17"),
		MemoryMB: get("memory", "1024"), GBSecondUSD: get("gb_usd", "0.0000133334"), RequestUSD: get("request_usd", "0.0000002"), Environments: get("environments", "1000")}
}

// question is what the form asks, and for how far back.
func (f planForm) question() (q planning.Question, window time.Duration, err error) {
	var deadline, slots, environments float64
	for _, field := range []struct {
		name, text  string
		into        *float64
		least, most float64
		whole       bool
	}{
		{"deadline", f.Deadline, &deadline, 0.001, 7 * 86400, false},
		{"late", f.Late, &q.LatePercent, 0, 100, false},
		{"slots", f.Slots, &slots, 1, planMostCount, true},
		{"budget", f.Budget, &q.BudgetUSD, 0, 1e6, false},
		{"worker_usd", f.WorkerUSD, &q.ReplicaUSD, 0, 1e6, false},
		{"memory", f.MemoryMB, &q.MemoryMB, 128, 10240, false},
		{"gb_usd", f.GBSecondUSD, &q.GBSecondUSD, 0, 1e6, false},
		{"request_usd", f.RequestUSD, &q.RequestUSD, 0, 1e6, false},
		{"environments", f.Environments, &environments, 1, 100_000, true},
	} {
		n, err := strconv.ParseFloat(field.text, 64)
		if err != nil || !(n >= field.least && n <= field.most) || field.whole && n != math.Trunc(n) {
			return q, 0, planRefused(field.name, field.text).Expecting("a number from %v to %v", field.least, field.most)
		}
		*field.into = n
	}
	q.Deadline, q.Slots, q.Concurrency = seconds(deadline), int(slots), int(environments)
	if q.Replicas, err = planWorkers(f.Workers); err != nil {
		return q, 0, err
	}
	window, err = time.ParseDuration(f.Window)
	if err != nil || window%time.Hour != 0 || !slices.Contains(planWindows, int(window/time.Hour)) {
		return q, 0, planRefused("window", f.Window).Expecting("one of %v hours, such as 24h", planWindows)
	}
	return q, window, nil
}

// planWorkers reads numbers of workers.
func planWorkers(text string) ([]int, error) {
	var all []int
	for part := range strings.FieldsFuncSeq(text, betweenWorkers) {
		n, err := strconv.Atoi(part)
		if err != nil || n < 1 || n > planMostCount {
			return nil, planRefused("workers", part).Expecting("numbers from 1 to %d", planMostCount)
		}
		all = append(all, n)
	}
	slices.Sort(all)
	if all = slices.Compact(all); len(all) == 0 || len(all) > planMostWorkers {
		return nil, planRefused("workers", text).Expecting("1 to %d numbers of workers, such as 1, 2, 4", planMostWorkers)
	}
	return all, nil
}

func betweenWorkers(r rune) bool { return r == ',' || r == ';' || r == ' ' }

func planRefused(field, text string) *fault.Error {
	return fault.New(codePlanQuestion, "%s is %.40q", field, text).Permanent()
}
