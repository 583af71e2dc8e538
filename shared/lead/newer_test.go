package lead_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/lead"
	"github.com/sagefleet/sagefleet/shared/lock"
)

// A bridge that can't read what a newer one has written leaves the lead to that one.
func TestTheNewerBridgeLeads(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	kv, err := js.KeyValue(t.Context(), bus.BucketFleet)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	var tries atomic.Int32
	began := make(chan bool)
	var both errgroup.Group
	both.Go(func() error {
		return lead.Run(ctx, lock.New(js, kv, 3*time.Second, "older"), func(context.Context) error {
			if tries.Add(1) == 1 {
				close(began)
			}
			return execution.Newer("the account", 2, 1)
		})
	})
	<-began
	both.Go(func() error {
		return lead.Run(ctx, lock.New(js, kv, 3*time.Second, "newer"), func(ctx context.Context) error {
			time.AfterFunc(2*time.Second, stop) // the older one would have come back by then
			<-ctx.Done()
			return nil
		})
	})
	<-ctx.Done()
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Error("the newer bridge never leads")
	}
	if err := both.Wait(); err != nil || tries.Load() != 1 {
		t.Errorf("the older one led %d times: %v", tries.Load(), err)
	}
}
