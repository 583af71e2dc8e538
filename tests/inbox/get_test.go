package inbox

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sagefleet/sagefleet/tests/process"
)

// get asks the process for what it shows of itself, where its log says; 0 when nobody answers.
func get(t *testing.T, p *process.Process, path string) (int, string) {
	t.Helper()
	for line := range strings.Lines(p.Tail(1 << 20)) {
		var said struct{ Message, Address string }
		if json.Unmarshal([]byte(line), &said) != nil || said.Message != "metrics are served" {
			continue
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+said.Address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, ""
		}
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return 0, ""
		}
		return res.StatusCode, string(body)
	}
	return 0, ""
}
