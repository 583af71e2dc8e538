package simulate

// queue is what waits, the oldest first.
type queue struct {
	jobs []int
	from int
}

func (q *queue) len() int         { return len(q.jobs) - q.from }
func (q *queue) at(place int) int { return q.jobs[q.from+place] }
func (q *queue) add(job int)      { q.jobs = append(q.jobs, job) }

// back puts a job that was taken before the others.
func (q *queue) back(job int) {
	if q.from > 0 {
		q.from--
		q.jobs[q.from] = job
		return
	}
	q.jobs = append([]int{job}, q.jobs...)
}

func (q *queue) take(place int) int {
	job := q.at(place)
	copy(q.jobs[q.from+1:q.from+place+1], q.jobs[q.from:q.from+place])
	q.from++
	return job
}
