package shares

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/bridge/budget"
	"github.com/sagefleet/sagefleet/shared/bus"
)

// Spent is what a budget and its shares look like.
type Spent struct {
	Limits []budget.Left `json:"limits"`
	Total  float64       `json:"settled_usd"` // all that was ever settled
	Short  string        `json:"short,omitempty"`
	Lead   string        `json:"lead,omitempty"`
	Shares []Status      `json:"shares"`
}

// ReadSpent returns what is spent and left under limits, which are not kept with what is
// spent: they are what the bridges were told.
func ReadSpent(ctx context.Context, js jetstream.JetStream, limits budget.Config) (Spent, error) {
	kv, err := js.KeyValue(ctx, bus.BucketBudget)
	if err != nil {
		return Spent{}, fmt.Errorf("open bucket %s: %w", bus.BucketBudget, err)
	}
	account, all, err := Read(ctx, NewBucket(kv))
	if err != nil {
		return Spent{}, err
	}
	return Spent{Limits: budget.Open(limits, account.Budget).Report(time.Now()), Total: float64(account.Budget.Settled) / 1e9,
		Short: account.Short, Lead: account.Lead, Shares: all}, nil
}
