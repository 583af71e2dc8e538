package lambdalocal_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/deploy/lambdalocal"
)

// speak is a runtime that says what no well-behaved one would. It writes the
// status of each answer it gets to its log.
func speak(script string) {
	base := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/"
	next := func() string {
		response, err := http.Get(base + "invocation/next")
		if err != nil {
			os.Exit(1)
		}
		defer response.Body.Close()
		io.Copy(io.Discard, response.Body)
		return response.Header.Get("Lambda-Runtime-Aws-Request-Id")
	}
	post := func(path, body string, trailer http.Header) {
		request, err := http.NewRequest(http.MethodPost, base+path, io.MultiReader(strings.NewReader(body)))
		if err != nil {
			panic(err)
		}
		request.Trailer = trailer
		if response, err := http.DefaultClient.Do(request); err == nil {
			fmt.Println("status", response.StatusCode)
			response.Body.Close()
		}
	}
	switch script {
	case "init error":
		post("init/error", `{"errorType":"Config.Missing","errorMessage":"no bucket"}`, nil)
	case "init error, then hang":
		post("init/error", `{"errorType":"Config.Missing","errorMessage":"no bucket"}`, nil)
		select {}
	case "next without answer":
		next()
		next()
	case "no description":
		post("invocation/"+next()+"/error", "oops", nil)
	case "another's answer":
		id := next()
		post("invocation/none/response", `"stolen"`, nil)
		post("invocation/"+id+"/response", `"mine"`, nil)
	case "answer twice":
		id := next()
		post("invocation/"+id+"/response", `"first"`, nil)
		post("invocation/"+id+"/response", `"second"`, nil)
	case "answer, then hang":
		post("invocation/"+next()+"/response", `"done"`, nil)
		select {}
	case "fail in the middle":
		post("invocation/"+next()+"/response", `"half`, http.Header{
			"Lambda-Runtime-Function-Error-Type": {"Stream.Broken"},
			"Lambda-Runtime-Function-Error-Body": {base64.StdEncoding.EncodeToString([]byte(`{"errorType":"Stream.Broken"}`))},
		})
	}
	next() // ready for more
}

func TestRuntimeAPI(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		failed  bool
		payload string
		log     string
	}{
		"init error":            {true, "Config.Missing", "Error Type: Config.Missing"},
		"init error, then hang": {true, "no bucket", "Error Type: Config.Missing"},
		"next without answer":   {true, "Runtime.InvalidState", "Status: error"},
		"no description":        {true, "oops", "Error Type: Runtime.Unknown"},
		"another's answer":      {false, `"mine"`, "status 400\nstatus 202"},
		"answer twice":          {false, `"first"`, "status 202\nstatus 400"},
		"answer, then hang":     {false, `"done"`, "status 202"},
		"fail in the middle":    {true, "Stream.Broken", "Error Type: Stream.Broken"},
	}
	for script, tt := range tests {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			_, client := start(t, lambdalocal.Config{
				Env: []string{"RUNTIME=" + script, "GORACE=atexit_sleep_ms=0"}, Timeout: 2 * time.Second,
			})
			out, err := invoke(t, client, order{})
			if err != nil {
				t.Fatal(err)
			}
			if (out.FunctionError != nil) != tt.failed || !strings.Contains(string(out.Payload), tt.payload) {
				t.Errorf("payload %s, failed %v, want %s, %v", out.Payload, out.FunctionError != nil, tt.payload, tt.failed)
			}
			if log := tail(t, out); !strings.Contains(log, tt.log) {
				t.Errorf("log %q lacks %q", log, tt.log)
			}
		})
	}
}

// TestStrangerSpeaks: whoever isn't a live environment gets no work.
func TestStrangerSpeaks(t *testing.T) {
	t.Parallel()
	service, _ := start(t, lambdalocal.Config{})
	response, err := awshttpClient(t).Get(service.URL() + "/env/99/2018-06-01/runtime/invocation/next")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusForbidden {
		t.Errorf("status %d", response.StatusCode)
	}
}

func BenchmarkWarmInvoke(b *testing.B) {
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	service, err := lambdalocal.Listen(lambdalocal.Config{Command: []string{exe}})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- service.Run(b.Context()) }()
	b.Cleanup(func() { <-done })
	client := http.Client{Transport: &http.Transport{}}
	b.Cleanup(client.CloseIdleConnections)
	b.ReportAllocs()
	for b.Loop() { // per invocation
		response, err := client.Post(service.URL()+"/2015-03-31/functions/sage/invocations", "application/json", nil)
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
}
