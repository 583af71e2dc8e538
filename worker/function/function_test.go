package function_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/lock"
	"github.com/sagefleet/sagefleet/worker/function"
)

// executorFunc is an Executor of one function.
type executorFunc func(context.Context, execution.Attempt) (execution.Outcome, error)

func (f executorFunc) Execute(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
	return f(ctx, a)
}

var request = execution.Request{
	ID: "e1", Mailbox: "ventas", Config: execution.Config{Text: "x"},
	Inputs: []execution.Input{{URI: "u", Filename: "a.csv"}},
}

func payload(t *testing.T, d *execution.Delegation) json.RawMessage {
	t.Helper()
	return encoded(t, execution.Invocation{Request: request, Delegation: d})
}

func encoded(t *testing.T, inv execution.Invocation) json.RawMessage {
	t.Helper()
	data, err := json.Marshal(inv)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestReplies(t *testing.T) {
	outcome := func(kind execution.Kind, f *fault.Error) *execution.Outcome {
		return &execution.Outcome{Key: request.Key(), Kind: kind, Fault: f}
	}
	tests := map[string]struct {
		outcome *execution.Outcome
		err     error
		status  int
		body    string // exact, or the part between dots
	}{
		"succeeded": {outcome(execution.Succeeded, nil), nil, 200, "Processing completed successfully"},
		"dead":      {outcome(execution.Dead, fault.New("ZIP_RATIO", "1,028:1")), nil, 200, "Processing ended: DEAD: 1,028:1 [ZIP_RATIO]"},
		"cancelled": {outcome(execution.Cancelled, nil), nil, 200, "Processing ended: CANCELLED"},
		"held":      {nil, &execution.BusyError{For: time.Second, Err: &lock.HeldError{Owner: "w"}}, 409, "Execution already in progress"},
		"store":     {nil, &execution.BusyError{For: time.Second, Err: errors.New("no space")}, 503, "busy for 1s: no space [UNCLASSIFIED]"},
		"permanent": {nil, fault.New("CONFLICT", "another content").Permanent(), 400, "another content [CONFLICT]"},
		"newer":     {nil, fmt.Errorf("read: %w", execution.Newer("an outcome", 2, 1)), 501, "read: an outcome of version 2: written by a newer version of the fleet; expected version 1 at most; upgrade this program [FORMAT_VERSION]"},
		"retryable": {nil, errors.New("connection reset"), 500, "connection reset [UNCLASSIFIED]"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := function.New(executorFunc(func(context.Context, execution.Attempt) (execution.Outcome, error) {
				if tt.outcome == nil {
					return execution.Outcome{}, tt.err
				}
				return *tt.outcome, nil
			}))
			got, err := h.Handle(t.Context(), payload(t, &execution.Delegation{Token: 1, Number: 1}))
			if err != nil {
				t.Fatal(err)
			}
			if got.StatusCode != tt.status || got.Body != tt.body {
				t.Errorf("got %d %q, want %d %q", got.StatusCode, got.Body, tt.status, tt.body)
			}
			if (got.Outcome == nil) != (tt.outcome == nil) || got.Outcome != nil && got.Outcome.Kind != tt.outcome.Kind {
				t.Errorf("outcome %+v, want %+v", got.Outcome, tt.outcome)
			}
		})
	}
}

// TestLambdaTakesHandle: the founding document's form, all the way through the
// runtime's own encoding.
func TestLambdaTakesHandle(t *testing.T) {
	h := function.New(executorFunc(func(_ context.Context, a execution.Attempt) (execution.Outcome, error) {
		return execution.Outcome{Key: a.Request.Key(), Kind: execution.Succeeded}, nil
	}))
	answer, err := lambda.NewHandler(h.Handle).Invoke(t.Context(), payload(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		StatusCode int            `json:"statusCode"`
		Body       string         `json:"body"`
		Outcome    map[string]any `json:"outcome"`
	}
	if err := json.Unmarshal(answer, &got); err != nil {
		t.Fatal(err)
	}
	if got.StatusCode != 200 || got.Body != "Processing completed successfully" || got.Outcome["execution_id"] != "e1" {
		t.Errorf("answered %s", answer)
	}
}

func TestRefusedPayloads(t *testing.T) {
	h := function.New(executorFunc(func(context.Context, execution.Attempt) (execution.Outcome, error) {
		t.Error("executed")
		return execution.Outcome{}, nil
	}))
	for name, tt := range map[string]struct{ in, code string }{
		"not JSON":     {`hola`, "REQUEST_JSON"},
		"no inputs":    {`{"execution_id":"e1","yaml_config":"x"}`, "REQUEST_FIELD"},
		"path id":      {`{"execution_id":"../x","yaml_config":"x","input_files":[{"uri":"u","filename":"a"}]}`, "ID_INVALID"},
		"unknown name": {`{"execution_id":"e1","yaml_config":"x","input_files":[{"uri":"u","filename":"a"}],"x":1}`, "REQUEST_JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := h.Handle(t.Context(), json.RawMessage(tt.in))
			if err != nil || got.StatusCode != 400 || !strings.Contains(got.Body, "["+tt.code+"]") {
				t.Errorf("got %+v, %v, want 400 %s", got, err, tt.code)
			}
		})
	}
}

