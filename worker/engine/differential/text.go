package differential

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sagefleet/sagefleet/shared/spec"
)

// textual answers the functions of .str. What asks about null is false, unless
// na says otherwise; what changes it is null.
func textual(x *spec.Call, v any) any {
	text, ok := v.(string)
	if !ok {
		if x.Type().Elem != spec.BoolElem {
			return nil
		}
		return unknownText(x)
	}
	arg := func(i int) string { return constant[string](x.Args[i]) }
	switch x.Fn {
	case "str.match", "str.fullmatch", "str.contains":
		if x.Pattern == nil {
			return strings.Contains(text, arg(1))
		}
		return x.Pattern.MatchString(text)
	case "str.startswith":
		return strings.HasPrefix(text, arg(1))
	case "str.endswith":
		return strings.HasSuffix(text, arg(1))
	case "str.len":
		return int64(utf8.RuneCountInString(text))
	case "str.count":
		if x.Pattern == nil {
			return int64(strings.Count(text, arg(1)))
		}
		return int64(len(x.Pattern.FindAllString(text, -1)))
	case "str.replace":
		if x.Pattern == nil {
			return strings.ReplaceAll(text, arg(1), arg(2))
		}
		return x.Pattern.ReplaceAllString(text, arg(2))
	case "str.slice", "str.get":
		return part(x, []rune(text))
	case "str.zfill":
		return zeroFilled(text, int(constant[int64](x.Args[1])))
	case "str.strip", "str.lstrip", "str.rstrip":
		return stripped(x, text)
	}
	return cased(x.Fn, text)
}

func unknownText(x *spec.Call) bool {
	switch x.Fn {
	case "str.match", "str.fullmatch", "str.contains":
		return constant[bool](x.Args[4])
	case "str.startswith", "str.endswith":
		return constant[bool](x.Args[2])
	default:
		return false
	}
}

// part is a slice by Python's bounds, or one character, null outside of the text.
func part(x *spec.Call, text []rune) any {
	n := int64(len(text))
	resolve := func(arg spec.Expr, fallback int64) int64 {
		i, ok := arg.(*spec.Literal).Value.(int64)
		if !ok {
			return fallback
		}
		if i < 0 {
			i += n
		}
		return i
	}
	from := resolve(x.Args[1], 0)
	if x.Fn == "str.get" {
		if from < 0 || from >= n {
			return nil
		}
		return string(text[from])
	}
	to := min(max(resolve(x.Args[2], n), 0), n)
	from = min(max(from, 0), n)
	if from >= to {
		return ""
	}
	return string(text[from:to])
}

// zeroFilled keeps a sign in front.
func zeroFilled(text string, width int) string {
	missing := width - utf8.RuneCountInString(text)
	if missing <= 0 {
		return text
	}
	sign := ""
	if strings.HasPrefix(text, "-") || strings.HasPrefix(text, "+") {
		sign, text = text[:1], text[1:]
	}
	return sign + strings.Repeat("0", missing) + text
}

func stripped(x *spec.Call, text string) string {
	cut := space
	if set, ok := x.Args[1].(*spec.Literal).Value.(string); ok {
		cut = func(r rune) bool { return strings.ContainsRune(set, r) }
	}
	if x.Fn != "str.rstrip" {
		text = strings.TrimLeftFunc(text, cut)
	}
	if x.Fn != "str.lstrip" {
		text = strings.TrimRightFunc(text, cut)
	}
	return text
}

// cased answers the functions of letters. Their case is the simple one of
// Unicode: Python would make SS of ß.
func cased(fn spec.Fn, text string) any {
	switch fn {
	case "str.lower":
		return strings.ToLower(text)
	case "str.upper":
		return strings.ToUpper(text)
	case "str.capitalize":
		first, size := utf8.DecodeRuneInString(text)
		if size == 0 {
			return ""
		}
		return string(unicode.ToTitle(first)) + strings.ToLower(text[size:])
	case "str.title":
		var b strings.Builder
		after := false
		for _, r := range text {
			if after {
				b.WriteRune(unicode.ToLower(r))
			} else {
				b.WriteRune(unicode.ToTitle(r))
			}
			after = upper(r) || lower(r)
		}
		return b.String()
	case "str.isupper":
		return strings.ContainsFunc(text, upper) && !strings.ContainsFunc(text, lower)
	case "str.islower":
		return strings.ContainsFunc(text, lower) && !strings.ContainsFunc(text, upper)
	}
	is := characters[fn]
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return !is(r) })
}

func upper(r rune) bool { return unicode.In(r, unicode.Lu, unicode.Lt, unicode.Other_Uppercase) }
func lower(r rune) bool { return unicode.In(r, unicode.Ll, unicode.Other_Lowercase) }

// characters are Python's classes: a digit may also be raised or lowered, as in x².
var characters = map[spec.Fn]func(rune) bool{
	"str.isdecimal": func(r rune) bool { return unicode.Is(unicode.Nd, r) },
	"str.isdigit": func(r rune) bool {
		return unicode.Is(unicode.Nd, r) || strings.ContainsRune("⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉", r)
	},
	"str.isnumeric": func(r rune) bool { return unicode.In(r, unicode.N) },
	"str.isalpha":   func(r rune) bool { return unicode.In(r, unicode.L) },
	"str.isalnum":   func(r rune) bool { return unicode.In(r, unicode.L, unicode.N) },
	"str.isspace":   space,
}
