package lambdalocal_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"github.com/sagefleet/sagefleet/deploy/lambdalocal"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// awshttpClient is a client whose connections end with the test.
func awshttpClient(t *testing.T) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestInvoke(t *testing.T) {
	t.Parallel()
	service, client := start(t, lambdalocal.Config{
		Timeout: 5 * time.Second, MemoryMB: 256, Env: []string{"COLOUR=azul", "AWS_LAMBDA_FUNCTION_NAME=mine"},
	})
	out, err := client.Invoke(t.Context(), &awslambda.InvokeInput{
		FunctionName:  aws.String("sage"),
		Payload:       []byte(`{"Text":"hola"}`),
		ClientContext: aws.String(base64.StdEncoding.EncodeToString([]byte(`{"custom":{}}`))),
	})
	if err != nil {
		t.Fatal(err)
	}
	var r reply
	if err := json.Unmarshal(out.Payload, &r); err != nil {
		t.Fatal(err)
	}
	if out.StatusCode != 200 || out.FunctionError != nil || aws.ToString(out.ExecutedVersion) != "$LATEST" || r.Text != "hola" {
		t.Errorf("got %d %v %s", out.StatusCode, out.FunctionError, out.Payload)
	}
	if out.LogResult != nil {
		t.Error("a log that was not asked for")
	}
	if r.Left <= 4*time.Second || r.Left > 5*time.Second {
		t.Errorf("%v left of 5s", r.Left)
	}
	if want := "arn:aws:lambda:us-east-1:000000000000:function:sage"; r.ARN != want || r.Request == "" || !strings.HasPrefix(r.Trace, "Root=1-") {
		t.Errorf("context: arn %q, request %q, trace %q", r.ARN, r.Request, r.Trace)
	}
	for name, want := range map[string]string{
		"COLOUR": "azul", "AWS_LAMBDA_FUNCTION_NAME": "sage", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
		"AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_REGION": "us-east-1", "HOME": "",
	} {
		if got := r.Env[name]; got != want {
			t.Errorf("%s=%q, want %q", name, got, want)
		}
	}
	if stats := service.Stats(); stats.Invocations != 1 || stats.ColdStarts != 1 || stats.Errors != 0 || stats.BilledMillis < 1 {
		t.Errorf("%+v", stats)
	}
}

func TestFunctionErrors(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		order     order
		errorType string
		message   string
		log       string
		dies      bool
	}{
		"handler error": {order{Do: "fail", Text: "no such column"}, "errorString", "no such column", "Status: error", false},
		"panic":         {order{Do: "panic", Text: "index out of range"}, "string", "index out of range", "Status: error", true},
		"exit":          {order{Do: "exit", Size: 7}, "Runtime.ExitError", "exit status 7", "Runtime.ExitError", true},
		"exit silently": {order{Do: "exit"}, "Runtime.ExitError", "without providing a reason", "Status: error", true},
		"timeout":       {order{Do: "sleep", For: time.Minute}, "Sandbox.Timedout", "Task timed out after 2.00 seconds", "Status: timeout", true},
		"response size": {order{Do: "grow", Size: 7 << 20}, "Function.ResponseSizeTooLarge", "6291456", "Status: error", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service, client := start(t, lambdalocal.Config{Timeout: 2 * time.Second})
			before := must(t, client, order{})
			out, err := invoke(t, client, tt.order)
			if err != nil {
				t.Fatal(err)
			}
			if out.StatusCode != 200 || aws.ToString(out.FunctionError) != "Unhandled" {
				t.Errorf("status %d, function error %q", out.StatusCode, aws.ToString(out.FunctionError))
			}
			var got struct{ ErrorType, ErrorMessage string }
			if err := json.Unmarshal(out.Payload, &got); err != nil {
				t.Fatal(err)
			}
			if got.ErrorType != tt.errorType || !strings.Contains(got.ErrorMessage, tt.message) {
				t.Errorf("payload %s, want %s: %s", out.Payload, tt.errorType, tt.message)
			}
			if log := tail(t, out); !strings.Contains(log, tt.log) {
				t.Errorf("log %q lacks %q", log, tt.log)
			}
			if after := must(t, client, order{}); (after.PID != before.PID) != tt.dies {
				t.Errorf("environment %d followed %d", after.PID, before.PID)
			}
			if stats := service.Stats(); stats.Errors != 1 || stats.Invocations != 3 {
				t.Errorf("%+v", stats)
			}
		})
	}
}

