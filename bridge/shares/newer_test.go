package shares_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/bridge/budget"
	"github.com/sagefleet/sagefleet/bridge/shares"
	"github.com/sagefleet/sagefleet/shared/execution"
)

// newerWorld has a bridge with a share, its lead, and what they keep.
func newerWorld(t *testing.T, change func(*testing.T, store, *shares.Lead, *shares.Member)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		limits := budget.Config{Hour: 10 * worst}
		w := newWorld(1, limits)
		w.faulty = false
		b := &bridge{w: w, name: "b1"}
		m := shares.NewMember(store{b}, limits, worst, slots, b.name, timing)
		lead := shares.NewLead(store{b}, ledger{b}, limits, b.name, timing)
		ctx, stop := context.WithCancel(context.Background())
		w.running.Go(func() { _ = m.Run(ctx, ctx.Done()) })
		defer func() {
			stop()
			w.running.Wait()
		}()
		synctest.Wait()
		if err := lead.Tend(t.Context()); err != nil {
			t.Fatal(err)
		}
		change(t, store{b}, lead, m)
	})
}

func replace(t *testing.T, s store, prefix, fields string) string {
	t.Helper()
	keys, err := s.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		v, err := s.Load(t.Context(), key)
		if err == nil {
			_, err = s.Save(t.Context(), key, []byte(strings.TrimSuffix(string(v.Data), "}")+","+fields+"}"), v.Revision)
		}
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	t.Fatalf("nothing at %s among %q", prefix, keys)
	return ""
}

// A lead that can't read all that bridges write leaves the lead to one that can, and
// changes nothing.
func TestALeadStopsBeforeWhatNewerBridgesWrote(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"account", "share."} {
		newerWorld(t, func(t *testing.T, s store, lead *shares.Lead, m *shares.Member) {
			key := replace(t, s, prefix, `"version":2`)
			before, err := s.Load(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			if err := lead.Run(ctx); !errors.Is(err, execution.ErrNewer) || ctx.Err() != nil {
				t.Errorf("%s: led on: %v", prefix, err)
			}
			if after, err := s.Load(t.Context(), key); prefix == "account" && (err != nil || !cmp.Equal(before, after)) {
				t.Errorf("changed to %s, %v", after.Data, err)
			}
			if _, _, err := shares.Read(t.Context(), s); !errors.Is(err, execution.ErrNewer) {
				t.Errorf("%s: shown as if it were known: %v", prefix, err)
			}
		})
	}
}

// More in them is left out.
func TestAccountAndSharesMayHaveMoreInThem(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"account", "share."} {
		newerWorld(t, func(t *testing.T, s store, lead *shares.Lead, m *shares.Member) {
			replace(t, s, prefix, `"region":{"name":"eu"}`)
			if err := lead.Tend(t.Context()); err != nil {
				t.Errorf("%s: %v", prefix, err)
			}
			k := execution.Key{Mailbox: "stock", ID: "e1", Generation: 1}
			if id, err := m.Reserve(t.Context(), k, time.Now().Add(timeout)); err != nil || id == "" {
				t.Errorf("%s: reserved %q, %v", prefix, id, err)
			}
		})
	}
}
