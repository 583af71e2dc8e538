package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/sagefleet/sagefleet/deploy/lambdalocal"
)

// TestMain makes this binary the bootstrap that the command runs.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		lambda.Start(func() (string, error) { return os.Getenv("GREETING"), nil })
	}
	os.Exit(m.Run())
}

// TestRun: it says where it answers, answers there, and says in the end what it did.
func TestRun(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GREETING", "hola")
	for name, asJSON := range map[string]bool{"text": false, "JSON": true} {
		t.Run(name, func(t *testing.T) {
			r, w := io.Pipe()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			ended := make(chan error, 1)
			go func() {
				err := run(ctx, options{Function: "sage", Env: []string{"GREETING"}, JSON: asJSON, Bootstrap: []string{self}}, w, io.Discard)
				_ = w.CloseWithError(io.EOF)
				ended <- err
			}()
			said := bufio.NewReader(r)
			endpoint := endpointIn(t, said, asJSON)
			response, err := http.Post(endpoint+"/2015-03-31/functions/sage/invocations", "application/json", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if body, err := io.ReadAll(response.Body); err != nil || string(body) != `"hola"` {
				t.Errorf("answered %s, %v", body, err)
			}
			stop()
			rest, err := io.ReadAll(said)
			if err != nil {
				t.Fatal(err)
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if asJSON {
				var stats lambdalocal.Stats
				if err := json.Unmarshal(rest, &stats); err != nil || stats.Invocations != 1 || stats.ColdStarts != 1 {
					t.Errorf("%s: %v", rest, err)
				}
			} else if !bytes.Contains(rest, []byte("1 invocations, 0 with errors")) {
				t.Errorf("said %s", rest)
			}
		})
	}
}

// endpointIn reads what is said at the start, up to the endpoint.
func endpointIn(t *testing.T, said *bufio.Reader, asJSON bool) string {
	t.Helper()
	line, err := said.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if asJSON {
		var place struct{ Endpoint string }
		if err := json.Unmarshal([]byte(line), &place); err != nil {
			t.Fatal(err)
		}
		return place.Endpoint
	}
	if line, err = said.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(strings.TrimPrefix(line, "endpoint"))
}

func TestRefused(t *testing.T) {
	if err := run(t.Context(), options{Retries: 9, Bootstrap: []string{"x"}}, io.Discard, io.Discard); err == nil {
		t.Error("9 retries accepted")
	}
}
