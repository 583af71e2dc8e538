package console

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/storage/storagetest"
)

// Whoever is shown a result is told of before; who only asks how large it is sees
// nothing.
func TestViewsAreTold(t *testing.T) {
	t.Parallel()
	js, objects := bustest.Start(t), storagetest.Dir(t)
	o := execution.Outcome{Key: execution.Key{Mailbox: "ventas", ID: "e1", Generation: 1}, Kind: execution.Succeeded, Attempt: execution.NewAttemptID(1),
		Number: 1, Executor: execution.OnWorker, RequestDigest: strings.Repeat("0", 64), Finished: time.Now().UTC()}
	if _, err := outcome.New(objects).Commit(t.Context(), o, []outcome.Data{{Name: reportFile, Bytes: []byte("<p>")}}); err != nil {
		t.Fatal(err)
	}
	c := New(Parts{Access: operator, JS: js, Objects: objects})
	told := func() uint64 {
		stream, err := js.Stream(t.Context(), bus.StreamEvents)
		if err != nil {
			t.Fatal(err)
		}
		return stream.CachedInfo().State.Msgs
	}
	for _, tt := range []struct {
		method, path string
		status       int
		told         uint64
	}{
		{http.MethodHead, "/executions/ventas/e1/report", http.StatusOK, 0},
		{http.MethodGet, "/executions/ventas/e2/report", http.StatusNotFound, 0},
		{http.MethodGet, "/executions/ventas/e1/report", http.StatusOK, 1},
		{http.MethodGet, "/executions/ventas/e1/report", http.StatusOK, 2},
	} {
		w := httptest.NewRecorder()
		c.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), tt.method, tt.path, nil))
		if got := told(); w.Code != tt.status || got != tt.told {
			t.Errorf("%s %s: %d, and %d views are told; want %d and %d", tt.method, tt.path, w.Code, got, tt.status, tt.told)
		}
	}
}
