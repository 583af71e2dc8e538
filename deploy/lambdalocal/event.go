package lambdalocal

import (
	"encoding/json"
	"errors"
	"time"
)

// FailedEvent is the record that an on-failure destination receives
// (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html).
type FailedEvent struct {
	Version         string           `json:"version"` // 1.0
	Timestamp       time.Time        `json:"timestamp"`
	RequestContext  RequestContext   `json:"requestContext"`
	RequestPayload  json.RawMessage  `json:"requestPayload"`
	ResponseContext *ResponseContext `json:"responseContext,omitempty"` // nil when it never ran
	ResponsePayload json.RawMessage  `json:"responsePayload,omitempty"`
}

// RequestContext says which event was given up, and why.
type RequestContext struct {
	RequestID              string `json:"requestId"`
	FunctionARN            string `json:"functionArn"`
	Condition              string `json:"condition"` // RetriesExhausted or EventAgeExceeded
	ApproximateInvokeCount int    `json:"approximateInvokeCount"`
}

// ResponseContext says how the last attempt was answered.
type ResponseContext struct {
	StatusCode      int    `json:"statusCode"`
	ExecutedVersion string `json:"executedVersion"`
	FunctionError   string `json:"functionError"`
}

// Why an event was given up.
const (
	RetriesExhausted = "RetriesExhausted"
	EventAgeExceeded = "EventAgeExceeded"
)

// A throttled event waits this long at first, then twice as long each time.
const (
	firstThrottleWait = 100 * time.Millisecond
	maxThrottleWait   = 5 * time.Minute
)

// deliver runs an event until it succeeds or is given up. A throttled attempt is
// no retry, but the event grows older.
func (s *Service) deliver(inv invocation, accepted time.Time) {
	cfg := s.cfg.Events
	var last result
	throttleWait := firstThrottleWait
	for invoked := 0; ; {
		res, err := s.invoke(inv)
		var wait time.Duration
		switch {
		case errors.Is(err, errStopping):
			return
		case err != nil:
			wait, throttleWait = throttleWait, min(2*throttleWait, maxThrottleWait)
		case !res.failed():
			return
		default:
			invoked++
			last = res
			if invoked > *cfg.MaximumRetryAttempts {
				s.drop(inv, RetriesExhausted, invoked, last)
				return
			}
			wait = cfg.RetryDelay * time.Duration(invoked)
		}
		if time.Since(accepted)+wait > cfg.MaximumEventAge {
			s.drop(inv, EventAgeExceeded, invoked, last)
			return
		}
		if !s.sleep(wait) {
			return
		}
	}
}

// sleep is false when the service stops first.
func (s *Service) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.closing:
		return false
	}
}

func (s *Service) drop(inv invocation, condition string, invoked int, last result) {
	s.count(func(stats *Stats) { stats.Dropped++ })
	failed := FailedEvent{
		Version:   "1.0",
		Timestamp: time.Now().UTC(),
		RequestContext: RequestContext{
			RequestID: inv.id, FunctionARN: s.arn() + ":" + version,
			Condition: condition, ApproximateInvokeCount: invoked,
		},
		RequestPayload: inv.payload,
	}
	if invoked > 0 {
		failed.ResponseContext = &ResponseContext{200, version, "Unhandled"}
		failed.ResponsePayload = last.payload
		if !json.Valid(last.payload) {
			failed.ResponsePayload = encode(string(last.payload))
		}
	}
	if err := s.cfg.Events.OnFailure(failed); err != nil {
		s.count(func(stats *Stats) { stats.Undelivered++ })
	}
}
