package simulate

import "sort"

// lateTurn is how often a slot takes late work first: one turn of four, so that it
// never starves.
const lateTurn = 4

// surely is what most executions stay under, as a multiple of what is expected of them.
const surely = 1.6

// giveUpLate sets aside what can't end in time any more, if the order says so.
func (r *run) giveUpLate() {
	if r.setup.Order != Savable && r.setup.Order != Smallest {
		return
	}
	for place := 0; place < r.waiting.len(); {
		j := &r.jobs[r.waiting.at(place)]
		if r.now+surely*j.Expected <= j.Deadline {
			if r.setup.Order == Savable || r.now-j.At < 1 {
				return // what came later is hardly later
			}
			place++
			continue
		}
		r.late.add(r.waiting.take(place))
	}
}

// first is the place of what is to be done first.
func (r *run) first() int {
	if r.setup.Order != Smallest || r.late.len() == 0 {
		return 0
	}
	smallest := 0
	for place := range r.waiting.len() {
		if r.jobs[r.waiting.at(place)].MB < r.jobs[r.waiting.at(smallest)].MB {
			smallest = place
		}
	}
	return smallest
}

// saveTries is how many that wait a worker reads in vain.
const saveTries = 20

// saved is the place of what a free slot takes: with Workers as package queue has it, which
// doesn't know sizes, only what slots were used for lately, and looks where the shortest
// deadline leaves time.
func (r *run) saved() int {
	if r.setup.Order != Workers && r.setup.Order != Declined {
		return r.first()
	}
	margin := min(r.length.value(), r.setup.Deadline/2)
	ends := func(place int) bool { return r.now+margin <= r.jobs[r.waiting.at(place)].Deadline }
	if ends(0) {
		return 0
	}
	if r.turns++; r.turns%lateTurn == 0 {
		return 0
	}
	since := r.now + margin - r.setup.Deadline
	from := sort.Search(r.waiting.len(), func(place int) bool { return r.jobs[r.waiting.at(place)].At >= since })
	for place := from; place < min(from+saveTries, r.waiting.len()); place++ {
		if ends(place) {
			return place
		}
	}
	return 0
}

// declines says whether a bridge leaves the oldest to the workers.
func (r *run) declines(job int) bool {
	j := &r.jobs[job]
	return r.setup.Order == Declined && r.now+1.1*j.Expected+j.MB/75 > j.Deadline
}

// length is how long slots are used, where each second counts the same; see package queue.
type length struct{ mean, square float64 }

func (l *length) observe(took float64) {
	const weight = 0.02
	l.mean += weight * (took - l.mean)
	l.square += weight * (took*took - l.square)
}

func (l *length) value() float64 {
	if l.mean <= 0 {
		return 0
	}
	return l.square / l.mean
}
