package remote_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/sagefleet/sagefleet/bridge/remote"
	"github.com/sagefleet/sagefleet/deploy/lambdalocal"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

func asEvent(c *remote.Config) { c.Mode, c.EventAge = remote.Event, time.Minute }

// TestEvent: Lambda takes it at once, and its end is found in storage.
func TestEvent(t *testing.T) {
	t.Parallel()
	r := newRig(t, lambdalocal.Config{Events: lambdalocal.Events{MaximumRetryAttempts: new(0)}}, asEvent)
	o, err := r.Execute(t.Context(), attempt("commit late"))
	if err != nil || o.Attempt != "7-x" || o.Usage != nil {
		t.Errorf("got %+v, %v", o, err)
	}
	if stats := r.Governor().Stats(); stats.UnderWay != 0 || stats.Failures != 0 {
		t.Errorf("%+v", stats)
	}
}

// TestEventIsLost: nothing tells of it, so it counts as failed when it can't be
// running any more. That says nothing against Lambda.
func TestEventIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Timeout, cfg.Margin, cfg.Poll = 15*time.Minute, 20*time.Second, time.Second
		asEvent(&cfg)
		cfg.Governor.Failures, cfg.Governor.Probe = 1, time.Second
		var sent execution.Invocation
		began := time.Now()
		e, err := remote.New(invokerFunc(func(_ context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
			if in.InvocationType != types.InvocationTypeEvent || in.LogType != "" {
				t.Errorf("sent %+v", in)
			}
			var err error
			sent, err = execution.DecodeInvocation(in.Payload, "other")
			return &lambda.InvokeOutput{StatusCode: 202}, err
		}), outcomesFunc(none), cfg)
		if err != nil {
			t.Fatal(err)
		}
		_, err = e.Execute(t.Context(), attempt("x"))
		const longest = 15*time.Minute + 20*time.Second + time.Minute
		if took := time.Since(began); took != longest || fault.CodeOf(err) != remote.CodeUnknown || fault.IsPermanent(err) {
			t.Errorf("%v after %v", err, took)
		}
		if d := sent.Delegation; d == nil || !d.Event || !d.Expires.Equal(began.Add(longest-cfg.Timeout)) {
			t.Errorf("sent %+v", d)
		}
		if ok, reason := e.Governor().Open(time.Now()); !ok {
			t.Errorf("Lambda is blamed: %s", reason)
		}
	})
}

// TestLargeEvent: what is too large for an event is sent and waited for.
func TestLargeEvent(t *testing.T) {
	t.Parallel()
	r := newRig(t, lambdalocal.Config{}, asEvent)
	for size, billed := range map[int]bool{900 << 10: false, 1 << 20: true} {
		large := attempt("commit")
		large.Request.ID = strings.Repeat("e", size>>18)
		large.Request.Sender = strings.Repeat("x", size)
		o, err := r.Execute(t.Context(), large)
		if err != nil || (o.Usage != nil) != billed {
			t.Errorf("%d bytes: %+v, %v", size, o.Usage, err)
		}
	}
}
