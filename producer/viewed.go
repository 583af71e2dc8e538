package producer

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/sagefleet/sagefleet/shared/event"
	"github.com/sagefleet/sagefleet/shared/execution"
)

// TellViewed tells that who saw a file of an execution, and returns when that is
// stored: nobody is shown anything before. Each view is an event of its own.
func TellViewed(ctx context.Context, events *event.Publisher, k execution.Key, who, what string) error {
	e := execution.NewEvent(execution.EventViewed, who, time.Now(), execution.EventData{Key: k, Executor: execution.ByOperator, Reason: what})
	e.ID += rand.Text()
	return events.Publish(execution.EventViewed, e)(ctx)
}
