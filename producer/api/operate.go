package api

import (
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"path"
	"time"

	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/producer/configurations"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// act is what a redrive or a cancellation may be told.
type act struct {
	Reason string `json:"reason"`
	From   int    `json:"from_generation"` // that must be DEAD; 0 is the last
	DryRun bool   `json:"dry_run"`
}

// read reads a body in JSON into v. An empty one says nothing.
func (a *API) read(w http.ResponseWriter, r *http.Request, v any) error {
	const most = 64 << 10
	data, err := io.ReadAll(a.body(w, r, most))
	if err != nil || len(data) == 0 {
		return err
	}
	if kind := r.Header.Get("Content-Type"); kind != "application/json" {
		return fault.New(CodeMediaType, "the request has the type %.80q", kind).Expecting("application/json")
	}
	return execution.UnmarshalStrict(data, v)
}

func (a *API) redrive(w http.ResponseWriter, r *http.Request) error {
	mailbox, id, err := names(r)
	if err != nil {
		return err
	}
	var in act
	if err := a.read(w, r, &in); err != nil {
		return err
	}
	who, _ := access.From(r.Context())
	d, err := a.Operator.As(who.Actor()).Redrive(r.Context(), mailbox, id, in.From, in.Reason, in.DryRun)
	if err != nil {
		return err
	}
	return ok(w, http.StatusOK, d)
}

func (a *API) cancel(w http.ResponseWriter, r *http.Request) error {
	mailbox, id, err := names(r)
	if err != nil {
		return err
	}
	var in act
	if err := a.read(w, r, &in); err != nil {
		return err
	}
	if in.From != 0 {
		return unfit("from_generation", "a cancellation has none", "reason or dry_run")
	}
	who, _ := access.From(r.Context())
	c, err := a.Operator.As(who.Actor()).Cancel(r.Context(), mailbox, id, in.Reason, in.DryRun)
	if err != nil {
		return err
	}
	return ok(w, http.StatusOK, c)
}

// announcedFile is what somebody is going to upload.
type announcedFile struct {
	SHA256 string `json:"sha256"` // hex
	Size   int64  `json:"size"`   // bytes
}

// Upload is a request to S3, and the URI under which a submission names the file.
type Upload struct {
	URI     string            `json:"uri"`
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"` // to be sent with it
	Expires time.Time         `json:"expires"`
}

// presign lets a large file go to S3 directly. It lies where `sage submit` would
// have put it, and S3 compares its bytes with what was announced.
func (a *API) presign(w http.ResponseWriter, r *http.Request) error {
	mailbox, id, err := names(r)
	if err != nil {
		return err
	}
	var in announcedFile
	if err := a.read(w, r, &in); err != nil {
		return err
	}
	sum, err := hex.DecodeString(in.SHA256)
	switch {
	case a.Fleet.Presign == nil:
		return fault.New(CodeNoPresign, "this fleet keeps files in a directory").Expecting("a fleet with files in S3").
			Advise("send the file to POST /v1/executions")
	case err != nil || len(sum) != 32:
		return unfit("sha256", "%.80q", "64 hexadecimal digits", in.SHA256)
	case in.Size < 0 || in.Size > a.cfg.MaxFile:
		return unfit("size", "%d bytes", "0 to API_MAX_FILE_BYTES", in.Size)
	}
	in.SHA256 = hex.EncodeToString(sum)
	key := path.Join(intake.Prefix(mailbox, id), in.SHA256)
	p, err := a.Fleet.Presign.PresignPut(r.Context(), key, in.SHA256, in.Size, a.cfg.Presign)
	if err != nil {
		return err
	}
	up := Upload{URI: storage.Join(a.Objects.URL(), key), Method: p.Method, URL: p.URL, Headers: map[string]string{}, Expires: p.Expires}
	for name := range p.Header {
		up.Headers[name] = p.Header.Get(name)
	}
	return ok(w, http.StatusCreated, up)
}

func (a *API) listConfigurations(w http.ResponseWriter, r *http.Request) error {
	all, err := a.configs.List(r.Context(), r.PathValue("mailbox"))
	if err != nil {
		return err
	}
	if all == nil {
		all = []configurations.Version{}
	}
	return ok(w, http.StatusOK, map[string]any{"configurations": all})
}

// configuration is the text of one, as it was put.
func (a *API) configuration(w http.ResponseWriter, r *http.Request) error {
	ref, err := configurations.ParseRef(r.PathValue("reference"))
	if err != nil {
		return err
	}
	v, text, err := a.configs.Get(r.Context(), r.PathValue("mailbox"), ref)
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Code == configurations.CodeUnknown {
		return fault.New(CodeNoConfiguration, "%w", err)
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/yaml")
	w.Header().Set("Content-Disposition", `attachment; filename="`+v.Name+`.yaml"`)
	w.Header().Set("Sage-Configuration", v.Ref().String())
	_, _ = w.Write(text) // who asked is gone
	return nil
}
