package api_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/producer/access"
)

// A file that takes longer than the server gives an answer is answered all the same.
func TestLongUploadsAreAnswered(t *testing.T) {
	t.Parallel()
	f := dirFleet(t)
	server := httptest.NewUnstartedServer(f.server.Config.Handler)
	server.Config.WriteTimeout = 100 * time.Millisecond
	server.Start()
	t.Cleanup(server.Close)
	form, kind := form(part{field: "mailbox", text: "ventas"}, part{field: "configuration", text: config}, part{field: "file", file: "c.csv", text: data})
	body, sent := io.Pipe()
	go func() {
		time.Sleep(3 * server.Config.WriteTimeout)
		_, err := io.Copy(sent, form)
		_ = sent.CloseWithError(err)
	}()
	request, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+"/v1/executions", body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+f.token(t, access.Submitter, "ventas"))
	request.Header.Set("Content-Type", kind)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusAccepted {
		t.Errorf("%s %s: %v", answer.Status, text, err)
	}
}
