package simulate

import (
	"context"
	"strconv"
	"time"

	"github.com/sagefleet/sagefleet/bridge/budget"
	"github.com/sagefleet/sagefleet/bridge/overflow"
)

// run is one simulation.
type run struct {
	setup  Setup
	policy Policy
	jobs   []Job
	ends   []End

	now     float64
	arrived int // jobs
	waiting queue
	late    queue // of Savable and Smallest: what can't end in time any more
	turns   int   // of slots, while there is late work
	length  length
	local   queue // what no Lambda takes
	free    int   // slots
	localBy int   // slots with what no Lambda takes
	events  events
	review  float64 // when to ask the policy again; 0 is never

	cloud   *environments
	account *budget.Account
	service overflow.Mean
	takes   overflow.Quantile
	bySize  overflow.BySize
	tried   []int // invocations of each job
	spent   []spend
	load    load
}

// End is how a job ended. Times are in seconds.
type End struct {
	Begun, Ended float64
	Cloud        bool
}

// spend is one billed invocation.
type spend struct{ begun, ended, usd float64 }

// Run lets a fleet do jobs, which are ordered by At, and says what came of it.
func Run(jobs []Job, setup Setup, policy Policy) Result {
	result, _ := Ends(jobs, setup, policy)
	return result
}

// Ends is [Run] and also says how each job ended.
func Ends(jobs []Job, setup Setup, policy Policy) (Result, []End) {
	result, ends, _ := within(context.Background(), jobs, setup, policy) // which never ends
	return result, ends
}

// within is Ends, and gives up when ctx ends.
func within(ctx context.Context, jobs []Job, setup Setup, policy Policy) (Result, []End, error) {
	const look = 256 // steps
	r := &run{setup: setup, policy: policy, jobs: jobs, ends: make([]End, len(jobs)), free: setup.Replicas * setup.Slots,
		cloud: newEnvironments(setup.Cloud), tried: make([]int, len(jobs))}
	if setup.Budget.Limited() {
		r.account = budget.Open(setup.Budget, budget.State{})
	}
	for n := 0; r.step(); n++ {
		if n%look == 0 && ctx.Err() != nil {
			return Result{}, nil, ctx.Err()
		}
		r.dispatch()
	}
	return r.result(), r.ends, nil
}

// step lets the next thing happen; false when nothing is left to happen.
func (r *run) step() bool {
	next := -1.0
	earliest := func(at float64) {
		if next < 0 || at < next {
			next = at
		}
	}
	if r.arrived < len(r.jobs) {
		earliest(r.jobs[r.arrived].At)
	}
	if len(r.events) > 0 {
		earliest(r.events[0].at)
	}
	if r.review > 0 && r.waiting.len() > 0 {
		earliest(r.review)
	}
	if next < 0 {
		return false
	}
	r.now = next
	r.load.until(next, r.setup.Replicas*r.setup.Slots-r.free)
	if len(r.events) > 0 && r.events[0].at == next {
		r.happens(r.events.take())
	} else if r.arrived < len(r.jobs) && r.jobs[r.arrived].At == next {
		if r.jobs[r.arrived].LocalOnly {
			r.local.add(r.arrived)
		} else {
			r.waiting.add(r.arrived)
		}
		r.arrived++
	}
	return true
}

func (r *run) happens(e event) {
	j := &r.jobs[e.job]
	switch e.kind {
	case localEnds:
		r.free++
		r.length.observe(j.Local)
		if j.LocalOnly {
			r.localBy--
		} else {
			r.service.Observe(duration(j.Local))
		}
	case cloudEnds:
		r.cloud.end(r.now)
		took := duration(r.now - r.ends[e.job].Begun)
		r.takes.Observe(took)
		r.bySize.Observe(int64(j.MB*1e6), took)
		r.settle(e.job)
	case comesBack:
		r.waiting.back(e.job)
	case settles:
		r.account.Settle(instant(r.now), reservation(e.job, e.try), e.usd)
	}
}

// dispatch gives work to free slots, then to the cloud as the policy says.
func (r *run) dispatch() {
	r.giveUpLate()
	for r.free > 0 && r.startLocal() {
	}
	for r.review = 0; ; {
		place, again := r.policy.choose(r)
		if again > r.now {
			r.review = again
		}
		if place == none || !r.invoke(place) {
			return
		}
	}
}