// TestRoute: a delegated attempt bypasses the guard, whose lock the bridge
// holds; a direct invocation never does.
func TestRoute(t *testing.T) {
	enqueued := time.Unix(7, 0).UTC()
	direct := execution.Attempt{Request: request, Number: 1, Deliveries: 1}
	delegated := execution.Attempt{Request: request, Token: 9, Number: 2, Deliveries: 3, Enqueued: enqueued}
	tests := map[string]struct {
		delegation *execution.Delegation
		guarded    bool
		want       execution.Attempt
		by         string
	}{
		"delegated":           {&execution.Delegation{Token: 9, Number: 2, Deliveries: 3, Enqueued: enqueued}, true, delegated, "work"},
		"delegated, no guard": {&execution.Delegation{Token: 9, Number: 2, Deliveries: 3, Enqueued: enqueued}, false, delegated, "work"},
		"direct":              {nil, true, direct, "guard"},
		"direct, no guard":    {nil, false, direct, "work"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var by string
			var got execution.Attempt
			named := func(name string) executorFunc {
				return func(_ context.Context, a execution.Attempt) (execution.Outcome, error) {
					by, got = name, a
					return execution.Outcome{Kind: execution.Succeeded}, nil
				}
			}
			var opts []function.Option
			if tt.guarded {
				opts = append(opts, function.WithGuard(named("guard")))
			}
			if _, err := function.New(named("work"), opts...).Handle(t.Context(), payload(t, tt.delegation)); err != nil {
				t.Fatal(err)
			}
			if tt.delegation == nil {
				if age := time.Since(got.Enqueued); age < 0 || age > time.Minute {
					t.Errorf("enqueued %v ago", age)
				}
				got.Enqueued = time.Time{}
			}
			if diff := cmp.Diff(tt.want, got); by != tt.by || diff != "" {
				t.Errorf("by %s, want %s; -want +got\n%s", by, tt.by, diff)
			}
		})
	}
}

func TestDefaultMailbox(t *testing.T) {
	founding := json.RawMessage(`{"execution_id":"e1","yaml_config":"x","input_files":[{"uri":"u","filename":"a"}]}`)
	for want, opts := range map[string][]function.Option{
		function.DefaultMailbox: nil,
		"compras":               {function.WithMailbox("compras")},
	} {
		var got string
		h := function.New(executorFunc(func(_ context.Context, a execution.Attempt) (execution.Outcome, error) {
			got = a.Request.Mailbox
			return execution.Outcome{Kind: execution.Succeeded}, nil
		}), opts...)
		if reply, err := h.Handle(t.Context(), founding); err != nil || reply.StatusCode != 200 || got != want {
			t.Errorf("mailbox %q, %+v, %v, want %q", got, reply, err, want)
		}
	}
}

func TestOutOfTime(t *testing.T) {
	tests := map[string]struct {
		timeout time.Duration
		opts    []function.Option
		want    time.Duration // after which the work is cancelled
	}{
		"one second at least": {10 * time.Second, nil, 9 * time.Second},
		"five per cent":       {15 * time.Minute, nil, 15*time.Minute - 45*time.Second},
		"configured":          {10 * time.Second, []function.Option{function.WithMargin(3 * time.Second)}, 7 * time.Second},
		"nothing left":        {500 * time.Millisecond, nil, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tt.timeout)
				defer cancel()
				began := time.Now()
				h := function.New(executorFunc(func(ctx context.Context, _ execution.Attempt) (execution.Outcome, error) {
					<-ctx.Done()
					return execution.Outcome{}, fmt.Errorf("store report: %w", ctx.Err())
				}), tt.opts...)
				got, err := h.Handle(ctx, payload(t, &execution.Delegation{Token: 1, Number: 1}))
				if err != nil || got.StatusCode != 500 || !strings.Contains(got.Body, "out of time") {
					t.Errorf("got %+v, %v", got, err)
				}
				if after := time.Since(began); after != tt.want {
					t.Errorf("cancelled after %v, want %v", after, tt.want)
				}
			})
		})
	}
}

// TestEndBeatsTheDeadline: what the work achieved or refused before it noticed
// the deadline counts.
func TestEndBeatsTheDeadline(t *testing.T) {
	for name, tt := range map[string]struct {
		err    error
		status int
	}{
		"committed": {nil, 200},
		"refused":   {fault.New("CONFLICT", "another content").Permanent(), 400},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				h := function.New(executorFunc(func(ctx context.Context, _ execution.Attempt) (execution.Outcome, error) {
					<-ctx.Done()
					return execution.Outcome{Kind: execution.Succeeded}, tt.err
				}))
				if got, _ := h.Handle(ctx, payload(t, nil)); got.StatusCode != tt.status {
					t.Errorf("got %+v, want %d", got, tt.status)
				}
			})
		})
	}
}

func TestThaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var thaws []time.Duration
		h := function.New(executorFunc(func(context.Context, execution.Attempt) (execution.Outcome, error) {
			time.Sleep(time.Minute) // work is no idleness
			return execution.Outcome{Kind: execution.Succeeded}, nil
		}), function.WithThaw(func(idle time.Duration) { thaws = append(thaws, idle) }))
		for _, idle := range []time.Duration{0, time.Second, 5 * time.Second} {
			time.Sleep(idle)
			h.Handle(t.Context(), payload(t, nil))
		}
		if diff := cmp.Diff([]time.Duration{5 * time.Second}, thaws); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}
