package lambdalocal_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/sagefleet/sagefleet/deploy/lambdalocal"
)

func send(t *testing.T, client *awslambda.Client, o order) {
	t.Helper()
	payload, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	out, err := client.Invoke(t.Context(), &awslambda.InvokeInput{
		FunctionName: aws.String("sage"), Payload: payload, InvocationType: types.InvocationTypeEvent,
	})
	if err != nil || out.StatusCode != 202 || len(out.Payload) > 0 || out.FunctionError != nil {
		t.Fatalf("event: %+v, %v", out, err)
	}
}

func TestEventRunsOnce(t *testing.T) {
	t.Parallel()
	service, client := start(t, lambdalocal.Config{})
	send(t, client, order{})
	eventually(t, "it ran", func() bool { return service.Stats().Invocations == 1 })
	if stats := service.Stats(); stats.Errors != 0 || stats.Dropped != 0 {
		t.Errorf("%+v", stats)
	}
}

func TestEventIsGivenUp(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		events    lambdalocal.Events
		invoked   int
		condition string
	}{
		"two retries":   {lambdalocal.Events{RetryDelay: 10 * time.Millisecond}, 3, lambdalocal.RetriesExhausted},
		"no retries":    {lambdalocal.Events{MaximumRetryAttempts: new(0)}, 1, lambdalocal.RetriesExhausted},
		"too old first": {lambdalocal.Events{MaximumEventAge: 30 * time.Second}, 1, lambdalocal.EventAgeExceeded},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failures := make(chan lambdalocal.FailedEvent, 2)
			tt.events.OnFailure = func(f lambdalocal.FailedEvent) { failures <- f }
			service, client := start(t, lambdalocal.Config{Events: tt.events})
			send(t, client, order{Do: "fail", Text: "no such column"})

			failed := <-failures
			if failed.RequestContext.Condition != tt.condition || failed.RequestContext.ApproximateInvokeCount != tt.invoked {
				t.Errorf("%+v, want %s after %d", failed.RequestContext, tt.condition, tt.invoked)
			}
			var asked order
			if err := json.Unmarshal(failed.RequestPayload, &asked); err != nil || asked.Do != "fail" {
				t.Errorf("request %s: %v", failed.RequestPayload, err)
			}
			if !strings.Contains(string(failed.ResponsePayload), "no such column") || failed.ResponseContext.FunctionError != "Unhandled" {
				t.Errorf("response %+v %s", failed.ResponseContext, failed.ResponsePayload)
			}
			if stats := service.Stats(); stats.Invocations != int64(tt.invoked) || stats.Dropped != 1 {
				t.Errorf("%+v", stats)
			}
		})
	}
}

// TestEventWaitsForCapacity: a throttled event charges no retry.
func TestEventWaitsForCapacity(t *testing.T) {
	t.Parallel()
	service, client := start(t, lambdalocal.Config{
		Concurrency: 1, Events: lambdalocal.Events{MaximumRetryAttempts: new(0)},
	})
	send(t, client, order{Do: "sleep", For: 300 * time.Millisecond})
	eventually(t, "the first runs", func() bool { return service.Stats().Concurrent == 1 })
	send(t, client, order{})
	eventually(t, "both ran", func() bool { return service.Stats().Invocations == 2 })
	if stats := service.Stats(); stats.Throttles == 0 || stats.Dropped != 0 || stats.MaxConcurrent != 1 {
		t.Errorf("%+v", stats)
	}
}
