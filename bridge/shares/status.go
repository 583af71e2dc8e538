package shares

import (
	"context"
	"maps"
	"slices"
	"time"
)

// Status is a share as an operator sees it.
type Status struct {
	Bridge string    `json:"bridge"`
	Unused int       `json:"unused"` // tickets for invocations that have not begun
	Used   int       `json:"used"`   // of invocations whose cost isn't known yet
	Closed bool      `json:"closed,omitempty"`
	Seen   time.Time `json:"seen"`
}

// Read returns the account and all shares, by name.
func Read(ctx context.Context, store Store) (Account, []Status, error) {
	account, err := load[Account](ctx, store, keyAccount)
	if err != nil {
		return Account{}, nil, err
	}
	all, err := allShares(ctx, store)
	if err != nil {
		return Account{}, nil, err
	}
	statuses := []Status{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s := all[name].value
		statuses = append(statuses, Status{Bridge: s.Bridge, Unused: s.count(Ticket.free), Used: s.count(Ticket.used), Closed: s.Closed, Seen: s.Seen})
	}
	return account.value, statuses, nil
}
