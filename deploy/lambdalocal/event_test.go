package lambdalocal_test

import (
	"encoding/json"
	"os"
	"path/filepath"
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
			tt.events.OnFailure = func(f lambdalocal.FailedEvent) error { failures <- f; return nil }
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

// TestFailedEventIsKept where an S3 destination would have it.
func TestFailedEventIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	service, client := start(t, lambdalocal.Config{Events: lambdalocal.Events{
		MaximumRetryAttempts: new(0), OnFailure: lambdalocal.ToFolder(dir, "sage"),
	}})
	send(t, client, order{Do: "fail", Text: "no such column"})
	var files []string
	eventually(t, "it is kept", func() bool {
		files, _ = filepath.Glob(filepath.Join(dir, "aws/lambda/async/sage/*/*/*/*"))
		return len(files) == 1
	})
	var kept lambdalocal.FailedEvent
	eventually(t, "it is complete", func() bool {
		data, err := os.ReadFile(files[0])
		return err == nil && json.Unmarshal(data, &kept) == nil
	})
	if kept.RequestContext.Condition != lambdalocal.RetriesExhausted || !strings.Contains(string(kept.RequestPayload), "no such column") {
		t.Errorf("%+v", kept)
	}
	if stats := service.Stats(); stats.Undelivered != 0 || stats.Dropped != 1 {
		t.Errorf("%+v", stats)
	}
}

// TestDestinationFails: that is counted.
func TestDestinationFails(t *testing.T) {
	t.Parallel()
	service, client := start(t, lambdalocal.Config{Events: lambdalocal.Events{
		MaximumRetryAttempts: new(0), OnFailure: lambdalocal.ToFolder("/dev/null", "sage"),
	}})
	send(t, client, order{Do: "fail"})
	eventually(t, "it is counted", func() bool { return service.Stats().Undelivered == 1 })
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