// startLocal gives a slot to the oldest.
func (r *run) startLocal() bool {
	var job int
	switch {
	case r.late.len() > 0 && (r.waiting.len() == 0 || r.turns%lateTurn == 0):
		job = r.late.take(0)
		r.turns++
	case r.local.len() > 0 && (!r.policy.workersTake() || r.waiting.len() == 0 || r.local.at(0) < r.waiting.at(0)):
		job = r.local.take(0)
		r.localBy++
	case r.waiting.len() > 0 && r.policy.workersTake():
		job = r.waiting.take(r.saved())
		if r.late.len() > 0 {
			r.turns++
		}
	default:
		return false
	}
	r.free--
	takes := r.jobs[job].Local
	r.ends[job] = End{Begun: r.now, Ended: r.now + takes}
	r.events.add(event{at: r.now + takes, kind: localEnds, job: job})
	return true
}

// invoke gives what waits at place to the cloud, if that may cost it and takes it.
func (r *run) invoke(place int) bool {
	if r.setup.Order == Smallest {
		place = r.first()
	}
	job := r.waiting.at(place)
	if r.declines(job) {
		return false
	}
	worst := r.setup.worst(&r.jobs[job])
	if r.account != nil {
		if r.account.Free(instant(r.now), "") < worst {
			return false
		}
		r.tried[job]++
		if err := r.account.Reserve(instant(r.now), budget.Reservation{ID: r.reservation(job), USD: worst}); err != nil {
			panic(err) // there was room, and the id is new
		}
		if r.dies(job, Reserving) {
			r.waiting.take(place)
			r.events.add(event{at: r.now + ackWait, kind: comesBack, job: job})
			r.settlesLater(job, worst)
			return true
		}
	}
	cold, ok, again := r.cloud.begin(r.now)
	if !ok {
		r.review = again
		if r.account != nil {
			r.account.Settle(instant(r.now), r.reservation(job), 0)
		}
		return false
	}
	r.waiting.take(place)
	takes := r.jobs[job].Cloud
	if cold {
		takes += r.jobs[job].Cold
	}
	r.ends[job] = End{Begun: r.now, Ended: r.now + takes, Cloud: true}
	r.events.add(event{at: r.now + takes, kind: cloudEnds, job: job})
	r.spent = append(r.spent, spend{r.now, r.now + takes, r.setup.Cloud.cost(takes)})
	return true
}

// ackWait is after how many seconds a message of a bridge that died is delivered again.
const ackWait = 30

// settle replaces what was reserved for a job, unless the bridge is dead by then.
func (r *run) settle(job int) {
	if r.account == nil {
		return
	}
	if r.dies(job, Invoking) || r.dies(job, Settling) {
		r.settlesLater(job, r.setup.worst(&r.jobs[job]))
		return
	}
	takes := r.ends[job].Ended - r.ends[job].Begun
	r.account.Settle(instant(r.now), r.reservation(job), r.setup.Cloud.cost(takes))
}

// settlesLater charges the worst when an invocation nobody knows of must have ended.
func (r *run) settlesLater(job int, worst float64) {
	longest := r.setup.Timeouts[len(r.setup.Timeouts)-1]
	r.events.add(event{at: r.now + longest + initAllowance, kind: settles, job: job, try: r.tried[job], usd: worst})
}

func (r *run) dies(job int, step Step) bool {
	return r.setup.Crash != nil && r.setup.Crash(r.reservation(job), step)
}

func (r *run) reservation(job int) string { return reservation(job, r.tried[job]) }

func reservation(job, try int) string { return strconv.Itoa(job) + "." + strconv.Itoa(try) }

// signals are what a bridge would know.
func (r *run) signals() overflow.Signals {
	slots := r.setup.Replicas * r.setup.Slots
	s := overflow.Signals{Pending: r.waiting.len(), AckPending: slots - r.free + r.cloud.busy, Delegated: r.cloud.busy,
		Slots: slots, Busy: slots - r.free, LocalOnlyBusy: r.localBy, Deadline: duration(r.setup.Deadline),
		Service: r.service.Value(), Cloud: r.takes.Value(), Throttled: r.cloud.throttled(r.now),
		Limit: r.setup.Cloud.Concurrency, InFlight: r.cloud.busy, CPU: r.load.percent(slots)}
	if s.Pending > 0 {
		head := &r.jobs[r.waiting.at(0)]
		s.HeadAge, s.HeadDeadline = duration(r.now-head.At), duration(head.Deadline-head.At)
		s.HeadCloud = r.bySize.Within(int64(head.MB * 1e6))
	}
	return s
}

func duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

func instant(seconds float64) time.Time { return time.Unix(0, 0).UTC().Add(duration(seconds)) }
