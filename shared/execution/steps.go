package execution

import (
	"context"
	"sync"
	"time"
)

// Step is a part of an attempt: what it did when, and for how long. A Lambda, which sends
// no traces itself, tells its steps in the reply.
type Step struct {
	Name   string    `json:"name"`
	Began  time.Time `json:"began"`
	Micros int64     `json:"us"` // how long it took
}

// Took is how long the step took.
func (s Step) Took() time.Duration { return time.Duration(s.Micros) * time.Microsecond }

// Steps notes steps. It is safe for concurrent use.
type Steps struct {
	mu  sync.Mutex
	all []Step
}

// maxSteps bounds what a trace or a reply has to carry: an execution may have 1,000 files.
const maxSteps = 64

type stepsKey struct{}

// WithSteps returns ctx for an attempt whose steps are to be noted.
func WithSteps(ctx context.Context) (context.Context, *Steps) {
	s := &Steps{}
	return context.WithValue(ctx, stepsKey{}, s), s
}

// BeginStep notes a step that ends when end is called. It does nothing unless steps are
// noted in ctx.
func BeginStep(ctx context.Context, name string) (end func()) {
	s, ok := ctx.Value(stepsKey{}).(*Steps)
	if !ok {
		return func() {}
	}
	began := time.Now()
	return func() { s.note(name, began) }
}

func (s *Steps) note(name string, began time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) < maxSteps {
		s.all = append(s.all, Step{Name: name, Began: began.UTC(), Micros: time.Since(began).Microseconds()})
	}
}

// Under returns a step over the whole time since began, followed by those noted.
func (s *Steps) Under(name string, began time.Time) []Step {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Step{{Name: name, Began: began.UTC(), Micros: time.Since(began).Microseconds()}}, s.all...)
}
