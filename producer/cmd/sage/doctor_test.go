package main

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/sagefleet/sagefleet/deploy/lambdalocal"
	"github.com/sagefleet/sagefleet/producer/doctor"
)

// spaces is how full the disk is, which depends on the machine.
var spaces = regexp.MustCompile(`(?m)^\w+ +storage\.space .*\n( +→ .*\n)?`)

// judged is what `sage doctor --json` says of one check.
func judged(t *testing.T, r result, check string) []doctor.Finding {
	t.Helper()
	var found []doctor.Finding
	for line := range strings.Lines(r.stdout) {
		var f doctor.Finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if f.Check == check {
			found = append(found, f)
		}
	}
	return found
}

func TestDoctor(t *testing.T) {
	f := newFleet(t)
	t.Setenv("STORAGE_URL", f.objects.URL())
	t.Setenv("QUEUE_ACK_WAIT", f.server.Config.AckWait.String())
	t.Setenv("EVENTS_MAX_AGE", f.server.Config.EventsMaxAge.String())
	r := f.sage(t, exitOK, "doctor", "--mailbox", "ventas")
	r.stdout = spaces.ReplaceAllString(r.stdout, "")
	for pattern, by := range map[string]string{`[0-9.]+[µm]?s\b`: "DURATION", `nats-server [0-9.]+`: "nats-server VERSION", `\d+ variables? set`: "N variables set",
		`\n\d+ ok, .*\n`: "\nCOUNTS\n"} {
		r.stdout = regexp.MustCompile(pattern).ReplaceAllString(r.stdout, by)
	}
	compare(t, "doctor.golden", r)
	f.sage(t, exitRefused, "doctor", "--strict") // nobody works
	r = f.sage(t, exitOK, "doctor", "--json")
	if found := judged(t, r, "fleet.workers"); len(found) != 1 || found[0].Status != doctor.Warn || found[0].Do == "" {
		t.Errorf("%+v", found)
	}

	t.Setenv("EVENTS_MAX_AGE", "never")
	t.Setenv("LAMBDA_FUNCTON", "sage")
	r = f.sage(t, exitRefused, "doctor", "--json")
	found := judged(t, r, "configuration")
	if len(found) != 2 || found[0].Status != doctor.Warn || found[0].Do != "was LAMBDA_FUNCTION meant?" || found[1].Code != "SETTING_INVALID" {
		t.Errorf("%+v", found)
	}
}

func TestDoctorAsksTheLambda(t *testing.T) {
	f := newFleet(t)
	service, err := lambdalocal.Listen(lambdalocal.Config{Command: []string{"/bin/false"}}) // it is never started
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for function, want := range map[string]doctor.Status{"sage": doctor.OK, "other": doctor.Fail} {
		t.Setenv("LAMBDA_FUNCTION", function)
		t.Setenv("LAMBDA_ENDPOINT", service.URL())
		found := judged(t, sage(t.Context(), "doctor", "--json", "--nats", f.server.Config.URL), "lambda")
		if len(found) != 1 || found[0].Status != want {
			t.Errorf("%s: %+v", function, found)
		}
	}
	t.Setenv("LAMBDA_ENDPOINT", "http://127.0.0.1:1")
	found := judged(t, sage(t.Context(), "doctor", "--json", "--nats", f.server.Config.URL), "lambda")
	if len(found) != 1 || found[0].Code != codeLambda || found[0].Do == "" {
		t.Errorf("%+v", found)
	}
}

func TestMeantVariables(t *testing.T) {
	t.Parallel()
	known := []string{"NATS_URL", "LAMBDA_FUNCTION", "TZ"}
	for name, want := range map[string]string{"NATS_URI": "NATS_URL", "LAMBDA_FUNCTON": "LAMBDA_FUNCTION", "NATS_PORT": "", "PATH": "", "NATS_URL": "",
		"LAMBDA_TASK_ROOT": ""} {
		if got := meant(name, known); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
