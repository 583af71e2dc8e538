package kernel

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine/table"
)

// text compiles the functions behind .str. What asks about a null is false,
// unless the call says otherwise with na; what transforms one is null.
func (c *compiler) text(e *spec.Call) operand {
	x := c.expr(e.Args[0])
	if x = c.as(x, table.Text); x.kind != table.Text {
		return c.fail(e, "%s is for texts", e.Fn)
	}
	switch e.Fn {
	case "str.match", "str.fullmatch":
		return c.ask(x, constantBool(e.Args[4], false), matcher(e.Pattern))
	case "str.contains":
		needle := []byte(constantText(e.Args[1], ""))
		holds := func(text []byte) bool { return bytes.Contains(text, needle) }
		if e.Pattern != nil {
			holds = matcher(e.Pattern)
		}
		return c.ask(x, constantBool(e.Args[4], false), holds)
	case "str.startswith":
		prefix := []byte(constantText(e.Args[1], ""))
		return c.ask(x, constantBool(e.Args[2], false), func(text []byte) bool { return bytes.HasPrefix(text, prefix) })
	case "str.endswith":
		suffix := []byte(constantText(e.Args[1], ""))
		return c.ask(x, constantBool(e.Args[2], false), func(text []byte) bool { return bytes.HasSuffix(text, suffix) })
	case "str.len":
		return c.measure(x, func(text []byte) int64 { return int64(utf8.RuneCount(text)) })
	case "str.count":
		return c.measure(x, counter(e))
	case "str.replace":
		return c.change(x, replacer(e))
	case "str.slice":
		return c.change(x, slicer(e))
	case "str.get":
		return c.get(x, constantInt(e.Args[1], 0))
	}
	if holds := classes[e.Fn]; holds != nil {
		return c.ask(x, false, holds)
	}
	if change := changes(e); change != nil {
		return c.change(x, change)
	}
	return c.fail(e, "the function %s has no kernel", e.Fn)
}

// ask is a question about each text; null is the answer for those that are null.
func (c *compiler) ask(x operand, null bool, holds func([]byte) bool) operand {
	return c.map1(x, table.Bool, func(_ *Frame, dst, src *table.Column) error {
		data := src.Data
		for w := range dst.Bits {
			base := w * table.WordBits
			var word uint64
			for j := range min(table.WordBits, src.Len-base) {
				if s := src.Spans[base+j]; holds(data[s.Start:s.End]) {
					word |= 1 << j
				}
			}
			dst.Bits[w] = word
		}
		if null {
			dst.Bits.Or(src.Nulls)
		} else {
			dst.Bits.AndNot(src.Nulls)
		}
		return nil
	})
}

func (c *compiler) measure(x operand, size func([]byte) int64) operand {
	return c.map1(x, table.Integer, func(_ *Frame, dst, src *table.Column) error {
		copyNullsOf(dst, src)
		for i := range dst.Ints {
			dst.Ints[i] = size(src.Text(i))
		}
		return nil
	})
}

const (
	defaultTexts = 64 << 20 // bytes of the texts that an evaluation makes
	maxText      = 4 << 20  // bytes of one of them
)

// growth watches the texts that one node makes in dst: a replacement can be much
// longer than what it replaces, and every node of a rule has texts of its own.
type growth struct {
	dst  *table.Column
	left int
}

func (f *Frame) growth(dst *table.Column) growth {
	most := f.MaxTexts
	if most == 0 {
		most = defaultTexts
	}
	return growth{dst, most - f.made}
}

// add closes the text of row i, which begins at start.
func (g *growth) add(i, start int) error {
	end := len(g.dst.Data)
	if end > g.left || end-start > maxText {
		return fault.New(CodeTooLarge, "the rule makes too much text").
			Expecting("at most %d bytes for a row, and not many times the text of the file", maxText).
			Advise("make the replacements shorter").Permanent()
	}
	g.dst.Spans[i] = table.Span{Start: uint32(start), End: uint32(end)}
	return nil
}

// change makes each text into another. The function appends to dst, and may stop
// when that has grown by more than maxText.
func (c *compiler) change(x operand, fn func(dst, text []byte) []byte) operand {
	return c.map1(x, table.Text, func(f *Frame, dst, src *table.Column) error {
		copyNullsOf(dst, src)
		grown := f.growth(dst)
		for i := range dst.Len {
			start := len(dst.Data)
			if !src.Null(i) {
				dst.Data = fn(dst.Data, src.Text(i))
			}
			if err := grown.add(i, start); err != nil {
				return err
			}
		}
		f.made += len(dst.Data)
		return nil
	})
}

