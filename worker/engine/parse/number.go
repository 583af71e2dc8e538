// Package parse reads one cell: a number, a date or a boolean, as the types of
// SAGE define them. It works on bytes and allocates nothing, since it runs once
// for every cell of a file.
package parse

import (
	"math"
	"strconv"
	"unsafe"
)

// Space returns text without the spaces around it, which numbers, dates and
// booleans may have.
func Space(text []byte) []byte {
	if len(text) > 0 && text[0] > ' ' && text[len(text)-1] > ' ' {
		return text
	}
	return trim(text)
}

func trim(text []byte) []byte {
	for len(text) > 0 && (text[0] == ' ' || text[0] == '\t') {
		text = text[1:]
	}
	for len(text) > 0 && (text[len(text)-1] == ' ' || text[len(text)-1] == '\t') {
		text = text[:len(text)-1]
	}
	return text
}

// Integer reads an int64. A fraction of zeros is accepted, 5.0, because pandas
// and spreadsheets write whole numbers so; an exponent is accepted when the
// number is whole and exact, 1e3.
func Integer(text []byte) (int64, bool) {
	digits, negative := sign(text)
	if len(digits) == 0 || len(digits) > 18 {
		return integerSlow(text)
	}
	var n int64
	if w, ok := eight(digits); ok {
		if !w.digits() {
			return integerSlow(text)
		}
		n = w.number()
	} else {
		for _, c := range digits {
			d := c - '0'
			if d > 9 {
				return integerSlow(text)
			}
			n = n*10 + int64(d)
		}
	}
	if negative {
		n = -n
	}
	return n, true
}

func integerSlow(text []byte) (int64, bool) {
	if n, err := strconv.ParseInt(view(text), 10, 64); err == nil {
		return n, true
	}
	whole := text
	for i, c := range text {
		if c != '.' {
			continue
		}
		for _, z := range text[i+1:] {
			if z != '0' {
				return integerExponent(text)
			}
		}
		whole = text[:i]
		break
	}
	if len(whole) < len(text) {
		n, err := strconv.ParseInt(view(whole), 10, 64)
		return n, err == nil
	}
	return integerExponent(text)
}

// maxExact is the largest float64 below which every integer has one.
const maxExact = 1 << 53

func integerExponent(text []byte) (int64, bool) {
	f, ok := Decimal(text)
	if !ok || f != math.Trunc(f) || math.Abs(f) > maxExact {
		return 0, false
	}
	return int64(f), true
}

// pow10 are the powers of ten that a float64 holds exactly.
var pow10 = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// maxDigits is how many decimal digits an integer may have and be exact as a
// float64. One division of two exact numbers is rounded correctly, so no more
// work is needed for such numbers.
const maxDigits = 15

// Decimal reads a finite float64, correctly rounded. NaN, infinities,
// hexadecimal and underscores are refused.
func Decimal(text []byte) (float64, bool) {
	digits, negative := sign(text)
	if len(digits) == 0 || len(digits) > maxDigits+1 {
		return decimalSlow(text)
	}
	if w, ok := eight(digits); ok {
		w, point := w.cutPoint()
		if !w.digits() || point >= 0 && len(digits) == 1 {
			return decimalSlow(text)
		}
		return scaled(w.number(), point, negative), true
	}
	var mantissa int64
	point := -1
	for i, c := range digits {
		if d := c - '0'; d <= 9 {
			mantissa = mantissa*10 + int64(d)
		} else if c == '.' && point < 0 {
			point = len(digits) - 1 - i
		} else {
			return decimalSlow(text)
		}
	}
	if point < 0 && len(digits) > maxDigits || point >= 0 && len(digits) == 1 {
		return decimalSlow(text)
	}
	return scaled(mantissa, point, negative), true
}

// scaled is a mantissa with that many digits after its point, -1 for no point.
func scaled(mantissa int64, point int, negative bool) float64 {
	f := float64(mantissa)
	if point > 0 {
		f /= pow10[point]
	}
	if negative {
		f = -f
	}
	return f
}

func decimalSlow(text []byte) (float64, bool) {
	for _, c := range text {
		if (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return 0, false // ParseFloat would take inf, nan, 0x and _
		}
	}
	f, err := strconv.ParseFloat(view(text), 64)
	return f, err == nil
}

func sign(text []byte) (rest []byte, negative bool) {
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		return text[1:], text[0] == '-'
	}
	return text, false
}

// view is text as a string, for a callee that doesn't keep it.
func view(text []byte) string { return unsafe.String(unsafe.SliceData(text), len(text)) } //nolint:gosec // text outlives the view, and nobody writes to it
