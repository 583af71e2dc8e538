package chaos

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/sagefleet/sagefleet/shared/execution"
)

// What clients do with one execution and see of it.
type (
	submitted struct{} // it was asked for; the answer says nothing more
	read      struct{} // OUTCOME was read; the answer is who committed what, or ""
	settled   struct{} // nothing of it waits anywhere
)

// register is an execution as its clients see it: write-once.
type register struct {
	asked bool
	ended bool   // it is known that it has ended, though perhaps not how
	value string // how it ended, when that is known
}

// writeOnce says what may be seen. The commit itself is nobody's here: it is
// somewhere before the first read that finds it.
var writeOnce = porcupine.Model{
	Init: func() any { return register{} },
	Step: func(state, input, output any) (bool, any) {
		r := state.(register)
		switch input.(type) {
		case submitted:
			r.asked = true
			return true, r
		case settled:
			ok := r.asked
			r.ended = true
			return ok, r
		}
		seen := output.(string)
		if seen == "" {
			return !r.ended, r
		}
		ok := r.asked && (r.value == "" || r.value == seen)
		r.ended, r.value = true, seen
		return ok, r
	},
}

// journal is what clients did, by execution.
type journal struct {
	mu    sync.Mutex
	began time.Time
	ops   map[execution.Key][]porcupine.Operation
}

func newJournal() *journal {
	return &journal{began: time.Now(), ops: map[execution.Key][]porcupine.Operation{}}
}

// note records an operation that began at call and has just ended.
func (j *journal) note(k execution.Key, input, output any, call time.Time) {
	j.add(k, porcupine.Operation{Input: input, Output: output, Call: call.Sub(j.began).Nanoseconds(), Return: time.Since(j.began).Nanoseconds()})
}

// unanswered records an operation that may take effect at any time after call.
func (j *journal) unanswered(k execution.Key, input any, call time.Time) {
	j.add(k, porcupine.Operation{Input: input, Call: call.Sub(j.began).Nanoseconds(), Return: math.MaxInt64})
}

func (j *journal) add(k execution.Key, op porcupine.Operation) {
	j.mu.Lock()
	defer j.mu.Unlock()
	op.ClientId = len(j.ops[k])
	j.ops[k] = append(j.ops[k], op)
}

// size is how many operations were noted.
func (j *journal) size() (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, ops := range j.ops {
		n += len(ops)
	}
	return n
}

// check finds executions whose operations no write-once register explains. That it
// can't be told in time is a failure too.
func (j *journal) check(t testing.TB) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	for k, ops := range j.ops {
		if result := porcupine.CheckOperationsTimeout(writeOnce, ops, time.Minute); result != porcupine.Ok {
			t.Errorf("%s: its %d operations are no history of a write-once register: %v", k, len(ops), result)
		}
	}
}
