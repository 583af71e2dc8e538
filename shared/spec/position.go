package spec

import (
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// position is where a scalar stands in the file, and how it is written there.
type position struct {
	line, column int
	written      string // from the column to the end of the line; "" when the scalar stands on several
	style        yaml.Style
}

// lines splits a file where YAML ends a line: also at a lone \r, as a spreadsheet
// may write it, and at three characters of Unicode. The parser's lines are these.
func lines(text string) []string {
	var all []string
	start := 0
	for i := 0; i < len(text); i++ {
		if size := lineEnd(text[i:]); size > 0 {
			all = append(all, text[start:i])
			start = i + size
			i = start - 1
		}
	}
	return append(all, text[start:])
}

// lineEnd returns the bytes of the line end that text begins with, 0 if it doesn't.
func lineEnd(text string) int {
	switch text[0] {
	case '\n':
		return 1
	case '\r':
		if strings.HasPrefix(text, "\r\n") {
			return 2
		}
		return 1
	case "\u0085"[0], "\u2028"[0]:
		r, size := utf8.DecodeRuneInString(text)
		if r == '\u0085' || r == '\u2028' || r == '\u2029' {
			return size
		}
	}
	return 0
}

// Position returns the 1-based line and column, in characters, of a place in the
// rule's expression: of the expression's beginning when YAML spreads it over
// several lines.
func (r *Rule) Position(pos Pos) (line, column int) {
	w := r.where
	offset := min(max(int(pos), 0), len(r.Source))
	written, ok := w.offset(r.Source[:offset])
	if !ok {
		return w.line, w.column
	}
	return w.line, w.column + utf8.RuneCountInString(w.written[:written])
}

// place returns the position of a scalar.
func (r *reader) place(node *yaml.Node) position {
	p := position{line: node.Line, column: node.Column, style: node.Style & (yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle)}
	const blocks = yaml.LiteralStyle | yaml.FoldedStyle
	if node.Style&blocks != 0 || node.Line < 1 || node.Line > len(r.text.lines) {
		return p
	}
	p.written = r.text.rest(node.Line-1, node.Column-1)
	if _, ok := p.offset(node.Value); !ok {
		p.written = ""
	}
	return p
}

// offset returns how many bytes of what is written stand for the beginning of the
// value. It reports false when what is written is something else.
func (p position) offset(value string) (int, bool) {
	switch {
	case p.written == "":
		return 0, false
	case p.style == 0:
		return len(value), strings.HasPrefix(p.written, value)
	case !strings.HasPrefix(p.written, "'") && !strings.HasPrefix(p.written, `"`):
		return 0, false // an anchor or a tag comes first
	}
	i := 1
	for value != "" {
		part, size := p.unit(p.written[i:])
		if size == 0 || !strings.HasPrefix(value, part) {
			return 0, false
		}
		value = value[len(part):]
		i += size
	}
	return i, true
}

// unit returns the value of the character or escape that a quoted scalar goes on
// with, and the bytes it takes; none at its end.
func (p position) unit(written string) (value string, size int) {
	if written == "" {
		return "", 0
	}
	single := p.style == yaml.SingleQuotedStyle
	switch {
	case single && strings.HasPrefix(written, "''"):
		return "'", 2
	case single && written[0] == '\'', !single && written[0] == '"':
		return "", 0
	case !single && strings.HasPrefix(written, `\/`):
		return "/", 2
	case !single && written[0] == '\\':
		if value, size = unescape(written); size > 1 {
			return value, size
		}
		return "", 0
	}
	_, size = utf8.DecodeRuneInString(written)
	return written[:size], size
}
