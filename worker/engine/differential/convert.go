package differential

import (
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/sagefleet/sagefleet/shared/spec"
)

// rounded is numpy's: halves go to the even neighbour, and negative digits
// divide before they round.
func rounded(v any, digits int64) any {
	scale := math.Pow(10, math.Abs(float64(digits)))
	f, ok := float(v)
	switch {
	case !ok:
		return v
	case digits < 0:
		return math.RoundToEven(f/scale) * scale
	case whole(v):
		return v
	}
	if math.IsInf(f*scale, 0) {
		return f
	}
	return math.RoundToEven(f*scale) / scale
}

var (
	decimalForm = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$`)
	dateLayouts = []string{time.DateOnly, clock, "2006/01/02", "20060102", "01/02/2006"}
)

// converted answers astype, the functions of Python's types and pd.to_….
func converted(x *spec.Call, v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	text, isText := v.(string)
	raises := true
	if len(x.Args) > 1 {
		raises = constant[string](x.Args[1]) == "raise"
	}
	var out any
	switch x.Fn {
	case "astype.text":
		return asText(v), nil
	case "astype.bool":
		return truth(v), nil
	case "timedelta":
		return span(v, constant[string](x.Args[1]))
	case "astype.int":
		if !isText {
			return truncated(v), nil
		}
		out = readInteger(text)
	case "astype.float", "to_numeric":
		if f, ok := float(v); ok {
			return boxed(f), nil
		}
		out = readDecimal(text)
	case "to_datetime":
		if _, ok := v.(time.Time); ok {
			return v, nil
		}
		out = readDate(asText(v))
	}
	if out == nil && raises {
		return nil, cannot("%s of %q", x.Fn, v)
	}
	return out, nil
}

// truncated drops the fraction; what doesn't fit becomes the nearest integer
// there is, where numpy's answer depends on the machine.
func truncated(v any) any {
	switch v := v.(type) {
	case float64:
		switch {
		case v >= math.MaxInt64:
			return int64(math.MaxInt64)
		case v <= math.MinInt64:
			return int64(math.MinInt64)
		}
		return int64(v)
	default:
		return integer(v)
	}
}

func readDecimal(text string) any {
	text = strings.Trim(text, " \t")
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !decimalForm.MatchString(text) {
		return nil
	}
	return f
}

func readInteger(text string) any {
	text = strings.Trim(text, " \t")
	if !decimalForm.MatchString(text) {
		return nil
	}
	exact, ok := new(big.Rat).SetString(text)
	if !ok || !exact.IsInt() || !exact.Num().IsInt64() {
		return nil
	}
	return exact.Num().Int64()
}

func readDate(text string) any {
	text = strings.Trim(text, " \t")
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, text); err == nil && t.Year() >= 1678 && t.Year() <= 2261 {
			return t
		}
	}
	return nil
}

// asText is Python's str, but that a decimal without a fraction is written
// without one and a moment at midnight as a date: pandas decides that by column.
func asText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		if v {
			return "True"
		}
		return "False"
	case int64:
		return strconv.FormatInt(v, 10)
	case time.Time:
		if v.Equal(v.Truncate(24 * time.Hour)) {
			return v.Format(time.DateOnly)
		}
		return v.Format(clock)
	case float64:
		if math.IsInf(v, 0) {
			return strings.TrimPrefix(strconv.FormatFloat(v, 'g', -1, 64)[:1], "+") + "inf"
		}
		if a := math.Abs(v); a >= 1e16 || a < 1e-4 && a > 0 {
			return strconv.FormatFloat(v, 'e', -1, 64)
		}
		return strconv.FormatFloat(v, 'f', -1, 64)
	default:
		return ""
	}
}

var spans = map[string]time.Duration{"days": 24 * time.Hour, "hours": time.Hour, "minutes": time.Minute}

// span reads pd.Timedelta(days=2), whose unit is the argument's name, and '2 days'.
func span(v any, unit string) (any, error) {
	if text, ok := v.(string); ok {
		number, name, _ := strings.Cut(text, " ")
		v, unit = readInteger(number), name
	}
	f, ok := float(v)
	if !ok || spans[unit] == 0 {
		return nil, cannot("%v %s is no duration", v, unit)
	}
	return time.Duration(f * float64(spans[unit])), nil
}

func datePart(fn spec.Fn, v any) any {
	switch v := v.(type) {
	case time.Time:
		switch fn {
		case "dt.date":
			return time.Date(v.Year(), v.Month(), v.Day(), 0, 0, 0, 0, time.UTC)
		case "dt.weekday":
			return int64(slices.Index([]time.Weekday{1, 2, 3, 4, 5, 6, 0}, v.Weekday()))
		case "dt.quarter":
			return int64(v.Month()-1)/3 + 1
		}
		return int64(map[spec.Fn]int{
			"dt.year": v.Year(), "dt.month": int(v.Month()), "dt.day": v.Day(), "dt.hour": v.Hour(),
			"dt.minute": v.Minute(), "dt.second": v.Second(), "dt.dayofyear": v.YearDay(),
		}[fn])
	case time.Duration:
		if fn == "dt.days" {
			return int64(math.Floor(v.Hours() / 24))
		}
		return v.Seconds()
	default:
		return nil
	}
}

// space is what Python strips: Unicode's spaces and the separators of ASCII.
func space(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }
