package lambdalocal

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
)

const version = "$LATEST"

// invocation is one payload on its way through the function.
type invocation struct {
	id            string
	payload       []byte
	clientContext string // base64 of JSON, as the caller sent it
	trace         string
	deadline      time.Time     // set when an environment gets it
	taken         chan struct{} // closed when its runtime is about to get it
}

// result is what came of an invocation.
type result struct {
	payload   []byte
	errorType string // empty when the function returned
	log       []byte // end of its log
}

// failed reports whether the answer carries X-Amz-Function-Error.
func (r result) failed() bool { return r.errorType != "" }

// errorPayload is the body that describes a function error
// (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html).
type errorPayload struct {
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
}

func functionError(errorType, format string, args ...any) result {
	return result{errorType: errorType, payload: encode(errorPayload{errorType, fmt.Sprintf(format, args...)})}
}

func timedOut(what string, limit time.Duration) result {
	return functionError("Sandbox.Timedout", "%s timed out after %.2f seconds", what, limit.Seconds())
}

// encode marshals what consists of strings and numbers. Should that fail all the same,
// an error stands in its place.
func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		return []byte(`{"errorType":"Runtime.Encoding","errorMessage":"the answer can't be encoded"}`)
	}
	return data
}

// invoke runs inv in a warm environment or in a new one. Its errors are those of
// the Invoke API; what the function does wrong is in the result.
func (s *Service) invoke(inv invocation) (result, error) {
	env, err := s.pool.take()
	if err != nil {
		if !errors.Is(err, errStopping) {
			s.count(func(stats *Stats) { stats.Throttles++ })
		}
		return result{}, err
	}
	defer func() { s.pool.put(env) }()

	var res result
	var initialised time.Duration
	usable := true
	if env == nil {
		env = s.newEnvironment()
		begun := time.Now()
		if res, usable, err = s.coldStart(env); err != nil {
			return result{}, err
		}
		initialised = time.Since(begun)
	} else {
		env.process.output.reset()
	}
	env.process.output.printf("START RequestId: %s Version: %s\n", inv.id, version)
	begun := time.Now()
	if usable {
		res = env.run(&inv, s.cfg.Timeout)
	}
	s.report(env, inv.id, &res, time.Since(begun), initialised)
	return res, nil
}

// coldStart starts env's process. When that fails, it returns false and a
// result; its error is that of a service that stops.
func (s *Service) coldStart(env *environment) (result, bool, error) {
	err := s.start(env)
	switch {
	case errors.Is(err, errStopping):
		env.process.abandon()
		return result{}, false, err
	case err != nil:
		env.process.abandon()
		return functionError("Runtime.InvalidEntrypoint", "%v", err), false, nil
	}
	res, usable := env.initialise(s.cfg.InitTimeout)
	return res, usable, nil
}

// report counts and bills an invocation and ends its log as Lambda does.
func (s *Service) report(env *environment, id string, res *result, took, initialised time.Duration) {
	billed := int64(math.Ceil(milliseconds(took + initialised)))
	s.count(func(stats *Stats) {
		stats.Invocations++
		stats.BilledMillis += billed
		if res.failed() {
			stats.Errors++
		}
	})
	out := env.process.output
	out.printf("END RequestId: %s\n", id)
	line := fmt.Sprintf("REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %d ms\tMemory Size: %d MB\tMax Memory Used: %d MB\t",
		id, milliseconds(took), billed, s.cfg.MemoryMB, env.process.peakMemory()>>20)
	if initialised > 0 {
		line += fmt.Sprintf("Init Duration: %.2f ms\t", milliseconds(initialised))
	}
	switch res.errorType {
	case "":
	case "Sandbox.Timedout":
		line += "Status: timeout"
	default:
		line += "Status: error\tError Type: " + res.errorType
	}
	out.printf("%s\n", line)
	res.log = out.last()
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
