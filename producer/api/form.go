package api

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/producer/configurations"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/spec"
)

const maxField = 4 << 10 // bytes of any field but the configuration

// form is a submission whose parts are being read, each once and in their order.
// Files go to storage as they arrive, so what says where they belong comes first.
type form struct {
	*API
	submission
	r       *http.Request
	called  string // the name of a configuration
	begun   bool   // a file was stored: mailbox and id are fixed
	seen    []string
	uploads []execution.Input
}

func (a *API) submitForm(w http.ResponseWriter, r *http.Request) error {
	f := &form{API: a, r: r}
	done, err := f.take(w)
	if err != nil {
		return err
	}
	return accepted(w, done)
}

// SubmitForm has the files of a form accepted for another handler, which answers.
// With an error it returns as much of the request as was read, with the text of the
// configuration, so that it need not be written again. See [Explain] for the error.
func (a *API) SubmitForm(w http.ResponseWriter, r *http.Request) (execution.Request, error) {
	f := &form{API: a, r: r}
	f.Method = "console"
	done, err := f.take(w)
	if err != nil {
		f.Config.Text = cmp.Or(f.called, string(f.config))
		return f.Request, err
	}
	f.ID, f.Mailbox = done.ID, done.Mailbox
	return f.Request, nil
}

// take reads the form, within what is allowed.
func (f *form) take(w http.ResponseWriter) (Accepted, error) {
	a, r := f.API, f.r
	if r.ContentLength > a.cfg.MaxUpload {
		return Accepted{}, &http.MaxBytesError{Limit: a.cfg.MaxUpload}
	}
	select {
	case a.uploads <- struct{}{}:
		defer func() { <-a.uploads }()
	default:
		return Accepted{}, fault.New(CodeBusy, "%d uploads are under way", a.cfg.Uploads).Advise("try again in a moment")
	}
	if err := a.room(r.Context()); err != nil {
		return Accepted{}, err
	}
	r.Body = a.body(w, r, a.cfg.MaxUpload)
	parts, err := r.MultipartReader()
	if err != nil {
		return Accepted{}, malformed(err)
	}
	stands, done, err := f.submit(parts)
	if _, named := errors.AsType[unclear](err); named {
		return done, err
	}
	a.discard(r.Context(), slices.DeleteFunc(slices.Clone(f.uploads), func(in execution.Input) bool {
		return err == nil && slices.ContainsFunc(stands.Inputs, func(s execution.Input) bool { return s.URI == in.URI })
	}))
	return done, err
}

func (f *form) submit(parts *multipart.Reader) (execution.Request, Accepted, error) {
	for n := 0; ; n++ {
		part, err := parts.NextPart()
		if err == io.EOF { //nolint:errorlint // wrapped, it says that the form has no end
			break
		}
		switch {
		case err != nil:
			err = malformed(err)
		case n > execution.MaxInputs+16:
			err = unfit("file", "there are too many parts", fmt.Sprintf("at most %d files", execution.MaxInputs))
		default:
			err = f.part(part)
		}
		if err != nil {
			return f.Request, Accepted{}, err
		}
	}
	if err := f.begin(); err != nil {
		return f.Request, Accepted{}, err
	}
	if f.called != "" {
		if err := f.named(f.r.Context(), &f.submission, f.called); err != nil {
			return f.Request, Accepted{}, err
		}
	}
	if f.config == nil {
		return f.Request, Accepted{}, unfit("configuration", "there is no configuration", "a part named configuration: a file, or the name of one that is kept")
	}
	f.Inputs = f.uploads
	return f.accept(f.r.Context(), f.submission)
}

// malformed gives errors of reading the form their code.
func malformed(err error) error {
	_, isTooLarge := errors.AsType[*http.MaxBytesError](err)
	if recoded := recode(err); isTooLarge || fault.CodeOf(recoded) != CodeInternal {
		return err
	}
	return fault.New(CodeMultipart, "the form can't be read: %w", err).Expecting("multipart/form-data, as curl -F sends it").Permanent()
}

// begin fixes where files belong, and asks whether they may be stored there.
func (f *form) begin() error {
	if f.begun {
		return nil
	}
	f.begun = true
	return f.name(f.r)
}

func (f *form) part(p *multipart.Part) error {
	name := p.FormName()
	switch name {
	case "file":
		if err := f.begin(); err != nil {
			return err
		}
		return f.file(p)
	case "configuration":
		return f.configurationPart(p)
	}
	if slices.Contains(f.seen, name) {
		return unfit(name, "it is given twice", "it once")
	}
	f.seen = append(f.seen, name)
	text, err := readField(p, name, maxField)
	if err != nil {
		return err
	}
	return f.field(name, strings.TrimSpace(string(text)))
}

func (f *form) field(name, value string) (err error) {
	switch name {
	case "mailbox", "execution_id":
		if f.begun {
			return unfit(name, "it comes after a file", "it before the files")
		}
		if name == "mailbox" {
			f.Mailbox = value
		} else {
			f.ID = value
		}
	case "sender":
		f.Sender = value
	case "method":
		f.Method = value
	case "class":
		f.Class = value
	case "deadline":
		if f.Deadline, err = time.Parse(time.RFC3339, value); err != nil {
			return unfit(name, "%.40q", "a time such as 2030-01-31T18:00:00Z", value)
		}
	default:
		return unfit(name, "there is no such field", "mailbox, execution_id, configuration, sender, method, class, deadline or file")
	}
	return nil
}

// configurationPart is a file, or what -F 'configuration=…' gives: the name of a
// configuration, or its text.
func (f *form) configurationPart(p *multipart.Part) error {
	text, err := readField(p, "configuration", spec.MaxBytes)
	switch {
	case err != nil:
		return err
	case len(text) == 0 && (f.config != nil || f.called != ""):
		return nil // a browser also sends the fields that were left empty
	case len(f.config) > 0 || f.called != "":
		return unfit("configuration", "it is given twice", "it once")
	}
	name := strings.TrimSpace(string(text))
	if _, err := configurations.ParseRef(name); err == nil && p.FileName() == "" {
		f.called, f.config = name, nil
		return nil
	}
	f.config = append([]byte{}, text...) // an empty one is one too
	return nil
}

func readField(p *multipart.Part, name string, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(p, limit+1))
	if err != nil {
		return nil, malformed(err)
	}
	if int64(len(text)) > limit {
		return nil, fault.New(CodeTooLarge, "%.40q has more than %d bytes", name, limit).Expecting("at most %d bytes", limit).Permanent()
	}
	return text, nil
}

// file stores one file as it arrives.
func (f *form) file(p *multipart.Part) error {
	_, disposition, err := mime.ParseMediaType(p.Header.Get("Content-Disposition"))
	if err != nil {
		return malformed(err)
	}
	name := disposition["filename"] // as it was sent: FileName would cut folders off
	if !execution.IsFilename(name) {
		return unfit("file", "%.80q", "a plain file name, without folders", name)
	}
	if slices.ContainsFunc(f.uploads, func(in execution.Input) bool { return in.Filename == name }) {
		return unfit("file", "two files are called %.80q", "different names", name)
	}
	in, err := f.producer.Upload(f.r.Context(), f.Mailbox, f.ID, name, &capped{r: p, left: f.cfg.MaxFile, name: name, limit: f.cfg.MaxFile})
	if err != nil {
		return err
	}
	f.uploads = append(f.uploads, in)
	if want := announced(p.Header.Get("Content-Digest")); want != "" && want != in.SHA256 {
		return digestDiffers(name, in.SHA256, want)
	}
	return nil
}

// announced is the SHA-256, in hex, of a Content-Digest as in RFC 9530.
func announced(header string) string {
	for item := range strings.SplitSeq(header, ",") {
		value, ok := strings.CutPrefix(strings.TrimSpace(item), "sha-256=:")
		if sum, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(value, ":")); ok && err == nil {
			return hex.EncodeToString(sum)
		}
	}
	return ""
}

// capped fails behind the limit, so that what is larger is never stored. Its errors
// are told from those of the store, which reads it.
type capped struct {
	r     io.Reader
	name  string
	limit int64
	left  int64
}

func (c *capped) Read(p []byte) (int, error) {
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.r.Read(p)
	if int64(n) > c.left {
		return n, fault.New(CodeTooLarge, "%.80q has more than %d bytes", c.name, c.limit).
			Expecting("at most %d bytes", c.limit).Advise("split it, or raise API_MAX_FILE_BYTES").Permanent()
	}
	c.left -= int64(n)
	if err != nil && err != io.EOF { //nolint:errorlint // wrapped, it is no end
		err = malformed(err)
	}
	return n, err
}
