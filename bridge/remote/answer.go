package remote

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// What an invocation without an outcome is called.
const (
	CodeThrottled   fault.Code = "REMOTE_THROTTLED"       // no capacity; it did not run
	CodeUnavailable fault.Code = "REMOTE_UNAVAILABLE"     // refused or never sent; it did not run
	CodePayload     fault.Code = "REMOTE_PAYLOAD"         // Lambda does not take such a request
	CodeFunction    fault.Code = "REMOTE_FUNCTION_ERROR"  // the function crashed or timed out
	CodeFailed      fault.Code = "REMOTE_FAILED"          // the attempt failed; another may succeed
	CodeRefused     fault.Code = "REMOTE_REFUSED"         // the function is of another version; a worker executes it
	CodeNoOutcome   fault.Code = "REMOTE_NO_OUTCOME"      // it claims an outcome that isn't there
	CodeUnknown     fault.Code = "REMOTE_UNKNOWN_OUTCOME" // no answer, and no outcome in time
)

// answer is what came of asking.
type answer struct {
	usage     *execution.Usage // nil when the bill isn't known
	requestID string           // empty when there was no answer
	running   bool             // the work may still be going on
	accepted  bool             // Lambda has taken an event, and will say no more of it
	steps     []execution.Step // of the run, when its trace is recorded
	err       error            // what to return when no outcome stands
}

// classify reads the result of an Invoke of that kind. sent says whether any of the request
// left this machine.
func (e *Executor) classify(out *lambda.InvokeOutput, err error, kind types.InvocationType, sent bool) answer {
	if err != nil {
		return e.classifyError(err, sent)
	}
	var a answer
	a.requestID, _ = awsmiddleware.GetRequestIDMetadata(out.ResultMetadata)
	if kind == types.InvocationTypeEvent {
		a.running, a.accepted = true, true
		a.err = fault.New(CodeUnknown, "the event left no outcome").
			Expecting("an outcome within %v of the call", e.cfg.Longest()).Advise("look into the function's log")
		return a
	}
	if r, ok := parseReport(aws.ToString(out.LogResult)); ok {
		a.usage = e.cfg.usage(r)
	}
	if out.FunctionError != nil {
		a.err = functionError(out.Payload)
	} else {
		a.steps, a.err = e.classifyReply(out.Payload)
	}
	return a
}

func (e *Executor) classifyError(err error, sent bool) answer {
	if throttled, ok := errors.AsType[*types.TooManyRequestsException](err); ok {
		return answer{err: busyThrottled(throttled)}
	}
	if status := refusedWith(err); status != 0 {
		return answer{err: refused(status, err)}
	}
	// Only the SDK tells the trace what it sends. From any other Invoker, an
	// error says nothing about how far the request came.
	if _, fromSDK := errors.AsType[*smithy.OperationError](err); fromSDK && !sent {
		return answer{err: &execution.BusyError{Err: fault.New(CodeUnavailable, "the request was not sent: %w", err).
			Advise("check the network, the endpoint and the credentials of the bridge")}}
	}
	return answer{running: true, err: fault.New(CodeUnknown, "no answer: %w", err).
		Expecting("an outcome by the time the invocation must have ended")}
}

func busyThrottled(t *types.TooManyRequestsException) error {
	return &execution.BusyError{Err: fault.New(CodeThrottled, "the function is throttled (%s): %w", t.Reason, t).
		Advise("raise the function's concurrency, or lower LAMBDA_CONCURRENCY")}
}

// maxStayAway bounds what an answer may ask for.
const maxStayAway = 30 * time.Second

// retryAfter is how long Lambda asks to stay away, 0 when it doesn't say.
func retryAfter(t *types.TooManyRequestsException) time.Duration {
	seconds, err := strconv.Atoi(aws.ToString(t.RetryAfterSeconds))
	if err != nil || seconds < 1 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, maxStayAway)
}

// refusedWith returns the status of an answer that says the function was not
// run, or 0. A 408 and the 5xx say no such thing.
func refusedWith(err error) int {
	response, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok {
		return 0
	}
	status := response.HTTPStatusCode()
	if status < http.StatusBadRequest || status >= http.StatusInternalServerError || status == http.StatusRequestTimeout {
		return 0
	}
	return status
}

// refused tells a payload that is Lambda's to refuse, which a worker may execute
// all the same, from a bridge that isn't allowed or configured to invoke: for
// that no execution is charged an attempt.
func refused(status int, err error) error {
	api, ok := errors.AsType[smithy.APIError](err)
	if ok && (api.ErrorCode() == "RequestTooLargeException" || api.ErrorCode() == "InvalidRequestContentException") {
		return &execution.BusyError{For: time.Second, Local: true, Err: fault.New(CodePayload, "lambda refused the payload: %w", err).
			Expecting("a request of at most 6 MB").Advise("store the configuration and send {uri, sha256}")}
	}
	return &execution.BusyError{Err: fault.New(CodeUnavailable, "lambda refused the call with status %d: %w", status, err).
		Advise("check the function's name and the permissions of the bridge")}
}

// functionError is a definite failure inside a 200: the platform has ended the
// run.
func functionError(payload []byte) error {
	var described struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}
	if err := json.Unmarshal(payload, &described); err != nil || described.Type == "" {
		return fault.New(CodeFunction, "the function failed: %.200q", payload)
	}
	return fault.New(CodeFunction, "the function failed: %s: %s", described.Type, described.Message).
		Advise("look into the function's log")
}

// classifyReply says what a reply means when no outcome stands, and what the run did.
func (e *Executor) classifyReply(payload []byte) ([]execution.Step, error) {
	var reply execution.Reply
	if err := json.Unmarshal(payload, &reply); err != nil {
		return nil, fault.New(CodeFailed, "the function answered %.200q: %w", payload, err).
			Expecting("statusCode and body").Advise("check that it is SAGE Fleet's function")
	}
	return reply.Steps, e.meaning(reply)
}

// meaning is what a reply means when no outcome stands.
func (e *Executor) meaning(reply execution.Reply) error {
	switch reply.StatusCode {
	case http.StatusOK:
		return fault.New(CodeNoOutcome, "the function answered 200 %.200q, but no outcome stands", reply.Body).
			Expecting("an outcome").Advise("check that the function and the bridge use the same store")
	case http.StatusConflict, http.StatusServiceUnavailable:
		return e.busy(fault.New(CodeFailed, "%s", reply.Body))
	case http.StatusBadRequest, http.StatusNotImplemented:
		// Not the request's fault, which was read here before: the function is of another
		// version. What the work itself refuses arrives as an outcome.
		return &execution.BusyError{For: e.cfg.Busy, Local: true, Err: fault.New(CodeRefused, "the function refused: %s", reply.Body).
			Advise("deploy the same version of the function and the fleet")}
	default:
		return fault.New(CodeFailed, "the function answered %d: %s", reply.StatusCode, reply.Body)
	}
}

func (e *Executor) busy(cause error) error { return &execution.BusyError{For: e.cfg.Busy, Err: cause} }
