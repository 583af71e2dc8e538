//go:build unix

package inbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// only waits until no other process watches the same directory: two would take each
// other's claims for what a dead one left. It returns how to let the next one in.
func only(ctx context.Context, root *os.Root) (release func(), err error) {
	if err := root.MkdirAll(pins, dirMode); err != nil {
		return nil, fmt.Errorf("open the inbox: %w", err)
	}
	f, err := root.OpenFile(path.Join(pins, ".lock"), os.O_CREATE|os.O_RDWR, fileMode)
	if err != nil {
		return nil, fmt.Errorf("open the inbox: %w", err)
	}
	for waited := false; ctx.Err() == nil; waited = true {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			_ = f.Close()
			return nil, fmt.Errorf("lock the inbox: %w", err)
		}
		if !waited {
			zerolog.Ctx(ctx).Warn().Msg("another process watches this directory: waiting for its end")
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
	return func() {}, f.Close()
}