func TestInitErrors(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		cfg     lambdalocal.Config
		message string
		log     string
	}{
		"exit":       {lambdalocal.Config{Env: []string{"INIT=exit"}}, "exit status 3", "no configuration"},
		"hang":       {lambdalocal.Config{Env: []string{"INIT=hang"}, InitTimeout: 200 * time.Millisecond}, "Init timed out", "Status: timeout"},
		"no command": {lambdalocal.Config{Command: []string{"/nonexistent/bootstrap"}}, "no such file", "Runtime.InvalidEntrypoint"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service, client := start(t, tt.cfg)
			out, err := invoke(t, client, order{})
			if err != nil {
				t.Fatal(err)
			}
			if out.FunctionError == nil || !strings.Contains(string(out.Payload), tt.message) {
				t.Errorf("payload %s, want %q", out.Payload, tt.message)
			}
			if log := tail(t, out); !strings.Contains(log, tt.log) {
				t.Errorf("log %q lacks %q", log, tt.log)
			}
			if stats := service.Stats(); stats.Errors != 1 || stats.Environments != 0 {
				t.Errorf("%+v", stats)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	service, client := start(t, lambdalocal.Config{})
	text := func(size int) []byte { return append(append([]byte(`"`), bytes.Repeat([]byte("x"), size-2)...), '"') }
	tests := map[string]struct {
		in     awslambda.InvokeInput
		status int32 // when it is accepted
		code   string
	}{
		"dry run":           {awslambda.InvokeInput{InvocationType: types.InvocationTypeDryRun}, 204, ""},
		"arn":               {awslambda.InvokeInput{FunctionName: aws.String("arn:aws:lambda:us-east-1:000000000000:function:sage:prod"), InvocationType: types.InvocationTypeDryRun}, 204, ""},
		"unknown function":  {awslambda.InvokeInput{FunctionName: aws.String("sagan")}, 0, "ResourceNotFoundException"},
		"not JSON":          {awslambda.InvokeInput{Payload: []byte("hola")}, 0, "InvalidRequestContentException"},
		"invocation type":   {awslambda.InvokeInput{InvocationType: "Later"}, 0, "InvalidParameterValueException"},
		"sync at limit":     {awslambda.InvokeInput{Payload: text(6 << 20), InvocationType: types.InvocationTypeDryRun}, 204, ""},
		"sync over limit":   {awslambda.InvokeInput{Payload: text(6<<20 + 1)}, 0, "RequestTooLargeException"},
		"event at limit":    {awslambda.InvokeInput{Payload: text(1 << 20), InvocationType: types.InvocationTypeEvent}, 202, ""},
		"event over limit":  {awslambda.InvokeInput{Payload: text(1<<20 + 1), InvocationType: types.InvocationTypeEvent}, 0, "RequestTooLargeException"},
		"unread large body": {awslambda.InvokeInput{Payload: text(20 << 20)}, 0, "RequestTooLargeException"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if tt.in.FunctionName == nil {
				tt.in.FunctionName = aws.String("sage")
			}
			out, err := client.Invoke(t.Context(), &tt.in)
			var refused smithy.APIError
			switch {
			case tt.code == "" && (err != nil || out.StatusCode != tt.status):
				t.Errorf("got %v, %v, want %d", out, err, tt.status)
			case tt.code != "" && (!errors.As(err, &refused) || refused.ErrorCode() != tt.code || refused.ErrorMessage() == ""):
				t.Errorf("got %v, want %s", err, tt.code)
			}
		})
	}
	if stats := service.Stats(); stats.Invocations > 1 { // the event's
		t.Errorf("a refused invocation ran: %+v", stats)
	}
}

func TestThrottle(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		cfg    lambdalocal.Config
		reason types.ThrottleReason
	}{
		"concurrency":  {lambdalocal.Config{Concurrency: 2}, types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded},
		"scaling rate": {lambdalocal.Config{ScaleRate: 2}, types.ThrottleReasonConcurrentInvocationLimitExceeded},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service, client := start(t, tt.cfg)
			var running sync.WaitGroup
			for range 2 {
				running.Go(func() { invoke(t, client, order{Do: "sleep", For: time.Second}) })
			}
			eventually(t, "two run", func() bool { return service.Stats().Concurrent == 2 })

			_, err := invoke(t, client, order{})
			throttled, ok := errors.AsType[*types.TooManyRequestsException](err)
			if !ok || throttled.Reason != tt.reason {
				t.Errorf("got %v, want a throttle for %s", err, tt.reason)
			}
			running.Wait()
			must(t, client, order{}) // a warm environment is free again
			stats := service.Stats()
			if stats.Throttles != 1 || stats.Invocations != 3 || stats.ColdStarts != 2 || stats.MaxConcurrent != 2 {
				t.Errorf("%+v", stats)
			}
		})
	}
}

