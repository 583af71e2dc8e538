package api_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/trace"
)

// TestTraceIsTheCallers: an execution belongs to the trace of the request that submitted
// it, and so does what is logged; a header that is no trace is nobody's.
func TestTraceIsTheCallers(t *testing.T) {
	t.Parallel()
	const id = "0af7651916cd43dd8448eb211c80319c"
	f := dirFleet(t)
	token := f.token(t, access.Submitter, "ventas")
	tests := map[string]struct{ header, trace string }{
		"traced":   {"00-" + id + "-b7ad6b7169203331-01", id},
		"zeroes":   {"00-00000000000000000000000000000000-b7ad6b7169203331-01", ""},
		"untraced": {"", ""},
	}
	for name, tt := range tests {
		body, kind := form(part{field: "mailbox", text: "ventas"}, part{field: "execution_id", text: name},
			part{field: "configuration", file: "c.yaml", text: config}, part{field: "file", file: "c.csv", text: data})
		logs := &bytes.Buffer{}
		r := httptest.NewRequestWithContext(zerolog.New(logs).WithContext(t.Context()), http.MethodPost, "/v1/executions", body)
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", kind)
		if tt.header != "" {
			r.Header.Set("Traceparent", tt.header)
		}
		w := httptest.NewRecorder()
		if f.server.Config.Handler.ServeHTTP(w, r); w.Code != http.StatusAccepted {
			t.Fatalf("%s: %d %s", name, w.Code, w.Body)
		}
		var line struct{ Message, Execution, Trace string }
		if err := json.Unmarshal(logs.Bytes(), &line); err != nil || line.Message != "accepted" || line.Execution != name || line.Trace != tt.trace {
			t.Errorf("%s: logged %s, %v, want the trace %q", name, logs, err, tt.trace)
		}
		found, waits, err := queue.Find(t.Context(), f.js, execution.Key{Mailbox: "ventas", ID: name, Generation: 1})
		if err != nil || !waits {
			t.Fatalf("%s doesn't wait: %v", name, err)
		}
		if got := trace.ID(trace.Continue(t.Context(), found.Request.Trace)); got != tt.trace {
			t.Errorf("%s is published in trace %q, want %q", name, got, tt.trace)
		}
	}
}
