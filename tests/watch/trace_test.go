package watch

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/sagefleet/sagefleet/shared/execution"
)

// traceOf is the id of the trace in which an execution was published.
func (s seen) traceOf(t *testing.T, k execution.Key) string {
	t.Helper()
	for _, span := range s.spans {
		if strings.HasPrefix(span.Name, "publish ") && slices.Contains(span.Attributes, attribute.String("sagefleet.execution", k.ID)) {
			return span.SpanContext.TraceID().String()
		}
	}
	t.Fatalf("no span in which %s was published", k)
	return ""
}

// tree draws the spans below parent, in the order they began.
func (s seen) tree(id string, parent trace.SpanID, indent string, b *strings.Builder) {
	var below []tracetest.SpanStub
	for _, span := range s.spans {
		if span.SpanContext.TraceID().String() == id && span.Parent.SpanID() == parent {
			below = append(below, span)
		}
	}
	slices.SortFunc(below, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	for _, span := range below {
		fmt.Fprintf(b, "%s%s (%s)\n", indent, span.Name, span.SpanKind)
		s.tree(id, span.SpanContext.SpanID(), indent+"  ", b)
	}
}

// delegated is the trace of an execution that went to a Lambda.
const delegated = `publish ventas (producer)
  process ventas (consumer)
    invoke sage (client)
      execute (server)
        fetch (internal)
        check (internal)
        commit (internal)
`

// TestTraceOfADelegatedExecution: from the publishing to the commit in the Lambda's own
// process, all in one trace.
func TestTraceOfADelegatedExecution(t *testing.T) {
	t.Parallel()
	s := fleet(t)
	id := s.traceOf(t, s.lambda)
	var b strings.Builder
	s.tree(id, trace.SpanID{}, "", &b)
	if b.String() != delegated {
		t.Errorf("the trace is\n%s, want\n%s", b.String(), delegated)
	}
	for inner, outer := range map[string]string{"fetch": "execute", "check": "execute", "commit": "execute", "execute": "invoke sage", "invoke sage": "process ventas"} {
		in, out := s.named(id, inner), s.named(id, outer)
		if len(in) != 1 || len(out) != 1 || in[0].StartTime.Before(out[0].StartTime) || in[0].EndTime.After(out[0].EndTime) || !in[0].EndTime.After(in[0].StartTime) {
			t.Errorf("%s isn't within %s: %v, %v", inner, outer, in, out)
		}
	}
}

// TestReadmesTrace: the picture has the spans of such a trace, nested as they are.
func TestReadmesTrace(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "```\npublish ")
	picture, _, closed := strings.Cut("publish "+rest, "```")
	if !ok || !closed {
		t.Fatal("README has no picture that begins with publish")
	}
	const branch = 3 // columns of "└─ "
	var b strings.Builder
	for line := range strings.Lines(picture) {
		name := strings.TrimLeft(line, " │├└─")
		depth := (utf8.RuneCountInString(line) - utf8.RuneCountInString(name)) / branch
		name, _, _ = strings.Cut(name, "  ")
		fmt.Fprintf(&b, "%s%s\n", strings.Repeat("  ", depth), name)
	}
	if got := kinds.ReplaceAllString(delegated, ""); b.String() != got {
		t.Errorf("README says\n%s, want\n%s", b.String(), got)
	}
}

// kinds are what a tree says of each span besides its name.
var kinds = regexp.MustCompile(` \(\w+\)`)

// TestTraceOnAWorker: the same, without a Lambda.
func TestTraceOnAWorker(t *testing.T) {
	t.Parallel()
	s := fleet(t)
	for _, k := range s.keys {
		var b strings.Builder
		id := s.traceOf(t, k)
		s.tree(id, trace.SpanID{}, "", &b)
		if strings.Contains(b.String(), "invoke") {
			continue
		}
		const want = `publish ventas (producer)
  process ventas (consumer)
    execute (internal)
      fetch (internal)
      check (internal)
      commit (internal)
`
		if b.String() != want {
			t.Errorf("the trace of %s is\n%s, want\n%s", k, b.String(), want)
		}
		return
	}
	t.Error("no worker executed anything")
}

// TestLogsNameTheTrace: every line about an execution, whoever logs it, names the trace
// in which it was published.
func TestLogsNameTheTrace(t *testing.T) {
	t.Parallel()
	s := fleet(t)
	ended := 0
	for line := range strings.Lines(s.logs) {
		var l struct{ Message, Mailbox, Execution, Trace string }
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if l.Execution == "" {
			continue
		}
		if l.Message == "execution succeeded" {
			ended++
		}
		k := execution.Key{Mailbox: l.Mailbox, ID: l.Execution, Generation: 1}
		if !slices.Contains(s.keys, k) || l.Trace != s.traceOf(t, k) {
			t.Errorf("%s: its trace is another", line)
		}
	}
	if ended != len(s.keys) {
		t.Errorf("%d lines say that an execution ended, want %d", ended, len(s.keys))
	}
}
