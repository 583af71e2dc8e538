package simulate

import (
	"container/heap"

	"github.com/sagefleet/sagefleet/bridge/overflow"
)

// Policy says what goes to the cloud.
type Policy interface {
	Name() string
	// choose is asked after each change: whether the oldest that waits, or another, goes to the
	// cloud now (its place in the queue, or none), and when to ask again if nothing changes (0 is
	// never).
	choose(r *run) (place int, again float64)
	// workersTake says whether free slots take what the cloud could.
	workersTake() bool
}

const none = -1

// By is the policy of a bridge.
func By(p overflow.Policy) Policy { return bridge{p} }

type bridge struct{ overflow.Policy }

func (b bridge) choose(r *run) (place int, again float64) {
	d := b.Decide(r.signals())
	if d.Review > 0 {
		again = r.now + d.Review.Seconds()
	}
	if d.MinPending > 0 && r.waiting.len() >= d.MinPending {
		return 0, again
	}
	return none, again
}

func (bridge) workersTake() bool { return true }

// LocalAlone never uses the cloud, CloudAlone uses nothing else for what it can
// take. They are the ends between which policies lie.
var (
	LocalAlone Policy = alone{"local", none}
	CloudAlone Policy = alone{"lambda", 0}
)

type alone struct {
	name  string
	place int
}

func (a alone) Name() string { return a.name }

func (a alone) choose(r *run) (place int, again float64) {
	if r.waiting.len() == 0 {
		return none, 0
	}
	return a.place, 0
}

func (a alone) workersTake() bool { return a.place == none }

// Exact returns the policy that knows what everything will take: it sends to the
// cloud, when it arrives, what the workers would end too late, and nothing else.
// No bridge can know that; it is what the others are measured by.
func Exact() Policy { return &exact{} }

type exact struct {
	slots   ends // when each will be free, with all that waits done in order
	planned int  // jobs
	late    map[int]bool
}

func (*exact) Name() string      { return "exact" }
func (*exact) workersTake() bool { return true }

func (e *exact) choose(r *run) (place int, again float64) {
	if e.late == nil {
		e.late = map[int]bool{}
		e.slots = make(ends, r.setup.Replicas*r.setup.Slots)
	}
	for ; e.planned < r.arrived; e.planned++ {
		j := &r.jobs[e.planned]
		end := max(e.slots[0], j.At) + j.Local
		if end > j.Deadline && !j.LocalOnly {
			e.late[e.planned] = true
			continue
		}
		e.slots[0] = end
		heap.Fix(&e.slots, 0)
	}
	for place := range r.waiting.len() {
		if e.late[r.waiting.at(place)] {
			return place, 0
		}
	}
	return none, 0
}

// ends is a heap of times.
type ends []float64

func (e ends) Len() int           { return len(e) }
func (e ends) Less(i, j int) bool { return e[i] < e[j] }
func (e ends) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }

// Push implements [heap.Interface].
func (e *ends) Push(x any) { *e = append(*e, x.(float64)) }

// Pop implements [heap.Interface].
func (e *ends) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}
