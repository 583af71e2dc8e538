package spec

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// maxPatternBytes bounds a pattern; RE2 itself bounds what repeats expand to.
const maxPatternBytes = 2048

// compilePattern sets the pattern of the str functions that have one.
func compilePattern(call *Call) *ruleError {
	arg := func(i int) any { return call.Args[i].(*Literal).Value } // constText, constBool: literals
	isRegex, prefix, suffix := true, "", ""
	caseless := false
	switch call.Fn {
	case "str.match", "str.fullmatch":
		prefix, caseless = `\A(?:`, arg(2) == false
		suffix = `)`
		if call.Fn == "str.fullmatch" {
			suffix = `)\z`
		}
	case "str.contains":
		caseless, isRegex = arg(2) == false, arg(5) == true
	case "str.count":
	case "str.replace":
		caseless, isRegex = arg(4) == false, arg(6) == true
	default:
		return nil
	}
	if err := noFlags(call); err != nil {
		return err
	}
	pos := call.Args[1].Pos()
	source := arg(1).(string) // required, so never None
	if !isRegex {
		if !caseless {
			return nil
		}
		source = regexp.QuoteMeta(source)
	} else if prefix == "" && !caseless && call.Fn != "str.replace" && regexp.QuoteMeta(source) == source {
		return nil // plain text is sought faster
	}
	if len(source) > maxPatternBytes {
		return ruleErrorf(pos, CodeRuleTooLarge, "the regular expression has %d bytes", len(source)).expecting("at most %d", maxPatternBytes)
	}
	flags := ""
	if caseless {
		flags = "(?i)"
	}
	// Alone first: a stray parenthesis must not pair with ours.
	if _, err := regexp.Compile(translate(source)); err != nil {
		return patternError(pos, source, err)
	}
	pattern, err := regexp.Compile(flags + prefix + translate(source) + suffix)
	if err != nil {
		return patternError(pos, source, err)
	}
	call.Pattern = pattern
	if call.Fn == "str.replace" {
		repl := call.Args[2].(*Literal)
		call.Args[2] = literal(repl.pos, expansion(repl.Value.(string)))
	}
	return nil
}

// noFlags refuses the numbers of module re: rules can't name that module.
func noFlags(call *Call) *ruleError {
	at := map[Fn]int{"str.match": 3, "str.fullmatch": 3, "str.contains": 3, "str.count": 2, "str.replace": 5}[call.Fn]
	if lit := call.Args[at].(*Literal); lit.Value != int64(0) {
		return ruleErrorf(lit.pos, CodeRuleUnsupported, "flags are not part of the rule language").
			expecting("case=False, or (?i) at the start of the pattern")
	}
	return nil
}

func patternError(pos Pos, source string, err error) *ruleError {
	e := ruleErrorf(pos, CodeRuleRegex, "the regular expression %q doesn't compile: %w", source, err)
	for _, look := range []string{"(?=", "(?!", "(?<=", "(?<!"} {
		if strings.Contains(source, look) {
			return ruleErrorf(pos, CodeRuleRegex, "the regular expression %q looks around with %s…)", source, look).
				expecting("a pattern of RE2, which matches in linear time and has no lookaround").
				advise("split the condition in two rules, or combine two patterns with & and ~")
		}
	}
	if backreference(source) {
		return ruleErrorf(pos, CodeRuleRegex, "the regular expression %q refers back to a group", source).
			expecting("a pattern of RE2, which matches in linear time and has no backreferences")
	}
	if bad, ok := errors.AsType[*syntax.Error](err); ok && bad.Code == syntax.ErrInvalidRepeatOp {
		return e.expecting("a pattern of RE2, which has no possessive or nested repeats")
	}
	return e.expecting("a pattern of RE2").advise("the syntax is at https://github.com/google/re2/wiki/Syntax")
}

func backreference(source string) bool {
	for i := 0; i+1 < len(source); i++ {
		if source[i] == '\\' {
			if c := source[i+1]; '1' <= c && c <= '9' {
				return true
			}
			i++
		}
	}
	return strings.Contains(source, "(?P=")
}

// Python's classes are those of Unicode, RE2's of ASCII: without this, ^\w+$
// would refuse every ñ. Inside brackets a negated class can't be written out, and
// keeps its ASCII meaning.
var (
	classes = map[byte]string{
		'd': `\p{Nd}`, 'w': `\p{L}\p{N}_`, 's': `\s\v\x1c-\x1f\x85\p{Z}`,
	}
	negated = map[byte]byte{'D': 'd', 'W': 'w', 'S': 's'}
)

// translate rewrites what Python and RE2 read differently.
func translate(source string) string {
	var b strings.Builder
	inClass := false
	for i := 0; i < len(source); i++ {
		c := source[i]
		switch {
		case c == '\\' && i+1 < len(source):
			i++
			next := source[i]
			switch class, negative := classes[next], classes[negated[next]]; {
			case class != "" && inClass:
				b.WriteString(class)
			case class != "":
				b.WriteString("[" + class + "]")
			case negative != "" && !inClass:
				b.WriteString("[^" + negative + "]")
			case next == 'Z':
				b.WriteString(`\z`)
			case next >= utf8.RuneSelf:
				b.WriteByte(next) // Python lets any character be escaped, RE2 only ASCII
			default:
				b.WriteString(source[i-1 : i+1])
			}
			continue
		case c == '[' && !inClass:
			inClass = true
			b.WriteByte(c)
			for _, first := range []byte{'^', ']'} { // a bracket that comes first stands for itself
				if i+1 < len(source) && source[i+1] == first {
					i++
					b.WriteByte(first)
				}
			}
			continue
		case c == ']':
			inClass = false
		case c == '[' && inClass:
			b.WriteByte('\\') // RE2 would look for [:alpha:]
		case c == '{' && !inClass && strings.HasPrefix(source[i:], "{,"):
			b.WriteString("{0,")
			i++
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// expansion turns a Python replacement, \1 or \g<name>, into one of package regexp.
func expansion(repl string) string {
	var b strings.Builder
	for i := 0; i < len(repl); i++ {
		c := repl[i]
		switch rest := repl[i+1:]; {
		case c == '$':
			b.WriteString("$$")
		case c == '\\' && rest != "" && isDigit(rest[0]):
			b.WriteString("${" + rest[:1] + "}")
			i++
		case c == '\\' && strings.HasPrefix(rest, "g<") && strings.Contains(rest, ">"):
			end := strings.IndexByte(rest, '>')
			b.WriteString("${" + rest[2:end] + "}")
			i += end + 1
		case c == '\\' && strings.HasPrefix(rest, `\`):
			b.WriteByte(c)
			i++
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
