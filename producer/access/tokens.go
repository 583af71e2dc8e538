package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// ErrNone says that there is no such token.
var ErrNone = errors.New("no such token")

// Tokens keeps records of tokens in a bucket, by their ids.
type Tokens struct{ kv jetstream.KeyValue }

// NewTokens returns Tokens over kv.
func NewTokens(kv jetstream.KeyValue) *Tokens { return &Tokens{kv: kv} }

// Create makes a token and returns its text, which nobody can be told again.
func (t *Tokens) Create(ctx context.Context, g Grant, by string) (text string, r Record, err error) {
	if err := g.Validate(); err != nil {
		return "", r, err
	}
	text, id, hash := newToken()
	r = Record{Identity: Identity{ID: id, Name: g.Name, Role: g.Role, Mailboxes: g.Mailboxes, Expires: g.Expires},
		Hash: hash, Created: time.Now().UTC().Truncate(time.Second), By: by}
	data, err := json.Marshal(r)
	if err != nil {
		return "", r, err
	}
	if _, err := t.kv.Create(ctx, id, data); err != nil {
		return "", r, fmt.Errorf("keep token %s: %w", id, err)
	}
	return text, r, nil
}

// Get returns the record of a token, or an error that wraps [ErrNone].
func (t *Tokens) Get(ctx context.Context, id string) (Record, error) {
	r, _, err := t.load(ctx, id)
	return r, err
}

func (t *Tokens) load(ctx context.Context, id string) (r Record, revision uint64, err error) {
	if !idForm.MatchString(id) {
		return r, 0, fmt.Errorf("token %.40q: %w", id, ErrNone)
	}
	entry, err := t.kv.Get(ctx, id)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return r, 0, fmt.Errorf("token %s: %w", id, ErrNone)
	}
	if err != nil {
		return r, 0, fmt.Errorf("token %s: %w", id, err)
	}
	err = json.Unmarshal(entry.Value(), &r)
	if newer := execution.CheckFormat("its record", entry.Value(), version); newer != nil {
		// It may be good for less than what can be read of it says.
		return Record{}, 0, fault.New(CodeInvalid, "token %s: %w", id, newer).Permanent()
	}
	if err != nil || r.ID != id {
		return r, 0, fault.New(CodeInvalid, "what is kept of token %s is no token's record", id).Advise("revoke it and make another")
	}
	return r, entry.Revision(), nil
}

// List returns the records of all tokens, the newest first.
func (t *Tokens) List(ctx context.Context) ([]Record, error) {
	lister, err := t.kv.ListKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	var all []Record
	for id := range lister.Keys() {
		r, err := t.Get(ctx, id)
		switch {
		case errors.Is(err, ErrNone) || fault.CodeOf(err) == CodeInvalid:
			continue // gone meanwhile, or not ours
		case err != nil:
			return nil, err
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Record) int {
		if c := b.Created.Compare(a.Created); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all, nil
}

// Revoke ends a token. Its record stays, so that what it did can be read. Done
// again it changes nothing.
func (t *Tokens) Revoke(ctx context.Context, id string) (Record, error) {
	r, revision, err := t.load(ctx, id)
	if err != nil || !r.Revoked.IsZero() {
		return r, err
	}
	r.Revoked = time.Now().UTC().Truncate(time.Second)
	data, err := json.Marshal(r)
	if err != nil {
		return r, err
	}
	if _, err := t.kv.Update(ctx, id, data, revision); err != nil {
		return r, fmt.Errorf("revoke token %s: %w", id, err)
	}
	return r, nil
}