// get is one character, or null where there is none.
func (c *compiler) get(x operand, at int64) operand {
	part := c.change(x, func(dst, text []byte) []byte {
		from, to := bounds(text, at, at+1, at != -1)
		return append(dst, text[from:to]...)
	})
	return c.map1(part, table.Text, func(_ *Frame, dst, src *table.Column) error {
		copyNullsOf(dst, src)
		dst.Data = append(dst.Data, src.Data...)
		copy(dst.Spans, src.Spans)
		for i, s := range src.Spans[:src.Len] {
			if s.Start == s.End {
				dst.SetNull(i)
			}
		}
		return nil
	})
}

func counter(e *spec.Call) func([]byte) int64 {
	if e.Pattern != nil {
		return func(text []byte) int64 { return int64(len(e.Pattern.FindAllIndex(text, -1))) }
	}
	needle := []byte(constantText(e.Args[1], ""))
	return func(text []byte) int64 { return int64(bytes.Count(text, needle)) }
}

func replacer(e *spec.Call) func(dst, text []byte) []byte {
	old, replacement := []byte(constantText(e.Args[1], "")), []byte(constantText(e.Args[2], ""))
	limit := int(constantInt(e.Args[3], -1))
	if e.Pattern == nil {
		return func(dst, text []byte) []byte {
			return replaced(dst, text, old, replacement, limit)
		}
	}
	return func(dst, text []byte) []byte {
		last, start := 0, len(dst)
		for _, match := range e.Pattern.FindAllSubmatchIndex(text, limit) {
			if len(dst)-start > maxText {
				return dst
			}
			dst = append(dst, text[last:match[0]]...)
			dst = e.Pattern.Expand(dst, replacement, text, match)
			last = match[1]
		}
		return append(dst, text[last:]...)
	}
}

// replaced is bytes.Replace, but for where it writes and that it stops at maxText.
func replaced(dst, text, old, replacement []byte, limit int) []byte {
	start := len(dst)
	for n := 0; n != limit && len(dst)-start <= maxText; n++ {
		at := bytes.Index(text, old)
		if len(old) == 0 && n > 0 { // between any two characters
			_, at = utf8.DecodeRune(text)
			if at == 0 {
				break
			}
		}
		if at < 0 {
			break
		}
		dst = append(append(dst, text[:at]...), replacement...)
		text = text[at+len(old):]
	}
	return append(dst, text...)
}

func slicer(e *spec.Call) func(dst, text []byte) []byte {
	start := constantInt(e.Args[1], 0)
	lit, _ := e.Args[2].(*spec.Literal)
	stop, bounded := int64(0), false
	if lit != nil {
		stop, bounded = lit.Value.(int64)
	}
	return func(dst, text []byte) []byte {
		from, to := bounds(text, start, stop, bounded)
		return append(dst, text[from:to]...)
	}
}

// bounds turns Python's bounds, in characters and possibly from the end, into
// offsets in bytes.
func bounds(text []byte, start, stop int64, bounded bool) (from, to int) {
	n := int64(utf8.RuneCount(text))
	if !bounded {
		stop = n
	}
	clamp := func(i int64) int64 {
		if i < 0 {
			i += n
		}
		return min(max(i, 0), n)
	}
	start, stop = clamp(start), clamp(stop)
	if start >= stop {
		return 0, 0
	}
	to = len(text)
	var char int64
	for at := range string(text) {
		if char == start {
			from = at
		}
		if char == stop {
			to = at
			break
		}
		char++
	}
	return from, to
}

// changes returns the functions that only change letters or the ends of a text.
func changes(e *spec.Call) func(dst, text []byte) []byte {
	switch e.Fn {
	case "str.strip", "str.lstrip", "str.rstrip":
		return stripper(e)
	case "str.lower":
		return func(dst, text []byte) []byte { return append(dst, bytes.ToLower(text)...) }
	case "str.upper":
		return func(dst, text []byte) []byte { return append(dst, bytes.ToUpper(text)...) }
	case "str.title":
		return func(dst, text []byte) []byte { return titled(dst, text, false) }
	case "str.capitalize":
		return func(dst, text []byte) []byte { return titled(dst, text, true) }
	case "str.zfill":
		width := int(min(constantInt(e.Args[1], 0), maxFill))
		return func(dst, text []byte) []byte { return zeroFilled(dst, text, width) }
	}
	return nil
}

