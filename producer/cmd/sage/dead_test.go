package main

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// refuse publishes what is no request, and waits for its dead letter.
func (f testFleet) refuse(t *testing.T, body string) (name string) {
	t.Helper()
	if _, err := f.js.Publish(t.Context(), bus.SubjectMailbox("general"), []byte(body)); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		for l, err := range queue.Letters(t.Context(), f.js, queue.LetterFilter{}) {
			if err != nil {
				t.Fatal(err)
			}
			if string(l.Data) == body {
				return l.Name
			}
		}
	}
	t.Fatal("it was not refused")
	return ""
}

func TestDead(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	empty := f.sage(t, exitOK, "dead", "list")
	var refused string
	t.Run("die", func(t *testing.T) { // the worker ends with it
		f.work(t)
		f.dies(t, "e1")
		f.dies(t, "e2")
		refused = f.refuse(t, "hola\x1b[31m")
	})
	f.sage(t, exitOK, "redrive", "e1", "--by", "ana")
	t.Run("die again", func(t *testing.T) {
		f.work(t)
		f.letter(t, "e1", 2)
	})
	dead := func(want int, args ...string) result { return f.sage(t, want, append([]string{"dead"}, args...)...) }
	first := dead(exitOK, "list", "--limit", "1")
	after := regexp.MustCompile(`--after (\d+)`).FindStringSubmatch(first.stderr)[1]
	compare(t, "dead.golden", empty, dead(exitOK, "list"), dead(exitOK, "list", "--all"), first, dead(exitOK, "list", "--after", after),
		dead(exitOK, "list", "--group"), dead(exitOK, "list", "--code", "CSV_QUOTE", "--since", "1h", "--mailbox", "general"),
		dead(exitOK, "list", "--mailbox", "other"), dead(exitFailed, "list", "--mailbox", ">"),
		dead(exitOK, "show", refused), dead(exitFailed, "show", "none"), dead(exitFailed, "show", "*"))
	if r := dead(exitOK, "show", refused, "--raw"); r.stdout != "hola\x1b[31m" {
		t.Errorf("--raw printed %q", r.stdout)
	}
	var l producer.WholeLetter
	if r := dead(exitOK, "show", "e1", "--json"); json.Unmarshal([]byte(r.stdout), &l) != nil || l.Generation != 2 || l.Code != "CSV_QUOTE" || l.Request == nil {
		t.Errorf("--json printed %q", r.stdout)
	}
	if r := dead(exitOK, "show", "e1", "--generation", "1"); !strings.Contains(r.stdout, "\nredriven  ") || !strings.Contains(r.stdout, `"execution_id": "e1"`) {
		t.Errorf("printed %q", r.stdout)
	}
}

func (f testFleet) letter(t *testing.T, id string, generation int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := queue.ReadLetter(t.Context(), f.js, "general", id, generation); err == nil {
			return
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func TestDeadExport(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.work(t)
	f.dies(t, "e1")
	refused := f.refuse(t, "hola")
	dir := filepath.Join(t.TempDir(), "letters")
	for range 2 { // again is harmless
		f.sage(t, exitOK, "dead", "export", "--to", dir)
	}
	files := folder(t, dir)
	lines := strings.Split(strings.TrimSpace(files["letters.jsonl"]), "\n")
	var l producer.WholeLetter
	if err := json.Unmarshal([]byte(lines[0]), &l); err != nil || l.Name != "e1" || l.Request != nil || len(lines) != 2 || len(files) != 3 {
		t.Errorf("%d files, letters.jsonl holds %q (%v)", len(files), files["letters.jsonl"], err)
	}
	if files["general."+refused+".0"] != "hola" || !strings.Contains(files["general.e1.1"], `"execution_id":"e1"`) {
		t.Errorf("the folder holds %v", files)
	}
	r := f.sage(t, exitOK, "dead", "export", "--code", "REQUEST_JSON")
	if err := json.Unmarshal([]byte(r.stdout), &l); err != nil || l.Name != refused || string(l.Bytes) != "hola" || l.Headers.Get("Sage-Code") != "REQUEST_JSON" {
		t.Errorf("printed %q: %v", r.stdout, err)
	}
}
