package kernel

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine/parse"
	"github.com/sagefleet/sagefleet/worker/engine/table"
)

// constantInt and constantText read arguments that the checker has made sure are
// literals; None is the fallback.
func constantInt(e spec.Expr, fallback int64) int64 {
	if lit, ok := e.(*spec.Literal); ok {
		if v, ok := lit.Value.(int64); ok {
			return v
		}
	}
	return fallback
}

func constantText(e spec.Expr, fallback string) string {
	if lit, ok := e.(*spec.Literal); ok {
		if v, ok := lit.Value.(string); ok {
			return v
		}
	}
	return fallback
}

func constantBool(e spec.Expr, fallback bool) bool {
	if lit, ok := e.(*spec.Literal); ok {
		if v, ok := lit.Value.(bool); ok {
			return v
		}
	}
	return fallback
}

// astype compiles astype(…) and Python's str, int, float and bool.
func (c *compiler) astype(e *spec.Call, name string) operand {
	x := c.expr(e.Args[0])
	switch name {
	case "astype.float":
		return c.toDecimal(x)
	case "astype.int":
		return c.toInteger(x)
	case "astype.bool":
		return c.toBool(x)
	default:
		return c.toText(x)
	}
}

// cannot is the error of a value that a conversion refuses.
func cannot(row int, text []byte, what string) error {
	return &RowError{Row: row, Err: fault.New(CodeValue, "%q is not %s", text, what).
		Expecting("%s in every row", what).Advise("declare the field with that type to have each bad cell listed").Permanent()}
}

func (c *compiler) toDecimal(x operand) operand {
	switch x.kind {
	case table.Decimal:
		return x
	case table.Text:
		return c.parseDecimal(x, true)
	}
	return c.map1(x, table.Decimal, func(_ *Frame, dst, src *table.Column) error {
		for i := range dst.Floats {
			if dst.Floats[i] = float64(0); src.Null(i) {
				dst.Floats[i] = table.NaN
			} else {
				dst.Floats[i] = float64(integer(src, i))
			}
		}
		return nil
	})
}

func (c *compiler) parseDecimal(x operand, raise bool) operand {
	out := c.map1(x, table.Decimal, func(f *Frame, dst, src *table.Column) error {
		for i := range dst.Floats {
			dst.Floats[i] = table.NaN
			if src.Null(i) {
				continue
			}
			v, ok := parse.Decimal(parse.Space(src.Text(i)))
			if ok {
				dst.Floats[i] = v
			} else if raise && f.counts(i) {
				return cannot(i, src.Text(i), "a number")
			}
		}
		return nil
	})
	out.fails = out.fails || raise
	return out
}

// toInteger drops fractions, as astype(int) does. Texts must be whole numbers.
func (c *compiler) toInteger(x operand) operand {
	if x.kind == table.Integer {
		return x
	}
	out := c.map1(x, table.Integer, func(f *Frame, dst, src *table.Column) error {
		for i := range dst.Ints {
			if src.Null(i) {
				dst.SetNull(i)
				continue
			}
			switch src.Kind {
			case table.Decimal:
				dst.Ints[i] = truncate(src.Floats[i])
			case table.Text:
				v, ok := parse.Integer(parse.Space(src.Text(i)))
				if !ok && f.counts(i) {
					return cannot(i, src.Text(i), "a whole number")
				}
				dst.Ints[i] = v
			default:
				dst.Ints[i] = integer(src, i)
			}
		}
		return nil
	})
	out.fails = out.fails || x.kind == table.Text
	return out
}

// truncate is int64(v), which Go leaves undefined for what doesn't fit.
func truncate(v float64) int64 {
	switch {
	case v >= math.MaxInt64:
		return math.MaxInt64
	case v <= math.MinInt64:
		return math.MinInt64
	default:
		return int64(v)
	}
}

// toBool is the truth of values: a number is not zero, a text is not empty. Null
// is not true.
func (c *compiler) toBool(x operand) operand {
	if x.kind == table.Bool {
		return x
	}
	return c.map1(x, table.Bool, func(_ *Frame, dst, src *table.Column) error {
		for i := range src.Len {
			var v bool
			switch src.Kind {
			case table.Decimal:
				v = src.Floats[i] != 0
			case table.Text:
				v = src.Spans[i].Start != src.Spans[i].End
			case table.Date:
				v = true
			default:
				v = src.Ints[i] != 0
			}
			if v && !src.Null(i) {
				dst.Bits.Set(i)
			}
		}
		return nil
	})
}

func (c *compiler) toText(x operand) operand {
	if x.kind == table.Text {
		return x
	}
	return c.map1(x, table.Text, func(_ *Frame, dst, src *table.Column) error {
		for i := range src.Len {
			if src.Null(i) {
				dst.SetNull(i)
				continue
			}
			start := uint32(len(dst.Data))
			dst.Data = AppendText(dst.Data, src, i)
			dst.Spans[i] = table.Span{Start: start, End: uint32(len(dst.Data))}
		}
		return nil
	})
}