// stripper takes off spaces of any alphabet, such as the one that doesn't break
// lines and that spreadsheets are full of, or the characters that are given.
func stripper(e *spec.Call) func(dst, text []byte) []byte {
	cut := isSpace
	if lit, ok := e.Args[1].(*spec.Literal); ok && lit.Value != nil {
		set := constantText(lit, "")
		cut = func(r rune) bool { return strings.ContainsRune(set, r) }
	}
	return func(dst, text []byte) []byte {
		if e.Fn != "str.rstrip" {
			text = bytes.TrimLeftFunc(text, cut)
		}
		if e.Fn != "str.lstrip" {
			text = bytes.TrimRightFunc(text, cut)
		}
		return append(dst, text...)
	}
}

// maxFill bounds what zfill may ask for in every row.
const maxFill = 1024

func titled(dst, text []byte, onlyFirst bool) []byte {
	inWord := false
	for _, r := range string(text) {
		if inWord {
			dst = utf8.AppendRune(dst, unicode.ToLower(r))
		} else {
			dst = utf8.AppendRune(dst, unicode.ToTitle(r))
		}
		inWord = onlyFirst || isUpper(r) || isLower(r)
	}
	return dst
}

// zeroFilled keeps a sign in front of the zeros.
func zeroFilled(dst, text []byte, width int) []byte {
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		dst, text, width = append(dst, text[0]), text[1:], width-1
	}
	for range width - utf8.RuneCount(text) {
		dst = append(dst, '0')
	}
	return append(dst, text...)
}

// classes are the questions that all characters of a text must answer with yes.
var classes = map[spec.Fn]func([]byte) bool{
	"str.isdigit":   every(isDigit),
	"str.isdecimal": every(unicode.IsDigit),
	"str.isnumeric": every(unicode.IsNumber),
	"str.isalpha":   every(unicode.IsLetter),
	"str.isalnum":   every(func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }),
	"str.isspace":   every(isSpace),
	"str.isupper":   cased(isUpper, isLower),
	"str.islower":   cased(isLower, isUpper),
}

// Python's classes are wider than those of package unicode: there are letters of
// a case among the numerals, raised digits, and spaces among the controls.
func isUpper(r rune) bool { return unicode.In(r, unicode.Lu, unicode.Lt, unicode.Other_Uppercase) }
func isLower(r rune) bool { return unicode.In(r, unicode.Ll, unicode.Other_Lowercase) }
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }
func isDigit(r rune) bool {
	return unicode.IsDigit(r) || strings.ContainsRune("⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉", r)
}

func every(class func(rune) bool) func([]byte) bool {
	return func(text []byte) bool {
		return len(text) > 0 && bytes.IndexFunc(text, func(r rune) bool { return !class(r) }) < 0
	}
}

// cased wants at least one letter of the case and none of the other.
func cased(want, other func(rune) bool) func([]byte) bool {
	return func(text []byte) bool {
		return bytes.ContainsFunc(text, want) && !bytes.ContainsFunc(text, other)
	}
}

// in compiles a substring test or a search in values.
func (c *compiler) in(e *spec.Binary) operand {
	x := c.expr(e.X)
	var found operand
	if e.Y.Type().Kind == spec.Scalar {
		y := c.as(c.expr(e.Y), table.Text)
		if x = c.as(x, table.Text); x.kind != table.Text || y.kind != table.Text {
			return c.fail(e, "in looks for a text in a text, or for a value in a list")
		}
		found = c.map2(x, y, table.Bool, func(_ *Frame, dst *table.Column, a, b side) error {
			for i := range dst.Len {
				if strings.Contains(string(b.Text(i&b.mask)), string(a.Text(i&a.mask))) {
					dst.Bits.Set(i)
				}
			}
			clearNulls(dst, a, b)
			return nil
		})
	} else {
		found = c.member(x, e.Y)
	}
	if e.Op == spec.NotIn {
		return c.not(found)
	}
	return found
}
