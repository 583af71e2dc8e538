package inbox

import (
	"context"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"
)

// bell rings when the system says that something came into a folder. It only saves
// waiting: what it doesn't tell, as network file systems don't, the next look finds.
type bell struct {
	rang chan struct{}
	on   *fsnotify.Watcher // nil where there is none to be had
	done chan struct{}
}

func newBell(ctx context.Context, dir string, deaf bool) *bell {
	b := &bell{rang: make(chan struct{}, 1), done: make(chan struct{})}
	if deaf {
		close(b.done)
		return b
	}
	on, err := fsnotify.NewWatcher()
	if err != nil {
		close(b.done)
		zerolog.Ctx(ctx).Warn().Err(err).Msg("folders are only looked through from time to time: the system tells no changes")
		return b
	}
	b.on = on
	go b.listen()
	b.add(ctx, dir)
	return b
}

// add listens for changes in one more folder.
func (b *bell) add(ctx context.Context, dir string) {
	if b.on == nil {
		return
	}
	if err := b.on.Add(dir); err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("folder", dir).Msg("a folder is only looked through from time to time: the system tells no changes")
	}
}

func (b *bell) listen() {
	defer close(b.done)
	for {
		select {
		case e, ok := <-b.on.Events:
			if !ok {
				return
			}
			if e.Op == fsnotify.Chmod || e.Has(fsnotify.Remove) {
				continue
			}
		case _, ok := <-b.on.Errors: // some were lost
			if !ok {
				return
			}
		}
		select {
		case b.rang <- struct{}{}:
		default:
		}
	}
}

func (b *bell) close() {
	if b.on != nil {
		_ = b.on.Close()
	}
	<-b.done
}
