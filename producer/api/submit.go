package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/producer/configurations"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/shared/trace"
)

// Accepted is the answer to a submission.
type Accepted struct {
	execution.Key
	State execution.State `json:"state"`
	// Configuration is the version that a name stood for.
	Configuration string            `json:"configuration,omitempty"`
	Inputs        []execution.Input `json:"input_files"`
	Warnings      spec.Issues       `json:"warnings,omitempty"` // of the configuration
}

// submit takes files in a form, or a request that names them.
func (a *API) submit(w http.ResponseWriter, r *http.Request) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err == nil && kind == "multipart/form-data":
		return a.submitForm(w, r)
	case err == nil && kind == "application/json":
		return a.submitJSON(w, r)
	}
	return fault.New(CodeMediaType, "the request has the type %.80q", r.Header.Get("Content-Type")).
		Expecting("multipart/form-data with files, or application/json that names them")
}

// submission is what was read of a request.
type submission struct {
	execution.Request
	config        []byte // the text of the configuration
	configuration string // the version that a name stood for
	warnings      spec.Issues
}

// accept checks the configuration and has the request accepted. It returns the request
// that stands, and the answer.
func (a *API) accept(ctx context.Context, s submission) (stands execution.Request, done Accepted, err error) {
	ctx, span := trace.Start(trace.Continue(ctx, s.Trace), "accept "+s.Mailbox, trace.Server, s.Key())
	defer func() { span.End(err) }()
	if s.config != nil {
		if s.warnings, err = configurations.Check("configuration", s.config); err != nil {
			return s.Request, done, err
		}
		if s.Config, err = a.producer.Config(ctx, s.Mailbox, s.ID, s.config); err != nil {
			return s.Request, done, err
		}
	}
	if stands, err = a.producer.Accept(ctx, s.Request); err != nil {
		if !fault.IsPermanent(err) || fault.CodeOf(err) == queue.CodeTooLarge {
			err = unclear{err}
		}
		return stands, done, err
	}
	log := trace.Named(ctx, zerolog.Ctx(ctx).With().Str("mailbox", s.Mailbox).Str("execution", s.ID)).Logger()
	log.Info().Int("files", len(stands.Inputs)).Msg("accepted")
	return stands, Accepted{stands.Key(), execution.Accepted, s.configuration, stands.Inputs, s.warnings}, nil
}

// unclear is an error after which the request may be stored: what it names must stay.
type unclear struct{ error }

func (u unclear) Unwrap() error { return u.error }

func location(k execution.Key) string { return "/v1/executions/" + k.Mailbox + "/" + k.ID }

// named resolves the name of a configuration to its text.
func (a *API) named(ctx context.Context, s *submission, name string) error {
	ref, err := configurations.ParseRef(name)
	if err != nil {
		return err
	}
	v, text, err := a.configs.Get(ctx, s.Mailbox, ref)
	if err != nil {
		return err
	}
	s.config, s.configuration = text, v.Ref().String()
	return nil
}

// name gives s its mailbox and its id. Without an id, an Idempotency-Key makes one
// that is the same for a repetition by the same caller.
func (s *submission) name(r *http.Request) (err error) {
	if s.Mailbox, err = mailboxOf(r, s.Mailbox); err != nil {
		return err
	}
	key := r.Header.Get("Idempotency-Key")
	switch {
	case s.ID == "" && key != "":
		who, _ := access.From(r.Context())
		sum := sha256.Sum256([]byte(who.ID + "\n" + key))
		s.ID = "key-" + hex.EncodeToString(sum[:16])
	case s.ID == "":
		s.ID = producer.NewID()
	}
	if s.Method == "" {
		s.Method = "api"
	}
	if parent := r.Header.Get("Traceparent"); s.Trace == "" && trace.Valid(parent) {
		s.Trace = parent
	}
	return execution.ValidateID(s.ID)
}

// room refuses while the queue is nearly full, before files are sent for nothing. What
// is left is for retries, which come back to the same queue.
func (a *API) room(ctx context.Context) error {
	stream, err := a.JS.Stream(ctx, bus.StreamExecutions)
	if err != nil {
		return err
	}
	info := stream.CachedInfo()
	const full = 0.9
	if most := info.Config.MaxBytes; most > 0 && float64(info.State.Bytes) > full*float64(most) {
		return fault.New(queue.CodeFull, "%d messages wait, as many as may", info.State.Msgs).Advise("try again later")
	}
	return nil
}

