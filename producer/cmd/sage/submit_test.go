package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/intake"
)

func TestAnExecutionFromSubmissionToItsFiles(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	data := file(t, "clean.csv", csvData)
	submit := f.sage(t, exitOK, "submit", goodConfig, data, "--id", "e1", "--mailbox", "sales")
	waiting := f.sage(t, exitOK, "status", "e1", "--mailbox", "sales")
	early := f.sage(t, exitFailed, "fetch", "e1", "--mailbox", "sales", "--to", t.TempDir())
	f.work(t)
	again := f.sage(t, exitOK, "submit", goodConfig, data, "--id", "e1", "--mailbox", "sales", "--wait")
	ended := f.sage(t, exitOK, "status", "e1", "--mailbox", "sales")
	fetched := f.sage(t, exitOK, "fetch", "e1", "--mailbox", "sales", "--to", t.TempDir())
	other := f.sage(t, exitFailed, "submit", goodConfig, file(t, "other.csv", csvData), "--id", "e1", "--mailbox", "sales")
	again.stderr = "" // which steps are seen is a matter of timing
	compare(t, "execution.golden", submit, waiting, early, again, ended, fetched, other)
}

func TestSubmitAndWaitTellsTheEndByItsExitCode(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.work(t)
	tests := map[string]struct {
		file string
		code int
		kind execution.Kind
	}{
		"no errors":      {"clean.csv", exitOK, execution.Succeeded},
		"errors in data": {"dirty.csv", exitDataErrors, execution.Succeeded},
		"dead":           {"broken.csv", exitDead, execution.Dead},
		"after a retry":  {"flaky.csv", exitOK, execution.Succeeded},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id, _, _ := strings.Cut(tt.file, ".")
			data := file(t, tt.file, csvData)
			r := f.sage(t, tt.code, "submit", goodConfig, data, "--id", id, "--wait", "--json")
			var s producer.Status
			if err := json.Unmarshal([]byte(r.stdout), &s); err != nil {
				t.Fatalf("%v in %q", err, r.stdout)
			}
			if s.State != tt.kind.Terminal() || s.ID != id || s.Mailbox != "general" {
				t.Errorf("printed %+v", s)
			}
			if !strings.HasPrefix(r.stderr, "accepted "+id+"\n") {
				t.Errorf("standard error: %q", r.stderr)
			}
			r = f.sage(t, tt.code, "submit", goodConfig, data, "--id", id, "--wait")
			r.stderr = ""
			compare(t, "wait-"+id+".golden", r)
		})
	}
}

func TestWaitGivesUpAndSaysSo(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	data := file(t, "clean.csv", csvData)
	r := f.sage(t, exitTimeout, "submit", goodConfig, data, "--id", "e1", "--timeout", "50ms")
	compare(t, "timeout.golden", r)
	r = f.sage(t, exitTimeout, "submit", goodConfig, data, "--id", "e1", "--timeout", "50ms", "--json")
	var s producer.Status
	if err := json.Unmarshal([]byte(r.stdout), &s); err != nil || s.State != execution.Accepted {
		t.Errorf("printed %q: %v", r.stdout, err)
	}
}

func TestInterruptedWaitLeavesTheExecutionAlone(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.work(t)
	ctx, cancel := context.WithCancel(t.Context())
	data := file(t, "slow.csv", csvData)
	interrupted := make(chan result, 1)
	go func() {
		interrupted <- sage(ctx, "submit", goodConfig, data, "--id", "e1", "--wait",
			"--nats", f.server.Config.URL, "--storage", f.objects.URL())
	}()
	for sees := false; !sees; time.Sleep(20 * time.Millisecond) {
		s := sage(t.Context(), "status", "e1", "--json", "--nats", f.server.Config.URL, "--storage", f.objects.URL())
		sees = strings.Contains(s.stdout, `"state":"RUNNING"`)
	}
	cancel()
	r := <-interrupted
	if r.code != exitInterrupt || !strings.Contains(r.stderr, "sage: interrupted; the execution is ") {
		t.Errorf("exit code %d, %q", r.code, r.stderr)
	}
	r = f.sage(t, exitOK, "status", "e1")
	compare(t, "running.golden", r)
}

func TestSubmitPrintsWhatItStored(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	r := f.sage(t, exitOK, "submit", goodConfig, file(t, "a.csv", csvData), file(t, "b.csv", "id\n"), "--json", "--deadline", "1h")
	var a accepted
	if err := json.Unmarshal([]byte(r.stdout), &a); err != nil {
		t.Fatal(err)
	}
	request, err := intake.Request(t.Context(), f.objects, a.Mailbox, a.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Inputs) != 2 || a.Inputs[1].Filename != "b.csv" || a.State != execution.Accepted {
		t.Errorf("printed %+v", a)
	}
	if left := time.Until(request.Deadline); left < 59*time.Minute || left > time.Hour {
		t.Errorf("the deadline is in %v", left)
	}
	if request.Method != "cli" {
		t.Errorf("the method is %q", request.Method)
	}
}

func TestSubmitRefusesBeforeItStores(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	data, twin := file(t, "a.csv", csvData), file(t, "a.csv", csvData)
	tests := map[string]struct {
		args []string
		says string
	}{
		"configuration missing":   {[]string{"absent.yaml", data}, "absent.yaml: no such file or directory [FILE_UNREADABLE]"},
		"configuration wrong":     {[]string{"testdata/wrong.yaml", data}, "2 errors, 0 warnings; nothing was submitted"},
		"configuration empty":     {[]string{"-", data}, "[CONFIG_EMPTY]"},
		"data missing":            {[]string{goodConfig, "absent.csv"}, "absent.csv: no such file or directory [FILE_UNREADABLE]"},
		"data is a folder":        {[]string{goodConfig, "testdata"}, "testdata is no regular file [FILE_UNREADABLE]"},
		"one name twice":          {[]string{goodConfig, data, twin}, "have the same name"},
		"id is a path":            {[]string{goodConfig, data, "--id", "../../x"}, "[ID_INVALID]"},
		"mailbox is a wildcard":   {[]string{goodConfig, data, "--mailbox", "*"}, "[MAILBOX_INVALID]"},
		"class is a path":         {[]string{goodConfig, data, "--class", "a/b"}, "[REQUEST_FIELD]"},
		"deadline is no time":     {[]string{goodConfig, data, "--deadline", "soon"}, "neither a duration"},
		"deadline is in the past": {[]string{goodConfig, data, "--deadline=-5m"}, "neither a duration"},
		"timeout before now":      {[]string{goodConfig, data, "--timeout=-5s"}, "no time to wait"},
		"no data":                 {[]string{goodConfig}, "see `sage submit --help`"},
		"unknown flag":            {[]string{goodConfig, data, "--urgent"}, "unknown flag --urgent"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := f.sage(t, exitFailed, append([]string{"submit"}, tt.args...)...)
			if !strings.Contains(r.stderr, tt.says) || r.stdout != "" {
				t.Errorf("said %q and printed %q, want %q and nothing", r.stderr, r.stdout, tt.says)
			}
		})
	}
	for info, err := range f.objects.List(t.Context(), "inputs/general/") {
		if err != nil || strings.HasSuffix(info.Key, "/request.json") {
			t.Errorf("stored %s: %v", info.Key, err)
		}
	}
	stream, err := f.js.Stream(t.Context(), "EXECUTIONS")
	if err != nil {
		t.Fatal(err)
	}
	if n := stream.CachedInfo().State.Msgs; n != 0 {
		t.Errorf("%d messages were published", n)
	}
}
