package inbox

import (
	"fmt"
	"maps"
	"slices"
	"sync"
)

// trouble is what keeps mailboxes from being emptied, for those who look from outside.
type trouble struct {
	mu sync.Mutex
	of map[string]error
}

func (t *trouble) set(mailbox string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil {
		t.of = map[string]error{}
	}
	t.of[mailbox] = err
}

func (t *trouble) clear(mailbox string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.of, mailbox)
}

func (t *trouble) now() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, mailbox := range slices.Sorted(maps.Keys(t.of)) {
		return fmt.Errorf("mailbox %s waits: %w", mailbox, t.of[mailbox])
	}
	return nil
}
