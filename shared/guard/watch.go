package guard

import "github.com/sagefleet/sagefleet/shared/execution"

// Watcher is told what attempts come to, by whoever makes them and as they do. An
// outcome that is only found and repeated is not told again.
type Watcher interface {
	AttemptBegan(executor string, a execution.Attempt)
	// AttemptFailed is called when another attempt is due.
	AttemptFailed(executor string, a execution.Attempt, cause error)
	ExecutionEnded(a execution.Attempt, o execution.Outcome)
	// AttemptWasted is told what was paid for an attempt that neither failed nor ended
	// the execution.
	AttemptWasted(a execution.Attempt, cost execution.Usage)
}

// Watch has w told. It is called before the first Execute.
func (g *Guard) Watch(w Watcher) { g.watcher = w }

func (g *Guard) began(a execution.Attempt) {
	if g.watcher != nil {
		g.watcher.AttemptBegan(g.who.Executor, a)
	}
}

func (g *Guard) failed(a execution.Attempt, cause error) {
	if g.watcher != nil {
		g.watcher.AttemptFailed(g.who.Executor, a, cause)
	}
}

func (g *Guard) wasted(a execution.Attempt, cost execution.Usage) {
	if g.watcher != nil {
		g.watcher.AttemptWasted(a, cost)
	}
}

// endedBy tells that a ended as o says, unless o is another attempt's.
func (g *Guard) endedBy(a execution.Attempt, o execution.Outcome) {
	if g.watcher != nil && mine(a, o) {
		g.watcher.ExecutionEnded(a, o)
	}
}
