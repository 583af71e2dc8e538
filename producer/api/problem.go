package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/producer/configurations"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/ledger"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// Codes of requests that this package refuses.
const (
	CodeMediaType       fault.Code = "MEDIA_TYPE"
	CodeTooLarge        fault.Code = "UPLOAD_TOO_LARGE"
	CodeTooSlow         fault.Code = "UPLOAD_TOO_SLOW"
	CodeCut             fault.Code = "UPLOAD_CUT"              // the request ended before its end
	CodeMultipart       fault.Code = "MULTIPART"               // not the form it should be
	CodeDigest          fault.Code = "INPUT_DIGEST"            // not the bytes that were announced
	CodeBusy            fault.Code = "UPLOADS_BUSY"            // API_UPLOADS are under way
	CodeNoPresign       fault.Code = "PRESIGN_NONE"            // files are not in S3
	CodeNoFile          fault.Code = "FILE_UNKNOWN"            // the execution has no such file
	CodeNoConfiguration fault.Code = "CONFIGURATION_NOT_FOUND" // what is asked for; one that is named is CONFIGURATION_UNKNOWN
	CodeNotEnded        fault.Code = "EXECUTION_NOT_ENDED"
	CodeNoRoute         fault.Code = "ROUTE_UNKNOWN"
	CodeMethod          fault.Code = "METHOD"
	CodeQuery           fault.Code = "QUERY_INVALID"
	CodeUnavailable     fault.Code = "FLEET_UNAVAILABLE" // NATS doesn't answer
	CodeInternal        fault.Code = "INTERNAL"
)

// statuses are those of codes, where it isn't 422: the request was understood and
// can't be carried out.
var statuses = map[fault.Code]int{
	access.CodeMissing: 401, access.CodeInvalid: 401, access.CodeDenied: 403, access.CodeRate: 429, access.CodeUnavailable: 503,
	execution.CodeRequestJSON: 400, CodeMultipart: 400, CodeCut: 400, CodeQuery: 400, ledger.CodeCursor: 400,
	producer.CodeUnknown: 404, producer.CodeNotPublished: 404, CodeNoFile: 404, CodeNoConfiguration: 404, CodeNoRoute: 404,
	CodeMethod: 405, CodeTooSlow: 408,
	execution.CodeConflict: 409, producer.CodeNotDead: 409, CodeNotEnded: 409,
	producer.CodeRequestGone: 410, producer.CodeErased: 410,
	CodeTooLarge: 413, queue.CodeTooLarge: 413, spec.CodeTooLarge: 413, CodeMediaType: 415,
	CodeInternal: 500, CodeNoPresign: 501,
	CodeBusy: 503, CodeUnavailable: 503, queue.CodeFull: 503, ledger.CodeOpen: 503,
	storage.CodeFull: 503, storage.CodeUnavailable: 503, storage.CodeMissing: 503, storage.CodeDenied: 503,
	storage.CodeNotFound: 404, storage.CodeKeyInvalid: 422, intake.CodeMissing: 422, intake.CodeForbidden: 422,
	configurations.CodeDamaged: 500,
}

// Problem is the answer to a request that failed, as in RFC 9457. Code is stable:
// programs branch on it.
type Problem struct {
	Title  string     `json:"title"`
	Status int        `json:"status"`
	Detail string     `json:"detail"`
	Code   fault.Code `json:"code"`

	Expected string `json:"expected,omitempty"`
	Hint     string `json:"hint,omitempty"`
	Field    string `json:"field,omitempty"`

	// Errors are all that is wrong with a configuration, in the order of its lines.
	Errors spec.Issues `json:"errors,omitempty"`
}

const problemType = "application/problem+json"

