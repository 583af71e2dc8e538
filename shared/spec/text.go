package spec

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// text reads a string whose prefix, in lower case, has been read already.
func (l *lexer) text(prefix string) (token, *ruleError) {
	start := Pos(l.pos - len(prefix))
	raw := prefix == "r"
	if prefix != "" && prefix != "u" && !raw {
		return token{}, ruleErrorf(start, CodeRuleUnsupported, "texts with the prefix %s are not part of the rule language", prefix).
			expecting("'text' or r'text'")
	}
	quote := l.src[l.pos : l.pos+1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(l.src[l.pos:], triple) {
		quote = triple
	}
	l.pos += len(quote)
	var b strings.Builder
	for l.pos < len(l.src) {
		switch rest := l.src[l.pos:]; {
		case strings.HasPrefix(rest, quote):
			l.pos += len(quote)
			return token{kind: tokString, pos: start, text: b.String()}, nil
		case rest[0] == '\\' && raw && len(rest) > 1:
			_, size := utf8.DecodeRuneInString(rest[1:]) // an escaped quote doesn't end a raw text, and the backslash stays
			b.WriteString(rest[:1+size])
			l.pos += 1 + size
		case rest[0] == '\\':
			value, size := unescape(rest)
			b.WriteString(value)
			l.pos += size
		default:
			b.WriteByte(rest[0])
			l.pos++
		}
	}
	return token{}, ruleErrorf(start, CodeRuleSyntax, "the text that begins here never ends").expecting("a closing %s", quote)
}

var escapes = map[byte]string{
	'\n': "", '\\': `\`, '\'': "'", '"': `"`,
	'a': "\a", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t", 'v': "\v",
}

// unescape returns the value of the escape that s begins with, and its length.
// What Python doesn't know as an escape stands for itself, backslash included:
// files in use rely on that when they write '\S' without an r.
func unescape(s string) (value string, size int) {
	if len(s) < 2 {
		return s, len(s)
	}
	if v, ok := escapes[s[1]]; ok {
		return v, 2
	}
	digits, base := 0, 16
	from := 2
	switch c := s[1]; {
	case c == 'x':
		digits = 2
	case c == 'u':
		digits = 4
	case c == 'U':
		digits = 8
	case '0' <= c && c <= '7':
		from, base = 1, 8
		for digits = 1; digits < 3 && from+digits < len(s) && '0' <= s[from+digits] && s[from+digits] <= '7'; {
			digits++
		}
	}
	if digits > 0 && from+digits <= len(s) {
		if r, err := strconv.ParseUint(s[from:from+digits], base, 32); err == nil && utf8.ValidRune(rune(r)) {
			return string(rune(r)), from + digits
		}
	}
	return `\`, 1
}
