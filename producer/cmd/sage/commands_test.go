package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/queue"
)

func TestHelp(t *testing.T) {
	t.Parallel()
	var results []result
	for _, args := range [][]string{nil, {"submit", "--help"}, {"fetch", "--help"}} {
		results = append(results, sage(t.Context(), args...))
	}
	compare(t, "help.golden", results...)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	compare(t, "check.golden", sage(t.Context(), "check", goodConfig), sage(t.Context(), "check", "testdata/wrong.yaml"))
	for file, want := range map[string]int{goodConfig: 0, "testdata/wrong.yaml": 2} {
		r := sage(t.Context(), "check", file, "--json")
		var issues []map[string]any
		if err := json.Unmarshal([]byte(r.stdout), &issues); err != nil || len(issues) != want {
			t.Errorf("%s: %q (%v), want %d issues", file, r.stdout, err, want)
		}
	}
}

func TestProvision(t *testing.T) {
	t.Parallel()
	server := bustest.Run(t)
	var results []result
	for _, args := range [][]string{{"backlog"}, {"admin", "provision"}, {"admin", "provision", "--apply"}, {"admin", "provision"}} {
		r := sage(t.Context(), append(args, "--nats", server.Config.URL)...)
		r.args = args
		results = append(results, r)
	}
	js := server.Connect(t, "test")
	stream, err := js.Stream(t.Context(), bus.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	drifted := stream.CachedInfo().Config
	drifted.MaxAge = time.Hour
	if _, err := js.UpdateStream(t.Context(), drifted); err != nil {
		t.Fatal(err)
	}
	synced, err := js.Stream(t.Context(), "KV_"+bus.BucketState)
	if err != nil {
		t.Fatal(err)
	}
	before := synced.CachedInfo().Config
	before.PersistMode = jetstream.DefaultPersistMode // as it was provisioned by earlier releases
	if err := js.DeleteStream(t.Context(), before.Name); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"admin", "provision"}, {"admin", "provision", "--apply"}, {"backlog"},
		{"admin", "provision", "--apply", "--anew"}, {"admin", "provision"}} {
		r := sage(t.Context(), append(args, "--nats", server.Config.URL)...)
		r.args = args
		results = append(results, r)
	}
	compare(t, "provision.golden", results...)
}

// As JSON the same is told, with the same exit codes.
func TestProvisionJSON(t *testing.T) {
	t.Parallel()
	server := bustest.Run(t)
	for _, tt := range []struct {
		flags          []string
		code           int
		differ, gotten bool
	}{{nil, exitDiffers, true, false}, {[]string{"--apply"}, exitOK, true, true}, {nil, exitOK, false, false}} {
		r := sage(t.Context(), append([]string{"admin", "provision", "--json", "--nats", server.Config.URL}, tt.flags...)...)
		var p provisioned
		if err := json.Unmarshal([]byte(r.stdout), &p); err != nil || r.code != tt.code || (len(p.Differences) > 0) != tt.differ || (len(p.Applied) > 0) != tt.gotten {
			t.Errorf("%q: exit %d, %s, %v", tt.flags, r.code, r.stdout, err)
		}
	}
}

func TestBacklog(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.sage(t, exitOK, "submit", goodConfig, file(t, "a.csv", csvData))
	compare(t, "backlog.golden", f.sage(t, exitOK, "backlog"))
	r := f.sage(t, exitOK, "backlog", "--json")
	var b queue.Backlog
	if err := json.Unmarshal([]byte(r.stdout), &b); err != nil || b != (queue.Backlog{Waiting: 1}) {
		t.Errorf("printed %q: %v", r.stdout, err)
	}
}

func TestStatusOfWhatIsUnknown(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	compare(t, "unknown.golden", f.sage(t, exitFailed, "status", "e1"), f.sage(t, exitFailed, "status", "../x"))
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	t.Parallel()
	nowhere := "nats://127.0.0.1:1"
	store := "file://" + filepath.ToSlash(t.TempDir())
	tests := map[string]struct {
		args []string
		says string
	}{
		"no storage":       {[]string{"status", "e1"}, "set STORAGE_URL, or give --storage"},
		"no such storage":  {[]string{"status", "e1", "--storage", "ftp://x"}, "[STORAGE_URL_INVALID]"},
		"no server":        {[]string{"backlog", "--nats", nowhere}, "[NATS_UNREACHABLE]"},
		"no server either": {[]string{"status", "e1", "--nats", nowhere, "--storage", store}, "[NATS_UNREACHABLE]"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			r := sage(t.Context(), tt.args...)
			if r.code != exitFailed || !strings.Contains(r.stderr, tt.says) {
				t.Errorf("exit code %d, said %q, want %q", r.code, r.stderr, tt.says)
			}
			if took := time.Since(begin); took > 2*connectPatience {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestWrongSettingsAreNamed(t *testing.T) {
	wrong := map[string]string{"NATS_DURABILITY": "fats", "QUEUE_ACK_WAIT": "soon", "NATS_REPLICAS": "three"}
	for name, value := range wrong {
		t.Setenv(name, value)
	}
	r := sage(t.Context(), "backlog")
	for name, value := range wrong {
		if says := "sage: " + name + " is \"" + value + "\" [SETTING_INVALID]\n  expected: "; r.code != exitFailed || !strings.Contains(r.stderr, says) {
			t.Errorf("exit code %d, said %q, want %q", r.code, r.stderr, says)
		}
	}
}

func TestTextsForPeople(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 12_345: "12 kB", 999_700: "1.0 MB", 5e9: "5.0 GB"} {
		if got := bytesText(n); got != want {
			t.Errorf("bytesText(%d) = %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 1234 * time.Microsecond: "1ms", 1234 * time.Millisecond: "1.2s", 61700 * time.Millisecond: "1m2s",
	} {
		if got := durationText(d); got != want {
			t.Errorf("durationText(%v) = %q, want %q", d, got, want)
		}
	}
	if got := printable("a\x1b[31mb\n"); got != "a\ufffd[31mb\ufffd" {
		t.Errorf("printable kept %q", got)
	}
}
