package simulate

// lateTurn is how often a slot takes late work first: one turn of four, so that it
// never starves.
const lateTurn = 4

// surely is what most executions stay under, as a multiple of what is expected of them.
const surely = 1.6

// giveUpLate sets aside what can't end in time any more, if the order says so.
func (r *run) giveUpLate() {
	if r.setup.Order == Oldest {
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