var reportLine = regexp.MustCompile(`REPORT RequestId: [0-9a-f-]{36}\tDuration: ([0-9.]+) ms\tBilled Duration: (\d+) ms\tMemory Size: 1024 MB\tMax Memory Used: (\d+) MB\t(Init Duration: [0-9.]+ ms\t)?\n$`)

func TestLogTail(t *testing.T) {
	t.Parallel()
	var logs lockedBuffer
	_, client := start(t, lambdalocal.Config{Logs: &logs})
	for i, want := range []struct {
		text string
		cold bool
	}{{"first", true}, {"second", false}, {strings.Repeat("long", 2000), false}} {
		out, err := invoke(t, client, order{Do: "print", Text: want.text})
		if err != nil {
			t.Fatal(err)
		}
		log := tail(t, out)
		report := reportLine.FindStringSubmatch(log)
		if report == nil || report[3] == "0" || (report[4] != "") != want.cold {
			t.Fatalf("invocation %d: report in %q", i, log)
		}
		if len(log) > 4<<10 || !strings.Contains(log, "END RequestId: ") {
			t.Errorf("invocation %d: %d bytes: %q", i, len(log), log)
		}
		if short := len(want.text) < 100; short && (!strings.Contains(log, want.text+"\n") || !strings.HasPrefix(log, "START RequestId: ")) {
			t.Errorf("invocation %d: %q", i, log)
		}
		if i > 0 && strings.Contains(log, "first") {
			t.Errorf("invocation %d shows the log of another: %q", i, log)
		}
		if !strings.Contains(logs.String(), want.text) {
			t.Errorf("invocation %d: %q was not passed on", i, want.text)
		}
	}
}

// TestCallerGoesAway: the client's timeout stops nothing on the other side.
func TestCallerGoesAway(t *testing.T) {
	t.Parallel()
	service, client := start(t, lambdalocal.Config{})
	must(t, client, order{})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	payload, _ := json.Marshal(order{Do: "sleep", For: 500 * time.Millisecond})
	if _, err := client.Invoke(ctx, &awslambda.InvokeInput{FunctionName: aws.String("sage"), Payload: payload}); err == nil {
		t.Fatal("answered in time")
	}
	if stats := service.Stats(); stats.Concurrent != 1 {
		t.Errorf("stopped with its caller: %+v", stats)
	}
	eventually(t, "it ends", func() bool { return service.Stats().Invocations == 2 })
	if stats := service.Stats(); stats.Errors != 0 {
		t.Errorf("%+v", stats)
	}
}

func TestConfigIsRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*lambdalocal.Config)
		field  string
	}{
		"no command":  {func(c *lambdalocal.Config) { c.Command = nil }, "Command"},
		"memory":      {func(c *lambdalocal.Config) { c.MemoryMB = -1 }, "MemoryMB"},
		"concurrency": {func(c *lambdalocal.Config) { c.Concurrency = -1 }, "Concurrency"},
		"timeout":     {func(c *lambdalocal.Config) { c.Timeout = -1 }, "Timeout"},
		"retries":     {func(c *lambdalocal.Config) { c.Events.MaximumRetryAttempts = new(3) }, "Events.MaximumRetryAttempts"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := lambdalocal.Config{Command: []string{"bootstrap"}}
			tt.change(&cfg)
			_, err := lambdalocal.Listen(cfg)
			described := fault.Describe(err)
			if described == nil || described.Code != lambdalocal.CodeConfig || described.Field != tt.field {
				t.Errorf("got %v, want %s about %s", err, lambdalocal.CodeConfig, tt.field)
			}
		})
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
