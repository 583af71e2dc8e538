package producer_test

import (
	"io"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/intake"
)

func published(t *testing.T, js jetstream.JetStream) uint64 {
	t.Helper()
	stream, err := js.Stream(t.Context(), bus.StreamExecutions)
	if err != nil {
		t.Fatal(err)
	}
	return stream.CachedInfo().State.Msgs
}

func TestSubmitAgainIsHarmless(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	first, err := f.producer.Submit(t.Context(), submission())
	if err != nil {
		t.Fatal(err)
	}
	second, err := f.producer.Submit(t.Context(), submission())
	if err != nil {
		t.Fatal(err)
	}
	// It may stand on the queue twice: its key makes that one execution.
	if first.Digest() != second.Digest() || first.Key() != second.Key() || published(t, f.js) == 0 {
		t.Errorf("%d messages, %s with digest %s and %s with digest %s", published(t, f.js),
			first.Key(), first.Digest(), second.Key(), second.Digest())
	}
	stored, err := intake.Request(t.Context(), f.objects, "m", "e1")
	if err != nil || stored.Digest() != first.Digest() {
		t.Errorf("stored %+v: %v", stored, err)
	}
}

func TestSubmitRefusesOtherContentUnderTheSameID(t *testing.T) {
	t.Parallel()
	others := map[string]func(*producer.Submission){
		"configuration": func(s *producer.Submission) { s.Config = []byte("sage_yaml: {name: x}") },
		"content":       func(s *producer.Submission) { s.Files[0] = text("a.csv", "id\n2\n") },
		"name":          func(s *producer.Submission) { s.Files[0] = text("b.csv", "id\n1\n") },
		"more files":    func(s *producer.Submission) { s.Files = append(s.Files, text("b.csv", "")) },
	}
	f := newFleet(t)
	if _, err := f.producer.Submit(t.Context(), submission()); err != nil {
		t.Fatal(err)
	}
	for name, change := range others {
		t.Run(name, func(t *testing.T) {
			s := submission()
			change(&s)
			_, err := f.producer.Submit(t.Context(), s)
			if fault.CodeOf(err) != execution.CodeConflict || !fault.IsPermanent(err) {
				t.Errorf("%v, want a permanent %s", err, execution.CodeConflict)
			}
		})
	}
	if n := published(t, f.js); n != 1 {
		t.Errorf("%d messages", n)
	}
}

func TestSubmitSendsALargeConfigurationByReference(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	s := submission()
	s.Config = []byte("#" + strings.Repeat("x", execution.MaxInlineConfig))
	r, err := f.producer.Submit(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	key, ok := strings.CutPrefix(r.Config.URI, f.objects.URL()+"/")
	if !ok || r.Config.Text != "" {
		t.Fatalf("the configuration is at %q", r.Config.URI)
	}
	body, err := f.objects.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = body.Close() }()
	if stored, err := io.ReadAll(body); err != nil || string(stored) != string(s.Config) {
		t.Errorf("%d bytes are stored: %v", len(stored), err)
	}
}

func TestSubmitRefusesAFileThatChangesMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	s := submission()
	content := "1"
	s.Files = []producer.File{{Name: "a.csv", Open: func() (io.ReadCloser, error) {
		defer func() { content += "1" }()
		return io.NopCloser(strings.NewReader(content)), nil
	}}}
	if _, err := f.producer.Submit(t.Context(), s); fault.CodeOf(err) != "INPUT_CHANGED" {
		t.Errorf("%v, want INPUT_CHANGED", err)
	}
	if n := published(t, f.js); n != 0 {
		t.Errorf("%d messages", n)
	}
}

func TestSubmitMakesUpIDsThatDiffer(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		id := producer.NewID()
		if err := execution.ValidateID(id); err != nil || seen[id] {
			t.Fatalf("%s: %v, seen %v", id, err, seen[id])
		}
		seen[id] = true
	}
}