// Refuse answers with what went wrong.
func Refuse(w http.ResponseWriter, r *http.Request, err error) {
	p, after := describe(err)
	log := zerolog.Ctx(r.Context())
	if p.Status >= http.StatusInternalServerError {
		log.Error().Err(err).Str("method", r.Method).Str("path", r.URL.Path).Int("status", p.Status).Msg("request failed")
	}
	h := w.Header()
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="sage"`)
	}
	if after > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(after.Seconds()))))
	}
	if p.Status == http.StatusRequestTimeout {
		h.Set("Connection", "close")
	}
	answer(w, p.Status, problemType, p)
}

// Explain returns the status of what went wrong, and what is told of it.
func Explain(err error) (status int, told *fault.Error) {
	p, _ := describe(err)
	return p.Status, fault.Describe(recode(err))
}

// describe returns what is told of err, and when it makes sense to try again.
func describe(err error) (p Problem, after time.Duration) {
	err = recode(err)
	e := fault.Describe(err)
	status, known := statuses[e.Code]
	if !known {
		status = http.StatusUnprocessableEntity
	}
	p = Problem{Title: http.StatusText(status), Status: status, Detail: e.Message, Code: e.Code, Expected: e.Expected, Hint: e.Hint, Field: e.Field}
	if invalid, ok := errors.AsType[configurations.Invalid](err); ok {
		p.Errors = invalid.Issues
	}
	if limited, ok := errors.AsType[access.Limited](err); ok {
		return p, limited.After
	}
	switch {
	case status != http.StatusServiceUnavailable:
		return p, 0
	case e.Code == storage.CodeFull:
		return p, time.Minute
	}
	return p, 5 * time.Second
}

// recode gives errors of libraries a code. What is nobody's fault but ours says
// nothing of the inside: it is in the log.
func recode(err error) error {
	tooLarge, isTooLarge := errors.AsType[*http.MaxBytesError](err)
	switch {
	case isTooLarge:
		return fault.New(CodeTooLarge, "the request has more than %d bytes", tooLarge.Limit).
			Expecting("at most %d bytes", tooLarge.Limit).Advise("send large files to storage, and name them by their URIs")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fault.New(CodeTooSlow, "the request came too slowly").Advise("try again on a better connection")
	case fault.CodeOf(err) != fault.Unclassified:
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fault.New(CodeCut, "the request was cut").Advise("send it again")
	case errors.Is(err, nats.ErrTimeout), errors.Is(err, nats.ErrNoResponders), errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrDisconnected),
		errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, jetstream.ErrAsyncPublishTimeout),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fault.New(CodeUnavailable, "the fleet's NATS server doesn't answer").Advise("try again in a moment")
	}
	return fault.New(CodeInternal, "something went wrong here").Advise("try again; the server's log says more")
}

// answer sends v as JSON.
func answer(w http.ResponseWriter, status int, mediaType string, v any) {
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v) // who asked is gone
}

func ok(w http.ResponseWriter, status int, v any) error {
	answer(w, status, "application/json", v)
	return nil
}

// describeMisses answers paths and methods that there are not, as everything else.
func describeMisses(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		probe := &miss{header: http.Header{}}
		mux.ServeHTTP(probe, r)
		switch {
		case probe.status == http.StatusMethodNotAllowed:
			w.Header().Set("Allow", probe.header.Get("Allow"))
			Refuse(w, r, fault.New(CodeMethod, "%s is not for %s", r.Method, r.URL.Path).Expecting("%s", probe.header.Get("Allow")))
		case probe.header.Get("Location") != "":
			mux.ServeHTTP(w, r) // to the same path, without dots
		default:
			Refuse(w, r, fault.New(CodeNoRoute, "there is nothing at %.200s", r.URL.Path).Advise("see /openapi.json"))
		}
	})
}

// miss takes the mux's own answer.
type miss struct {
	header http.Header
	status int
}

func (m *miss) Header() http.Header         { return m.header }
func (m *miss) Write(p []byte) (int, error) { return len(p), nil }
func (m *miss) WriteHeader(status int)      { m.status = status }
