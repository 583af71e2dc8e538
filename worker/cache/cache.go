// Package cache keeps what processing found under the hash of all that it depends
// on, in the fleet's storage, so that the same files need not be processed twice.
//
// Nobody has to trust an entry: it carries its own hash and its key, and one that
// is damaged, misplaced, too old or out of reach is answered as if there were none.
package cache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// Config says whether results are kept, and how long.
type Config struct {
	// Mode is on or off. When on, files that were processed before, in the same
	// mailbox and under the same configuration, are answered with the same findings.
	// Rules that ask for the present time, and external engines, are never answered so.
	Mode     string        `env:"RESULT_CACHE" envDefault:"off"`
	MaxAge   time.Duration `env:"RESULT_CACHE_MAX_AGE" envDefault:"168h"`     // how old an answer may be
	MaxBytes int64         `env:"RESULT_CACHE_MAX_BYTES" envDefault:"262144"` // of one entry; more findings than that are not kept
}

// Validate refuses values that can't work, by variable.
func (c Config) Validate() error {
	switch {
	case c.Mode != "on" && c.Mode != "off":
		return settings.Invalid("RESULT_CACHE", c.Mode, "on or off")
	case c.MaxAge <= 0:
		return settings.Invalid("RESULT_CACHE_MAX_AGE", c.MaxAge, "more than 0")
	case c.MaxBytes < 1:
		return settings.Invalid("RESULT_CACHE_MAX_BYTES", c.MaxBytes, "1 byte or more")
	}
	return nil
}

// prefix is where entries lie. Nothing else does, so that they can be expired.
const prefix = "cache/"

// Cache keeps entries. It is safe for concurrent use, by any number of processes.
type Cache struct {
	objects storage.Store
	cfg     Config
	now     func() time.Time
}

// New returns a Cache in objects, or nil when cfg wants none.
func New(objects storage.Store, cfg Config, opts ...Option) *Cache {
	if cfg.Mode != "on" {
		return nil
	}
	c := &Cache{objects: objects, cfg: cfg, now: time.Now}
	for _, opt := range opts {
		opt(c)
	}
	return c
}

// Option changes a Cache.
type Option func(*Cache)

// WithClock sets the clock that entries age by.
func WithClock(now func() time.Time) Option { return func(c *Cache) { c.now = now } }

// Path is the storage key of an entry. The folders are as many as those of outcomes.
func Path(key string) string { return prefix + key[:2] + "/" + key }

// entry is what is stored: the line of its SHA-256, then this.
type entry struct {
	Key         string          `json:"key"`
	ExecutionID string          `json:"execution_id"` // that was processed
	Made        time.Time       `json:"made"`
	Findings    json.RawMessage `json:"findings"`
}

// errOld says that an entry may not be used any more.
var errOld = errors.New("too old")

// Recall returns the findings under key, the hex of a SHA-256, and where they are
// from. What can't be used is as good as absent; if it never can, it is removed.
func (c *Cache) Recall(ctx context.Context, key string) (findings []byte, from execution.CachedFrom, ok bool) {
	e, err := c.read(ctx, key)
	if err == nil && c.now().Sub(e.Made) > c.cfg.MaxAge {
		err = errOld
	}
	switch {
	case err == nil:
		return e.Findings, execution.CachedFrom{ExecutionID: e.ExecutionID, Key: key, Made: e.Made}, true
	case errors.Is(err, storage.ErrNotFound):
	case errors.Is(err, errOld), errors.Is(err, errDamaged):
		zerolog.Ctx(ctx).Warn().Err(err).Str("key", key).Msg("cached findings dropped")
		c.Forget(ctx, key)
	default:
		zerolog.Ctx(ctx).Warn().Err(err).Str("key", key).Msg("cached findings out of reach")
	}
	return nil, execution.CachedFrom{}, false
}

// Forget removes an entry that turned out to be of no use.
func (c *Cache) Forget(ctx context.Context, key string) {
	if err := c.objects.Delete(ctx, Path(key)); err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("key", key).Msg("cached findings not removed")
	}
}

var errDamaged = errors.New("damaged")

func (c *Cache) read(ctx context.Context, key string) (entry, error) {
	var e entry
	body, err := c.objects.Get(ctx, Path(key))
	if err != nil {
		return e, err
	}
	defer func() { _ = body.Close() }() // only read from
	limit := c.cfg.MaxBytes + overhead
	data, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return e, fmt.Errorf("read: %w", err)
	}
	if int64(len(data)) > limit { // kept under another limit
		return e, fmt.Errorf("more than %d bytes: %w", limit, storage.ErrNotFound)
	}
	sum, rest, _ := bytes.Cut(data, []byte("\n"))
	if want := sha256.Sum256(rest); string(sum) != hex.EncodeToString(want[:]) {
		return e, fmt.Errorf("%w: another hash than its own", errDamaged)
	}
	if err := json.Unmarshal(rest, &e); err != nil {
		return e, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if e.Key != key {
		return e, fmt.Errorf("%w: it belongs under %s", errDamaged, e.Key)
	}
	return e, nil
}

// overhead is more than an entry takes besides its findings.
const overhead = 4 << 10

// Keep stores findings, valid JSON, of an execution under key, if they aren't too
// many. An entry that is there already stays. That it can't be stored fails nobody.
func (c *Cache) Keep(ctx context.Context, key, executionID string, findings []byte) {
	if int64(len(findings)) > c.cfg.MaxBytes {
		return
	}
	body, err := json.Marshal(entry{key, executionID, c.now().UTC(), findings})
	if err == nil {
		sum := sha256.Sum256(body)
		object := append(append([]byte(hex.EncodeToString(sum[:])), '\n'), body...)
		err = c.objects.Create(ctx, Path(key), object)
	}
	if err != nil && !errors.Is(err, storage.ErrExists) {
		zerolog.Ctx(ctx).Warn().Err(err).Str("key", key).Msg("findings not cached")
	}
}
