package lambdalocal

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
)

// apiError is an error of the Invoke API
// (https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html).
type apiError struct {
	status  int
	code    string
	message string
	reason  string // why it was throttled
}

var (
	errReservedConcurrency = &apiError{http.StatusTooManyRequests, "TooManyRequestsException",
		"Rate Exceeded.", "ReservedFunctionConcurrentInvocationLimitExceeded"}
	errScaleRate = &apiError{http.StatusTooManyRequests, "TooManyRequestsException",
		"Rate Exceeded.", "ConcurrentInvocationLimitExceeded"}
	errStopping = &apiError{http.StatusServiceUnavailable, "ServiceException",
		"the local Lambda is stopping", ""}
)

func (e *apiError) Error() string { return e.code + ": " + e.message }

func (e *apiError) write(w http.ResponseWriter) {
	kind := "User"
	if e.status >= http.StatusInternalServerError {
		kind = "Service"
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Errortype", e.code)
	w.WriteHeader(e.status)
	w.Write(encode(struct {
		Type    string `json:"Type"`
		Message string `json:"message"`
		Reason  string `json:"Reason,omitempty"`
	}{kind, e.message, e.reason}))
}

func (s *Service) handleInvoke(w http.ResponseWriter, r *http.Request) {
	inv := invocation{
		id:            uuid.NewString(),
		clientContext: r.Header.Get("X-Amz-Client-Context"),
		trace:         r.Header.Get("X-Amzn-Trace-Id"),
	}
	w.Header().Set("X-Amzn-Requestid", inv.id)
	err := s.serveInvoke(w, r, inv)
	if refused, ok := errors.AsType[*apiError](err); ok {
		refused.write(w)
	}
}

func (s *Service) serveInvoke(w http.ResponseWriter, r *http.Request, inv invocation) error {
	name := r.PathValue("function")
	if !s.isNamed(name) {
		return &apiError{http.StatusNotFound, "ResourceNotFoundException",
			fmt.Sprintf("Function not found: %s; this service has %s", name, s.arn()), ""}
	}
	kind := r.Header.Get("X-Amz-Invocation-Type")
	limit := maxSyncPayload
	switch kind {
	case "Event":
		limit = maxEventPayload
	case "", "RequestResponse", "DryRun":
	default:
		return &apiError{http.StatusBadRequest, "InvalidParameterValueException",
			fmt.Sprintf("invocation type %q; expected RequestResponse, Event or DryRun", kind), ""}
	}
	var err error
	if inv.payload, err = readPayload(w, r, kind, limit); err != nil {
		return err
	}
	switch kind {
	case "DryRun":
		w.WriteHeader(http.StatusNoContent)
		return nil
	case "Event":
		return s.accept(w, inv)
	default:
		return s.answer(w, inv, r.Header.Get("X-Amz-Log-Type") == "Tail")
	}
}

// isNamed accepts the name and the ARNs of the function, with a qualifier or
// without: there is one version.
func (s *Service) isNamed(name string) bool {
	if _, rest, found := strings.Cut(name, ":function:"); found {
		name = rest
	}
	name, _, _ = strings.Cut(name, ":")
	return name == s.cfg.Function
}

func (s *Service) arn() string {
	return "arn:aws:lambda:" + region + ":000000000000:function:" + s.cfg.Function
}

func readPayload(w http.ResponseWriter, r *http.Request, kind string, limit int) ([]byte, error) {
	payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(limit)))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &apiError{http.StatusRequestEntityTooLarge, "RequestTooLargeException",
			fmt.Sprintf("the payload exceeds the %d bytes of an invocation of type %s", limit, kind), ""}
	}
	switch {
	case err != nil:
		return nil, &apiError{http.StatusBadRequest, "InvalidRequestContentException", err.Error(), ""}
	case len(payload) == 0:
		return []byte("{}"), nil
	case !json.Valid(payload):
		return nil, &apiError{http.StatusBadRequest, "InvalidRequestContentException",
			"Could not parse request body into json", ""}
	}
	return payload, nil
}

// answer runs inv while the caller waits. As on Lambda, a caller that goes away
// stops nothing.
func (s *Service) answer(w http.ResponseWriter, inv invocation, withLog bool) error {
	res, err := s.invoke(inv)
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("X-Amz-Executed-Version", version)
	if res.failed() {
		header.Set("X-Amz-Function-Error", "Unhandled")
	}
	if withLog {
		header.Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString(res.log))
	}
	w.Write(res.payload)
	return nil
}

func (s *Service) accept(w http.ResponseWriter, inv invocation) error {
	if !s.enter() {
		return errStopping
	}
	go func() {
		defer s.active.Done()
		s.deliver(inv, time.Now())
	}()
	w.WriteHeader(http.StatusAccepted)
	return nil
}
