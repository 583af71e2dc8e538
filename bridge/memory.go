package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/bridge/overflow"
	"github.com/sagefleet/sagefleet/shared/bus"
)

// memory keeps what bridges have learned of the Lambda's runs over their restarts, so
// that none begins by guessing. The lead writes what it knows, and whoever starts reads
// it; several that lead at once do no harm, and what is lost is learned again.
type memory struct {
	js       jetstream.JetStream
	kv       jetstream.KeyValue
	function string
	counts   *counts
}

// learned is what is kept.
type learned struct {
	Function string            `json:"function"` // of whose runs
	At       time.Time         `json:"at"`
	Cloud    overflow.Quantile `json:"cloud"`
	Sizes    overflow.BySize   `json:"sizes"`
}

const (
	keyLearned   = "learned" // in the fleet's bucket; beats have a dot in their keys
	rememberEach = 30 * time.Second
	// What is older says little of today's runs, and the server forgets it then.
	learnedFor   = 7 * 24 * time.Hour
	maxLearned   = 4 << 10 // bytes
	recallWithin = 2 * time.Second
)

// keep is a duty of the lead: it writes what was learned now and then, and at the end.
func (m *memory) keep(ctx context.Context) error {
	written := m.counts.known().Cloud.Average.N // by another, if at all
	write := func(ctx context.Context) {
		now := m.counts.known()
		if now.Cloud.Average.N == written {
			return
		}
		if err := m.write(ctx, now); err != nil {
			zerolog.Ctx(ctx).Warn().Err(err).Msg("what was learned of the Lambda is not kept for now")
			return
		}
		written = now.Cloud.Average.N
	}
	ticker := time.NewTicker(rememberEach)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			write(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), recallWithin)
			defer cancel()
			write(last)
			return nil
		}
	}
}

func (m *memory) write(ctx context.Context, l learned) error {
	l.Function, l.At = m.function, time.Now().UTC()
	data, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("keep what was learned: %w", err)
	}
	if _, err := m.js.Publish(ctx, bus.SubjectKey(m.kv.Bucket(), keyLearned), data, jetstream.WithMsgTTL(learnedFor)); err != nil {
		return fmt.Errorf("keep what was learned: %w", err)
	}
	return nil
}

// recall begins with what was kept. Without it the priors are as good as ever.
func (m *memory) recall(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, recallWithin)
	defer cancel()
	entry, err := m.kv.Get(ctx, keyLearned)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return
	}
	var l learned
	if err == nil {
		l, err = m.read(entry.Value(), time.Now())
	}
	if err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Msg("what was learned of the Lambda is not used")
		return
	}
	m.counts.recall(l)
	zerolog.Ctx(ctx).Info().Int("runs", l.Cloud.Average.N).Dur("within", l.Cloud.Value()).Msg("what was learned of the Lambda goes on")
}

// read refuses what no bridge writes, and what is of another function or too old.
func (m *memory) read(data []byte, now time.Time) (l learned, err error) {
	if len(data) > maxLearned {
		return l, fmt.Errorf("%d bytes, more than %d", len(data), maxLearned)
	}
	if err := json.Unmarshal(data, &l); err != nil {
		return l, fmt.Errorf("read what was learned: %w", err)
	}
	switch age := now.Sub(l.At); {
	case l.Function != m.function:
		return l, fmt.Errorf("it is of the function %q, and this bridge has %q", l.Function, m.function)
	case age > learnedFor || age < -time.Hour:
		return l, fmt.Errorf("it is of %s", l.At.Format(time.RFC3339))
	case !l.Cloud.Valid() || !l.Sizes.Valid():
		return l, errors.New("its numbers make no sense")
	}
	return l, nil
}

// known is what was learned until now.
func (c *counts) known() learned {
	c.mu.Lock()
	defer c.mu.Unlock()
	return learned{Cloud: c.cloud, Sizes: c.bySize}
}

// recall has what was learned before go on, unless more is known already.
func (c *counts) recall(l learned) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cloud.Average.N < l.Cloud.Average.N {
		c.cloud, c.bySize = l.Cloud, l.Sizes
	}
}
