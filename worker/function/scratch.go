package function

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"
)

// WithScratch empties dir before an invocation: what a crash left there would fill
// the environment's disk, which outlives the process. Nobody else may use dir.
func WithScratch(dir string) Option { return func(h *Handler) { h.scratch = dir } }

// sweep removes what an earlier invocation left.
func (h *Handler) sweep(ctx context.Context) {
	if h.scratch == "" {
		return
	}
	entries, err := os.ReadDir(h.scratch)
	if errors.Is(err, fs.ErrNotExist) {
		err = os.MkdirAll(h.scratch, 0o700)
	}
	for _, entry := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(h.scratch, entry.Name())))
	}
	if err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Msg("scratch directory not cleaned")
	}
	if len(entries) > 0 {
		zerolog.Ctx(ctx).Info().Int("entries", len(entries)).Msg("removed what an earlier invocation left")
	}
}
