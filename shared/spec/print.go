package spec

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Colours of a terminal; the empty ones are for everything else.
type palette struct{ err, warning, caret, bold, reset string }

var (
	colours = palette{"\x1b[31m", "\x1b[33m", "\x1b[32m", "\x1b[1m", "\x1b[0m"}
	plain   palette
)

// Print writes issues as compilers do: place, severity, message and code, then
// the line of the source with a caret under the place.
func Print(w io.Writer, source []byte, issues Issues, color bool) error {
	p := plain
	if color {
		p = colours
	}
	lines := rulerOf(string(source))
	var b strings.Builder
	for _, issue := range issues {
		p.issue(&b, issue, lines)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (p palette) issue(b *strings.Builder, issue Issue, text *ruler) {
	tone := p.err
	if issue.Severity == Warning {
		tone = p.warning
	}
	place := printable(issue.File) + ":"
	if issue.Line > 0 {
		place += fmt.Sprintf("%d:%d:", issue.Line, issue.Column)
	}
	fmt.Fprintf(b, "%s%s%s %s%s:%s %s [%s]\n", p.bold, place, p.reset, tone, issue.Severity, p.reset, printable(issue.Message), issue.Code)
	if issue.Line >= 1 && issue.Line <= len(text.lines) {
		line, caret := window(text, issue.Line-1, issue.Column)
		fmt.Fprintf(b, "  %s\n  %s%s^%s\n", line, strings.Repeat(" ", caret), p.caret, p.reset)
	}
	if issue.Expected != "" {
		fmt.Fprintf(b, "  expected: %s\n", printable(issue.Expected))
	}
	if issue.Hint != "" {
		fmt.Fprintf(b, "  hint: %s\n", printable(issue.Hint))
	}
}

// window returns the part of line i around a column that fits a terminal, and how
// many characters of it come before the column.
func window(text *ruler, i, column int) (part string, before int) {
	const width, margin = 110, 70
	length := text.length(i)
	before = min(max(column-1, 0), length)
	if length <= width {
		return printable(text.lines[i]), before
	}
	from := max(0, min(before-margin, length-width))
	part = printable(cut(text.rest(i, from), width))
	before -= from
	if from > 0 {
		part = "…" + part
		before++
	}
	if from+width < length {
		part += "…"
	}
	return part, before
}

// printable keeps what a configuration says from steering the terminal it is
// shown on. Every character stays one character, for the caret's sake.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return '\ufffd'
		default:
			return r
		}
	}, s)
}

// WriteJSON writes issues as a JSON array, for programs. It is [] when there are none.
func WriteJSON(w io.Writer, issues Issues) error {
	if issues == nil {
		issues = Issues{}
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(issues)
}
