package console

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/outcome"
)

// reportFile is the result that people read.
const reportFile = "report.html"

// sandbox is what a browser lets a report do: show itself, in a page of the console.
const sandbox = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"

// serveReport shows the report in a frame.
func (c *Console) serveReport(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", sandbox)
	c.serveResult(w, r, reportFile, "text/html; charset=utf-8", "inline")
}

// serveFile downloads a result. No browser shows it as a page of the console.
func (c *Console) serveFile(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", "sandbox; default-src 'none'")
	c.serveResult(w, r, r.PathValue("name"), "application/octet-stream", "attachment")
}

var errNoFile = fault.New("FILE_UNKNOWN", "the execution has no such file").Advise("choose one on its page")

// serveResult sends a result, once it is stored who saw it.
func (c *Console) serveResult(w http.ResponseWriter, r *http.Request, name, kind, disposition string) {
	v, mailbox, id := newVisit(r), r.PathValue("mailbox"), r.PathValue("id")
	body, size, err := c.openResult(v, mailbox, id, name, r.Method != http.MethodHead)
	if err != nil {
		w.Header().Set("Content-Security-Policy", policy)
		c.fail(w, v, err)
		return
	}
	defer func() { _ = body.Close() }()
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	h.Set("Content-Disposition", mime.FormatMediaType(disposition, map[string]string{"filename": id + "-" + name}))
	if r.Method == http.MethodHead {
		return
	}
	if _, err := io.Copy(w, body); err != nil {
		zerolog.Ctx(v.Context()).Debug().Err(err).Msg("file not sent whole")
	}
}

// openResult opens a result. What is seen of it is told before it is.
func (c *Console) openResult(v *visit, mailbox, id, name string, seen bool) (io.ReadCloser, int64, error) {
	if err := v.who.Require(access.Viewer, mailbox); err != nil {
		return nil, 0, err
	}
	outcomes := outcome.New(c.parts.Objects)
	o, err := outcomes.Last(v.Context(), mailbox, id)
	if errors.Is(err, outcome.ErrNone) {
		return nil, 0, errNoFile
	}
	if err != nil {
		return nil, 0, err
	}
	for _, f := range o.Files {
		if f.Name == name && execution.IsFilename(name) {
			if seen {
				if err := producer.TellViewed(v.Context(), c.events, o.Key, v.who.Actor(), name); err != nil {
					return nil, 0, err
				}
			}
			body, err := outcomes.Open(v.Context(), o, name)
			return body, f.Size, err
		}
	}
	return nil, 0, errNoFile
}
