package kernel

import (
	"math"
	"strconv"
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
			} else if raise && f.counts(i, x.vector) {
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
				if !ok && f.counts(i, x.vector) {
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
// stays null, as in any conversion: it is not true, and neither is its opposite.
func (c *compiler) toBool(x operand) operand {
	if x.kind == table.Bool {
		return x
	}
	return c.map1(x, table.Bool, func(_ *Frame, dst, src *table.Column) error {
		for i := range src.Len {
			if src.Null(i) {
				dst.SetNull(i)
				continue
			}
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
			if v {
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
	switch {
	case math.IsInf(v, 1):
		return append(dst, "inf"...)
	case math.IsInf(v, -1):
		return append(dst, "-inf"...)
	}
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