// AppendText appends value i of col as people and str() write it: True, 12, 0.5,
// 2024-01-31. A decimal without a fraction is written without one, since pandas
// keeps the same column as integers until it meets the first null. A null
// appends nothing.
func AppendText(dst []byte, col *table.Column, i int) []byte {
	if col.Null(i) {
		return dst
	}
	switch col.Kind {
	case table.Text:
		return append(dst, col.Text(i)...)
	case table.Decimal:
		return appendDecimal(dst, col.Floats[i])
	case table.Bool:
		if col.Bits.Get(i) {
			return append(dst, "True"...)
		}
		return append(dst, "False"...)
	case table.Date:
		t := col.Time(i)
		if h, m, s := t.Clock(); h == 0 && m == 0 && s == 0 && t.Nanosecond() == 0 {
			return t.AppendFormat(dst, time.DateOnly)
		}
		return t.AppendFormat(dst, "2006-01-02 15:04:05.999999999")
	case table.Duration:
		return append(dst, time.Duration(col.Ints[i]).String()...)
	default:
		return strconv.AppendInt(dst, col.Ints[i], 10)
	}
}

// appendDecimal switches to an exponent where Python's repr does.
func appendDecimal(dst []byte, v float64) []byte {
	if abs := math.Abs(v); abs != 0 && (abs < 1e-4 || abs >= 1e16) {
		return strconv.AppendFloat(dst, v, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, v, 'f', -1, 64)
}

// toNumeric compiles pd.to_numeric.
func (c *compiler) toNumeric(e *spec.Call) operand {
	x := c.expr(e.Args[0])
	if x.kind != table.Text {
		return c.toDecimal(x)
	}
	return c.parseDecimal(x, constantText(e.Args[1], "raise") == "raise")
}

// toDatetime compiles pd.to_datetime and pd.Timestamp. A text with day and month
// in an order that can't be is tried in the other one, value by value.
func (c *compiler) toDatetime(e *spec.Call) operand {
	x := c.expr(e.Args[0])
	if x.kind == table.Date {
		return x
	}
	raise := constantText(e.Args[1], "raise") == "raise"
	order := parse.MonthFirst
	if constantBool(e.Args[2], false) {
		order = parse.DayFirst
	}
	read := func(text []byte) (int64, bool) { return flexibleDate(text, order) }
	if format := constantText(e.Args[3], ""); format != "" {
		layout, ok := goLayout(format)
		if !ok {
			return c.fail(e, "the date format %q is not supported", format)
		}
		read = func(text []byte) (int64, bool) {
			t, err := time.Parse(layout, string(text))
			return t.UnixNano(), err == nil && t.Year() >= parse.MinYear && t.Year() <= parse.MaxYear
		}
	}
	out := c.map1(c.toText(x), table.Date, func(f *Frame, dst, src *table.Column) error {
		for i := range dst.Ints {
			dst.Ints[i] = table.NaT
			if src.Null(i) {
				continue
			}
			v, ok := read(parse.Space(src.Text(i)))
			if ok {
				dst.Ints[i] = v
			} else if raise && f.counts(i) {
				return cannot(i, src.Text(i), "a date")
			}
		}
		return nil
	})
	out.fails = out.fails || raise
	return out
}

func flexibleDate(text []byte, order parse.Order) (int64, bool) {
	ns, hint, ok := parse.Date(text, order)
	if !ok && hint != parse.NoHint {
		ns, _, ok = parse.Date(text, 1-order)
	}
	return ns, ok
}

// strftime maps the directives of Python's formats to Go's layouts.
var strftime = strings.NewReplacer(
	"%Y", "2006", "%y", "06", "%m", "01", "%d", "02", "%H", "15", "%I", "03", "%M", "04", "%S", "05",
	"%f", "000000", "%p", "PM", "%b", "Jan", "%B", "January", "%z", "-0700", "%T", "15:04:05", "%F", "2006-01-02",
)

func goLayout(format string) (string, bool) {
	layout := strftime.Replace(format)
	return layout, !strings.Contains(layout, "%")
}

// now compiles pd.Timestamp.now(): one moment for a whole run.
func (c *compiler) now(*spec.Call) operand {
	slot := c.slot()
	return operand{kind: table.Date, local: true, eval: func(f *Frame) (*table.Column, error) {
		dst := f.slot(slot)
		dst.Reset(table.Date, 1)
		dst.Ints[0] = f.Now
		return dst, nil
	}}
}

var units = map[string]time.Duration{
	"w": 7 * 24 * time.Hour, "d": 24 * time.Hour, "h": time.Hour, "m": time.Minute, "min": time.Minute, "t": time.Minute,
	"s": time.Second, "ms": time.Millisecond, "us": time.Microsecond, "ns": time.Nanosecond,
	"week": 7 * 24 * time.Hour, "day": 24 * time.Hour, "hour": time.Hour, "minute": time.Minute, "second": time.Second,
	"millisecond": time.Millisecond, "microsecond": time.Microsecond, "nanosecond": time.Nanosecond,
}

func unit(name string) (time.Duration, bool) {
	name = strings.ToLower(name)
	if d, ok := units[name]; ok {
		return d, true
	}
	d, ok := units[strings.TrimSuffix(name, "s")]
	return d, ok
}

// timedelta compiles pd.Timedelta(30, 'days') and pd.Timedelta('30 days').
func (c *compiler) timedelta(e *spec.Call) operand {
	x := c.expr(e.Args[0])
	if x.kind == table.Duration {
		return x
	}
	scale, ok := unit(constantText(e.Args[1], "ns"))
	if !ok {
		return c.fail(e, "the unit %q is not known", constantText(e.Args[1], ""))
	}
	if x.kind == table.Text {
		text := constantText(e.Args[0], "")
		d, ok := duration(text)
		if !ok {
			return c.fail(e, "%q is not a duration such as '30 days'", text)
		}
		col := &table.Column{}
		col.Reset(table.Duration, 1)
		col.Ints[0] = int64(d)
		return c.constant(col)
	}
	return c.map1(c.toDecimal(x), table.Duration, func(_ *Frame, dst, src *table.Column) error {
		for i, v := range src.Floats[:src.Len] {
			dst.Ints[i] = table.NaT
			if v == v {
				dst.Ints[i] = truncate(v * float64(scale))
			}
		}
		return nil
	})
}

// duration reads pairs of numbers and units, such as '1 days 2 hours' or '5D'.
func duration(text string) (time.Duration, bool) {
	var total time.Duration
	rest := strings.TrimSpace(text)
	for found := false; ; found = true {
		if rest == "" {
			return total, found
		}
		n := len(rest) - len(strings.TrimLeft(rest, "+-0123456789."))
		v, err := strconv.ParseFloat(rest[:n], 64)
		if err != nil {
			return 0, false
		}
		rest = strings.TrimLeft(rest[n:], " ")
		n = len(rest) - len(strings.TrimLeft(strings.ToLower(rest), "abcdefghijklmnopqrstuvwxyz"))
		scale, ok := unit(rest[:n])
		if !ok {
			return 0, false
		}
		total += time.Duration(v * float64(scale))
		rest = strings.TrimLeft(rest[n:], " ,")
	}
}

// datePart compiles .dt.year and the like, and the parts of durations.
func (c *compiler) datePart(e *spec.Call) operand {
	x := c.expr(e.Args[0])
	switch e.Fn {
	case "dt.date":
		return c.map1(x, table.Date, func(_ *Frame, dst, src *table.Column) error {
			for i, v := range src.Ints[:src.Len] {
				if dst.Ints[i] = v; v != table.NaT {
					_, rest := floorDiv(v, int64(24*time.Hour))
					dst.Ints[i] = v - rest
				}
			}
			return nil
		})
	case "dt.total_seconds":
		return c.map1(x, table.Decimal, func(_ *Frame, dst, src *table.Column) error {
			for i, v := range src.Ints[:src.Len] {
				if dst.Floats[i] = time.Duration(v).Seconds(); v == table.NaT {
					dst.Floats[i] = table.NaN
				}
			}
			return nil
		})
	}
	part := dateParts[e.Fn]
	if part == nil {
		return c.fail(e, "the function %s has no kernel", e.Fn)
	}
	return c.map1(x, table.Integer, func(_ *Frame, dst, src *table.Column) error {
		for i, v := range src.Ints[:src.Len] {
			if v == table.NaT {
				dst.SetNull(i)
			} else {
				dst.Ints[i] = part(v)
			}
		}
		return nil
	})
}

func at(ns int64) time.Time { return time.Unix(0, ns).UTC() }

var dateParts = map[spec.Fn]func(ns int64) int64{
	"dt.year":      parse.Year,
	"dt.month":     func(ns int64) int64 { return int64(at(ns).Month()) },
	"dt.day":       func(ns int64) int64 { return int64(at(ns).Day()) },
	"dt.hour":      func(ns int64) int64 { return int64(at(ns).Hour()) },
	"dt.minute":    func(ns int64) int64 { return int64(at(ns).Minute()) },
	"dt.second":    func(ns int64) int64 { return int64(at(ns).Second()) },
	"dt.weekday":   func(ns int64) int64 { return int64(at(ns).Weekday()+6) % 7 },
	"dt.dayofyear": func(ns int64) int64 { return int64(at(ns).YearDay()) },
	"dt.quarter":   func(ns int64) int64 { return (int64(at(ns).Month()) + 2) / 3 },
	"dt.days": func(ns int64) int64 {
		days, _ := floorDiv(ns, int64(24*time.Hour))
		return days
	},
}
