package api

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// pace gives what is read or written a time in which it has to go on: a grace, and
// what API_MIN_RATE takes for the bytes there were. So a file may take as long as it
// is large, and nobody holds a connection by a byte now and then.
type pace struct {
	control *http.ResponseController
	began   time.Time
	bytes   int64
	cfg     Config
}

func (a *API) newPace(w http.ResponseWriter) *pace {
	return &pace{control: http.NewResponseController(w), began: time.Now(), cfg: a.cfg}
}

func (p *pace) deadline() time.Time {
	return p.began.Add(p.cfg.Grace + time.Duration(float64(p.bytes)/float64(p.cfg.MinRate)*float64(time.Second)))
}

// pacedBody is the body of a request.
type pacedBody struct {
	io.ReadCloser
	*pace
}

// body returns the body of r, paced, and at most limit bytes of it. The server's time for
// an answer counts from before the body: what comes slowly would never be answered.
func (a *API) body(w http.ResponseWriter, r *http.Request, limit int64) io.ReadCloser {
	p := a.newPace(w)
	_ = p.control.SetWriteDeadline(time.Time{})
	return http.MaxBytesReader(w, pacedBody{r.Body, p}, limit)
}

func (b pacedBody) Read(p []byte) (int, error) {
	_ = b.control.SetReadDeadline(b.deadline()) // a connection that knows no deadlines has none
	n, err := b.ReadCloser.Read(p)
	b.bytes += int64(n)
	if errors.Is(err, io.EOF) { // what the answer takes is another matter
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// pacedWriter is an answer.
type pacedWriter struct {
	http.ResponseWriter
	*pace
}

func (w pacedWriter) Write(p []byte) (int, error) {
	_ = w.control.SetWriteDeadline(w.deadline())
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}
