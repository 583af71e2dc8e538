package console

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

const (
	liveEvery   = time.Second
	liveSettled = 10 * time.Second // of what doesn't change by itself
	// Browsers connect again by themselves. Then it is asked anew who they are.
	liveLife    = time.Minute
	livePing    = 15 * time.Second
	liveTimeout = 10 * time.Second // for a browser to take what is sent
)

func wantsStream(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Accept"), "text/event-stream")
}

// follow sends the live part of a page, at once and whenever it has changed.
func (c *Console) follow(w http.ResponseWriter, v *visit, p page) {
	t := templates[v.words.Code][p.name].Lookup("live")
	if t == nil {
		http.Error(w, http.StatusText(http.StatusNotAcceptable), http.StatusNotAcceptable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	send := func(text string) bool {
		_ = control.SetWriteDeadline(time.Now().Add(liveTimeout)) // what has none needs none
		_, err := w.Write([]byte(text))
		return err == nil && control.Flush() == nil
	}
	if !send("retry: 1000\n\n") {
		return
	}
	next := time.NewTicker(liveEvery)
	defer next.Stop()
	end := time.NewTimer(liveLife)
	defer end.Stop()
	var last []byte
	sent := time.Now()
	for {
		v.now = time.Now()
		var out bytes.Buffer
		body, err := p.view(v)
		if err == nil {
			err = t.Execute(&out, c.frame(v, p.name, body))
		}
		if err != nil { // the browser asks again, and may be told by the page itself
			zerolog.Ctx(v.Context()).Debug().Err(err).Str("page", p.name).Msg("live page ended")
			return
		}
		switch {
		case !bytes.Equal(out.Bytes(), last):
			if !send(fmt.Sprintf("event: live\ndata: %s\n\n", strings.ReplaceAll(out.String(), "\n", "\ndata: "))) {
				return
			}
			last, sent = bytes.Clone(out.Bytes()), v.now
		case v.now.Sub(sent) >= livePing:
			if !send(":\n\n") {
				return
			}
			sent = v.now
		}
		if s, ok := body.(interface{ Settled() bool }); ok && s.Settled() {
			next.Reset(liveSettled)
		}
		select {
		case <-next.C:
		case <-end.C:
			return
		case <-c.closing:
			return
		case <-v.Context().Done():
			return
		}
	}
}