// referring is a request in JSON: what producers publish, or with the name of a
// configuration.
type referring struct {
	execution.Request
	Configuration string `json:"configuration,omitempty"`
}

const maxJSON = 4 << 20 // bytes

func (a *API) submitJSON(w http.ResponseWriter, r *http.Request) error {
	data, err := io.ReadAll(a.body(w, r, maxJSON))
	if err != nil {
		return err
	}
	var in referring
	if err := execution.UnmarshalStrict(data, &in); err != nil {
		return err
	}
	s := submission{Request: in.Request}
	if err := s.name(r); err != nil {
		return err
	}
	given := in.Config.Text != "" || in.Config.URI != ""
	switch {
	case s.Generation != 0:
		return unfit("generation", "generations are opened by a redrive", "none")
	case given == (in.Configuration != ""):
		return unfit("configuration", "there must be one configuration", "either yaml_config or configuration")
	case in.Configuration != "":
		err = a.named(r.Context(), &s, in.Configuration)
	case in.Config.URI != "":
		s.config, err = a.referred(r.Context(), s.Request)
	default:
		s.config = []byte(in.Config.Text)
	}
	if err != nil {
		return err
	}
	if err := a.present(r.Context(), s.Request); err != nil {
		return err
	}
	_, done, err := a.accept(r.Context(), s)
	if err != nil {
		return err
	}
	return accepted(w, done)
}

func accepted(w http.ResponseWriter, done Accepted) error {
	w.Header().Set("Location", location(done.Key))
	return ok(w, http.StatusAccepted, done)
}

// present refuses inputs that the mailbox may not read, and those that are not in
// the fleet's own store. Nothing else is asked: who submits can't have the server
// connect anywhere.
func (a *API) present(ctx context.Context, r execution.Request) error {
	if len(r.Inputs) > execution.MaxInputs {
		return nil // refused as a whole
	}
	for _, in := range r.Inputs {
		if in.URI == "" {
			continue
		}
		place, err := a.places.Find(a.Objects.URL(), r.Mailbox, in.URI)
		if err != nil {
			return err
		}
		if place.Store != "" {
			continue
		}
		_, err = a.Objects.Stat(ctx, place.Key)
		if errors.Is(err, storage.ErrNotFound) {
			return fault.New(intake.CodeMissing, "%s is not at %s", in.Filename, in.URI).
				Expecting("the file to be there before it is submitted").Permanent()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// referred reads the configuration that a request names by URI, if it lies in the
// fleet's own store. A nil text is one that workers look at.
func (a *API) referred(ctx context.Context, r execution.Request) ([]byte, error) {
	place, err := a.places.Find(a.Objects.URL(), r.Mailbox, r.Config.URI)
	if err != nil || place.Store != "" {
		return nil, err
	}
	body, err := a.Objects.Get(ctx, place.Key)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, fault.New(intake.CodeMissing, "the configuration is not at %s", r.Config.URI).Permanent()
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	text, err := io.ReadAll(io.LimitReader(body, spec.MaxBytes+1))
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != r.Config.SHA256 {
		return nil, digestDiffers("the configuration", hex.EncodeToString(sum[:]), r.Config.SHA256)
	}
	return text, nil
}

func digestDiffers(name, got, want string) error {
	return fault.New(CodeDigest, "%s has the SHA-256 %s", name, got).Expecting("%s, as the request says", want).Permanent()
}

func unfit(field, format string, expected string, args ...any) *fault.Error {
	e := fault.New(execution.CodeRequestField, "%s", fmt.Sprintf(format, args...)).Expecting("%s", expected).Permanent()
	e.Field = field
	return e
}

// discard removes what a request that was refused has stored, also when its sender
// is gone.
func (a *API) discard(ctx context.Context, uploads []execution.Input) {
	const patience = 10 * time.Second
	log := zerolog.Ctx(ctx)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := a.producer.Discard(ctx, uploads); err != nil {
		log.Warn().Err(err).Int("files", len(uploads)).Msg("files of a refused upload are left behind")
	}
}
