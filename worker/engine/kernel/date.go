package kernel

import (
	"strconv"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine/parse"
	"github.com/sagefleet/sagefleet/worker/engine/table"
)

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
			} else if raise && f.counts(i, x.vector) {
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

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

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
		n = len(rest) - len(strings.TrimLeft(rest, letters))
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
	x := c.as(c.expr(e.Args[0]), table.Date)
	if !timed(x.kind) {
		return c.fail(e, "%s is for dates", e.Fn)
	}
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
