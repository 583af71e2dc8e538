package spec

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// Codes of what can be wrong with an expression before its meaning is looked at.
const (
	CodeRuleSyntax      fault.Code = "RULE_SYNTAX"
	CodeRuleUnsupported fault.Code = "RULE_UNSUPPORTED"
	CodeRuleTooLarge    fault.Code = "RULE_TOO_LARGE"
)

// An expression a person would write has hundreds of bytes. The limits keep a
// hostile one from costing more than its length in memory or stack.
const (
	maxRuleBytes = 16 << 10
	maxRuleNodes = 4096
	maxRuleDepth = 200
)

// ruleError is a fault at a place in an expression.
type ruleError struct {
	*fault.Error
	pos Pos
}

func ruleErrorf(pos Pos, code fault.Code, format string, args ...any) *ruleError {
	return &ruleError{fault.New(code, format, args...), pos}
}

func (e *ruleError) expecting(format string, args ...any) *ruleError {
	return &ruleError{e.Error.Expecting(format, args...), e.pos}
}

func (e *ruleError) advise(format string, args ...any) *ruleError {
	return &ruleError{e.Error.Advise(format, args...), e.pos}
}

type tokenKind uint8

const (
	tokEnd tokenKind = iota
	tokName
	tokInt
	tokFloat
	tokString
	tokOp // operators, punctuation and keywords; text says which
)

type token struct {
	kind  tokenKind
	pos   Pos
	text  string // of a string: its value
	whole int64
	float float64
}

// String is for messages.
func (t token) String() string {
	switch t.kind {
	case tokEnd:
		return "the end of the rule"
	case tokString:
		return "the text " + strconv.Quote(t.text)
	default:
		return "'" + t.text + "'"
	}
}

var keywords = map[string]bool{
	"and": true, "or": true, "not": true, "in": true, "is": true, "if": true, "else": true, "lambda": true, "for": true,
	"import": true, "yield": true, "await": true, "async": true, "def": true, "class": true, "return": true, "while": true,
}

// operators are sought in this order, so that the longest wins.
var operators = []string{
	"**", "//", "==", "!=", "<=", ">=", "<<", ">>", ":=",
	"+", "-", "*", "/", "%", "<", ">", "&", "|", "~", "^", "@", "(", ")", "[", "]", "{", "}", ",", ":", ".", "=",
}

// lexer cuts an expression into tokens as Python does, except that line ends are
// mere space: YAML may have folded them away or not.
type lexer struct {
	src string
	pos int
}

func (l *lexer) next() (token, *ruleError) {
	l.skipSpace()
	start := Pos(l.pos)
	if l.pos >= len(l.src) {
		return token{kind: tokEnd, pos: start}, nil
	}
	c := l.src[l.pos]
	if isDigit(c) || c == '.' && l.pos+1 < len(l.src) && isDigit(l.src[l.pos+1]) {
		return l.number()
	}
	if c == '\'' || c == '"' {
		return l.text("")
	}
	if name := l.name(); name != "" {
		if l.pos < len(l.src) && len(name) <= 2 && (l.src[l.pos] == '\'' || l.src[l.pos] == '"') {
			return l.text(strings.ToLower(name))
		}
		if keywords[name] {
			return token{kind: tokOp, pos: start, text: name}, nil
		}
		return token{kind: tokName, pos: start, text: name}, nil
	}
	for _, op := range operators {
		if strings.HasPrefix(l.src[l.pos:], op) {
			l.pos += len(op)
			return token{kind: tokOp, pos: start, text: op}, nil
		}
	}
	r, _ := utf8.DecodeRuneInString(l.src[l.pos:])
	e := ruleErrorf(start, CodeRuleSyntax, "the character %q has no meaning in a rule", r)
	switch {
	case strings.ContainsRune("‘’“”´`", r):
		e = e.expecting("straight quotes ' or \"").advise("word processors change the quotes; type them again")
	case r == '!':
		e = e.expecting("'!=' or 'not'")
	default:
		e = e.expecting("an operator, a name, a number or a text in quotes")
	}
	return token{}, e
}

// skipSpace also skips comments and the backslashes that continue a line.
func (l *lexer) skipSpace() {
	for l.pos < len(l.src) {
		r, size := utf8.DecodeRuneInString(l.src[l.pos:])
		switch {
		case unicode.IsSpace(r) || r == '\ufeff':
			l.pos += size
		case r == '\\' && strings.HasPrefix(l.src[l.pos+1:], "\n"):
			l.pos += 2
		case r == '#':
			if i := strings.IndexByte(l.src[l.pos:], '\n'); i >= 0 {
				l.pos += i
			} else {
				l.pos = len(l.src)
			}
		default:
			return
		}
	}
}

func (l *lexer) name() string {
	start := l.pos
	for l.pos < len(l.src) {
		r, size := utf8.DecodeRuneInString(l.src[l.pos:])
		if r != '_' && !unicode.IsLetter(r) && (l.pos == start || !unicode.IsDigit(r)) {
			break
		}
		l.pos += size
	}
	return l.src[start:l.pos]
}

func (l *lexer) number() (token, *ruleError) {
	start := l.pos
	for l.pos < len(l.src) {
		c := l.src[l.pos]
		exponent := l.pos > start && (c == '+' || c == '-') && (l.src[l.pos-1]|0x20) == 'e' &&
			!strings.HasPrefix(strings.ToLower(l.src[start:]), "0x")
		if !isDigit(c) && c != '.' && c != '_' && !isLetter(c) && !exponent {
			break
		}
		l.pos++
	}
	tok := token{kind: tokInt, pos: Pos(start), text: l.src[start:l.pos]}
	prefixed := len(tok.text) > 1 && tok.text[0] == '0' && isLetter(tok.text[1])
	if len(tok.text) > 1 && tok.text[0] == '0' && strings.Trim(tok.text, "0123456789_") == "" && strings.Trim(tok.text, "0_") != "" {
		return tok, ruleErrorf(tok.pos, CodeRuleSyntax, "the number %s begins with a zero", tok.text).
			expecting("%s, or the text '%s'", strings.TrimLeft(tok.text, "0_"), tok.text)
	}
	var err error
	if !prefixed && strings.ContainsAny(tok.text, ".eE") {
		tok.kind = tokFloat
		tok.float, err = strconv.ParseFloat(strings.ReplaceAll(tok.text, "_", ""), 64)
	} else {
		tok.whole, err = strconv.ParseInt(strings.ReplaceAll(tok.text, "_", ""), 0, 64)
	}
	if err != nil {
		return tok, ruleErrorf(tok.pos, CodeRuleSyntax, "%s is not a number", tok.text).
			expecting("an integer of 64 bits or a decimal with a point")
	}
	return tok, nil
}

func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
