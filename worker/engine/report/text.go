package report

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/worker/engine"
)

// Text renders results.txt.
func (r *Report) Text() []byte {
	l := r.text()
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s: %s\n", l.title, oneLine(r.Info.Data))
	fmt.Fprintf(&b, "%s: %s\n", l.status, l.statuses[r.Status()])
	fmt.Fprintf(&b, "%s: %d\n%s: %d\n%s: %d\n", l.records, r.Result.Records, l.errors, r.Errors(), l.warnings, r.Result.Warnings)
	fmt.Fprintf(&b, "%s: %.2f %%\n", l.rate, r.successRate())
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "\n%s: %s\n", l.problems, oneLine(l.fault(p)))
	}
	for i := range r.Result.Notes {
		fmt.Fprintf(&b, "\n%s: %s\n", l.noteWord, oneLine(l.noteText(&r.Result.Notes[i])))
	}
	if len(r.Result.Findings) == 0 && len(r.Problems) == 0 {
		fmt.Fprintf(&b, "\n%s\n", l.noFindings)
	}
	for i := range r.Result.Findings {
		l.writeFinding(&b, &r.Result.Findings[i])
	}
	return b.Bytes()
}

func (l *language) writeFinding(b *bytes.Buffer, f *engine.Finding) {
	fmt.Fprintf(b, "\n[%s] %s", l.severities[f.Severity], oneLine(l.message(f)))
	if f.File != "" {
		fmt.Fprintf(b, " (%s)", oneLine(f.File))
	}
	fmt.Fprintf(b, ": %d\n", f.Count)
	if f.Rule != nil {
		fmt.Fprintf(b, "  %s: %s\n", l.rule, oneLine(f.Rule.Source))
	}
	if f.Columns != nil {
		expected, found := l.columnCounts(f.Columns)
		fmt.Fprintf(b, "  %s: %s\n  %s: %s\n", l.expected, oneLine(expected), l.found, oneLine(found))
		for _, names := range l.columnNames(f.Columns) {
			fmt.Fprintf(b, "  %s\n", oneLine(names))
		}
	}
	if f.Found != "" {
		fmt.Fprintf(b, "  %s: %q\n", l.found, f.Found)
	}
	for _, d := range f.Details {
		fmt.Fprintf(b, "  %s", l.place(&d))
		if !d.Value.Null {
			fmt.Fprintf(b, ": %s", oneLine(d.Value.Text))
		}
		b.WriteByte('\n')
	}
	if total := max(f.Rows, f.Count); total > len(f.Details) && len(f.Details) > 0 {
		fmt.Fprintf(b, "  … "+l.listed+"\n", len(f.Details), total)
	}
}

// place names a row by its line, or by its number where lines mean nothing.
func (l *language) place(d *engine.Detail) string {
	if d.Line > 0 {
		return fmt.Sprintf("%s %d", strings.ToLower(l.line), d.Line)
	}
	return fmt.Sprintf("%s %d", strings.ToLower(l.row), d.Row)
}

// maxLine is how many characters of a value or a message a line of text shows.
const maxLine = 400

// oneLine keeps what comes from files from breaking the lines of a log, or from
// reaching a terminal as an escape sequence.
func oneLine(s string) string {
	n := 0
	return strings.Map(func(r rune) rune {
		n++
		switch {
		case n > maxLine:
			return -1
		case n == maxLine:
			return '…'
		case r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
			return ' '
		}
		return r
	}, s)
}

// logs renders output.log, with all events, and error.log, with the errors.
func (r *Report) logs() (output, errors []byte) {
	var all, bad bytes.Buffer
	for _, e := range r.events() {
		line := fmt.Sprintf("%s %-7s %s", e.Timestamp, strings.ToUpper(e.Severity), oneLine(e.Message))
		if count, ok := e.Details["count"]; ok {
			line += fmt.Sprintf(" (%v)", count)
		}
		all.WriteString(line + "\n")
		if e.Severity == "error" {
			bad.WriteString(line + "\n")
		}
	}
	return all.Bytes(), bad.Bytes()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }
