package producer

import (
	"context"
	"crypto/rand"
	"iter"
	"time"

	"github.com/sagefleet/sagefleet/shared/event"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// viewedAtOnce is how many letters are told of before any of them is shown.
const viewedAtOnce = 256

// Viewed yields letters once it is stored that who sees them: a letter has the whole
// request. What is refused names no execution that an event could be of.
func Viewed(ctx context.Context, events *event.Publisher, letters iter.Seq2[queue.Letter, error], who string) iter.Seq2[queue.Letter, error] {
	return func(yield func(queue.Letter, error) bool) {
		var some []queue.Letter
		show := func() bool {
			err := tellLetters(ctx, events, some, who)
			if err != nil {
				yield(queue.Letter{}, err)
				return false
			}
			for _, l := range some {
				if !yield(l, nil) {
					return false
				}
			}
			some = some[:0]
			return true
		}
		for l, err := range letters {
			if err != nil {
				if show() {
					yield(l, err)
				}
				return
			}
			if some = append(some, l); len(some) == viewedAtOnce && !show() {
				return
			}
		}
		show()
	}
}

// tellLetters tells of several at once.
func tellLetters(ctx context.Context, events *event.Publisher, letters []queue.Letter, who string) error {
	var stored []func(context.Context) error
	for _, l := range letters {
		k := execution.Key{Mailbox: l.Mailbox, ID: l.Name, Generation: l.Generation}
		if l.Refused() || k.Validate() != nil {
			continue
		}
		stored = append(stored, publishViewed(events, k, who, "dead letter"))
	}
	for _, wait := range stored {
		if err := wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// TellViewed tells that who saw a file of an execution, and returns when that is
// stored: nobody is shown anything before. Each view is an event of its own.
func TellViewed(ctx context.Context, events *event.Publisher, k execution.Key, who, what string) error {
	return publishViewed(events, k, who, what)(ctx)
}

func publishViewed(events *event.Publisher, k execution.Key, who, what string) func(context.Context) error {
	e := execution.NewEvent(execution.EventViewed, who, time.Now(), execution.EventData{Key: k, Executor: execution.ByOperator, Reason: what})
	e.ID += rand.Text()
	return events.Publish(execution.EventViewed, e)
}
