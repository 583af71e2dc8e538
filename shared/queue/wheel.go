package queue

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// wheel tells the server that messages are being worked on, all of them on one
// timer.
type wheel struct {
	mu      sync.Mutex
	working map[jetstream.Msg]struct{}
}

func newWheel() *wheel { return &wheel{working: map[jetstream.Msg]struct{}{}} }

func (w *wheel) add(m jetstream.Msg) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.working[m] = struct{}{}
}

func (w *wheel) remove(m jetstream.Msg) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.working, m)
}

// turn says "in progress" for every message each interval, until ctx ends.
func (w *wheel) turn(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		w.mu.Lock()
		for m := range w.working {
			_ = m.InProgress() // a lost one is followed by two more before AckWait ends
		}
		w.mu.Unlock()
	}
}
