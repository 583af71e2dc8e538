package console

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/producer/access"
)

const spendingEvery = 5 * time.Second

// spending asks for the budget once for all who look.
type spending struct {
	ask func(context.Context) (Budget, error)

	mu    sync.Mutex
	until time.Time // last is good
	last  *Budget   // nil when nobody could say
}

// of returns what v may see of the budget; nil when nobody can say.
func (s *spending) of(v *visit) *Budget {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !v.now.Before(s.until) {
		b, err := s.ask(v.Context())
		if err != nil {
			zerolog.Ctx(v.Context()).Warn().Err(err).Msg("budget not read")
		}
		s.last, s.until = &b, v.now.Add(spendingEvery)
		if err != nil {
			s.last = nil
		}
	}
	if s.last == nil {
		return nil
	}
	b := *s.last
	b.Limits = slices.DeleteFunc(slices.Clone(b.Limits), func(l Limit) bool { return l.Mailbox != "" && !v.who.May(access.Viewer, l.Mailbox) })
	return &b
}
