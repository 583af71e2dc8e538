package lock

import (
	"sync"
	"time"
)

// overdue is after how many TTLs without a change an entry is taken for no lock. It is
// counted from when it was first seen, by one clock: those of other machines differ.
const overdue = 2

// maxSeen bounds the memory for locks of others.
const maxSeen = 1000

// seen remembers since when locks of others are as they are.
type seen struct {
	mu      sync.Mutex
	entries map[string]sighting
}

type sighting struct {
	revision uint64
	first    time.Time
}

// since is how long ago the entry of name was first seen at revision.
func (s *seen) since(name string, revision uint64) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.entries[name]; ok && e.revision == revision {
		return time.Since(e.first)
	}
	if s.entries == nil || len(s.entries) >= maxSeen {
		s.entries = map[string]sighting{}
	}
	s.entries[name] = sighting{revision, time.Now()}
	return 0
}
