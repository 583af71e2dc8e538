package heartbeat

import (
	"slices"
	"sync"
	"time"
)

// Service is how long executions of one configuration took a worker.
type Service struct {
	Config  string  `json:"config"` // names the configuration; see execution.Config.Name
	Count   int     `json:"count"`
	Seconds float64 `json:"seconds"` // average; recent ones weigh more
}

// maxServices bounds a beat's size. The configurations used last are kept.
const maxServices = 32

// Services learns how long executions take, by configuration.
type Services struct {
	mu    sync.Mutex
	known []Service // used last, last
}

// Observe learns from one execution. Each new value weighs max(0.02, 1/n): the
// average of the first fifty, and then about of the last fifty.
func (s *Services) Observe(config string, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var v Service
	if i := slices.IndexFunc(s.known, func(v Service) bool { return v.Config == config }); i >= 0 {
		v = s.known[i]
		s.known = slices.Delete(s.known, i, i+1)
	} else if len(s.known) >= maxServices {
		s.known = slices.Delete(s.known, 0, 1)
	}
	v.Config = config
	v.Count++
	v.Seconds += max(0.02, 1/float64(v.Count)) * (took.Seconds() - v.Seconds)
	s.known = append(s.known, v)
}

// All returns what is known, the configuration used last first.
func (s *Services) All() []Service {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.known)
	slices.Reverse(all)
	return all
}
