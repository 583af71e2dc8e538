package kernel

import (
	"math"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine/table"
)

// arithmetic compiles + - * / // % **.
func (c *compiler) arithmetic(e *spec.Binary, x, y operand) operand {
	if x.kind == table.Bool {
		x = c.toInteger(x)
	}
	if y.kind == table.Bool {
		y = c.toInteger(y)
	}
	switch {
	case x.kind == table.Text && y.kind == table.Text && e.Op == spec.Add:
		return c.concat(x, y)
	case x.kind == table.Text || y.kind == table.Text:
		return c.fail(e, "%s of texts is not defined", e.Op)
	case timed(x.kind) || timed(y.kind):
		return c.timeArithmetic(e, x, y)
	case x.kind == table.Integer && y.kind == table.Integer && e.Op != spec.Div && e.Op != spec.Pow:
		return c.map2(x, y, table.Integer, func(_ *Frame, dst *table.Column, a, b side) error {
			copyNulls(dst, a, b)
			integers(e.Op, dst, a, b)
			return nil
		})
	}
	return c.map2(c.toDecimal(x), c.toDecimal(y), table.Decimal, func(_ *Frame, dst *table.Column, a, b side) error {
		decimals(e.Op, dst.Floats, a, b)
		return nil
	})
}

func timed(k table.Kind) bool { return k == table.Date || k == table.Duration }

// decimals needs no look at nulls: they are NaN, which every operation keeps.
// NaN ** 0 and 1 ** NaN are the exceptions, and pandas makes the same ones.
func decimals(op spec.Op, dst []float64, a, b side) {
	x, y, ma, mb := a.Floats, b.Floats, a.mask, b.mask
	switch op {
	case spec.Add:
		for i := range dst {
			dst[i] = x[i&ma] + y[i&mb]
		}
	case spec.Sub:
		for i := range dst {
			dst[i] = x[i&ma] - y[i&mb]
		}
	case spec.Mul:
		for i := range dst {
			dst[i] = x[i&ma] * y[i&mb]
		}
	case spec.Div:
		for i := range dst {
			dst[i] = x[i&ma] / y[i&mb]
		}
	case spec.FloorDiv:
		for i := range dst {
			dst[i] = floorQuotient(x[i&ma], y[i&mb])
		}
	case spec.Mod:
		for i := range dst {
			dst[i] = floorMod(x[i&ma], y[i&mb])
		}
	case spec.Pow:
		for i := range dst {
			dst[i] = math.Pow(x[i&ma], y[i&mb])
		}
	}
}

// floorQuotient is Python's: it follows from the exact remainder, so that
// 1.0 // 0.1 is 9, though the nearest float to 1.0 / 0.1 is 10.
func floorQuotient(x, y float64) float64 {
	if y == 0 {
		return x / y
	}
	rest := math.Mod(x, y)
	quotient := (x - rest) / y
	if rest != 0 && (rest < 0) != (y < 0) {
		quotient--
	}
	floor := math.Floor(quotient)
	if quotient-floor > 0.5 {
		floor++
	}
	return floor
}

// floorMod has the sign of the divisor, as in Python.
func floorMod(x, y float64) float64 {
	m := math.Mod(x, y)
	if m != 0 && (m < 0) != (y < 0) {
		m += y
	}
	return m
}

// integers wraps around like numpy's int64. A division by zero is null.
func integers(op spec.Op, dst *table.Column, a, b side) {
	x, y, ma, mb, out := a.Ints, b.Ints, a.mask, b.mask, dst.Ints
	switch op {
	case spec.Add:
		for i := range out {
			out[i] = x[i&ma] + y[i&mb]
		}
	case spec.Sub:
		for i := range out {
			out[i] = x[i&ma] - y[i&mb]
		}
	case spec.Mul:
		for i := range out {
			out[i] = x[i&ma] * y[i&mb]
		}
	case spec.FloorDiv, spec.Mod:
		for i := range out {
			if y[i&mb] == 0 {
				dst.SetNull(i)
				continue
			}
			quotient, rest := floorDiv(x[i&ma], y[i&mb])
			if op == spec.Mod {
				quotient = rest
			}
			out[i] = quotient
		}
	}
}

func floorDiv(x, y int64) (quotient, rest int64) {
	if y == -1 {
		return -x, 0 // the smallest int64 wraps, and must not trap
	}
	quotient, rest = x/y, x%y
	if rest != 0 && (rest < 0) != (y < 0) {
		quotient--
		rest += y
	}
	return quotient, rest
}

func (c *compiler) concat(x, y operand) operand {
	return c.map2(x, y, table.Text, func(f *Frame, dst *table.Column, a, b side) error {
		grown := f.growth(dst)
		for i := range dst.Len {
			if a.Null(i&a.mask) || b.Null(i&b.mask) {
				dst.SetNull(i)
				continue
			}
			start := len(dst.Data)
			dst.Data = append(append(dst.Data, a.Text(i&a.mask)...), b.Text(i&b.mask)...)
			if err := grown.add(i, start); err != nil {
				return err
			}
		}
		f.made += len(dst.Data)
		return nil
	})
}

// timeArithmetic compiles what dates and durations allow.
func (c *compiler) timeArithmetic(e *spec.Binary, x, y operand) operand {
	if e.Op == spec.Add || e.Op == spec.Sub {
		if !timed(x.kind) || !timed(y.kind) {
			return c.fail(e, "a number is no duration: write pd.Timedelta(days=1)")
		}
		kind := table.Duration
		if (x.kind == table.Date) != (y.kind == table.Date) {
			kind = table.Date
		}
		return c.addTimes(x, y, kind, e.Op == spec.Sub)
	}
	kind := table.Duration
	if x.kind == table.Duration && y.kind == table.Duration {
		kind = table.Decimal
	}
	ratio := c.map2(c.toDecimal(x), c.toDecimal(y), table.Decimal, func(_ *Frame, dst *table.Column, a, b side) error {
		decimals(e.Op, dst.Floats, a, b)
		return nil
	})
	if kind == table.Decimal {
		return ratio
	}
	out := c.map1(ratio, kind, func(f *Frame, dst, src *table.Column) error {
		for i, v := range src.Floats[:src.Len] {
			switch {
			case v != v || math.IsInf(v, 0): // a duration divided by zero is null, as in pandas
				dst.Ints[i] = table.NaT
			case math.Abs(v) < math.MaxInt64:
				dst.Ints[i] = int64(v)
			case f.counts(i, ratio.vector):
				return outOfReach(i)
			default:
				dst.Ints[i] = table.NaT
			}
		}
		return nil
	})
	out.fails = true
	return out
}

// addTimes adds or subtracts dates and durations. What 64 bits of nanoseconds
// don't reach is an error of its row, as in pandas: it would wrap around, and a
// date of 1900 would seem later than one of 2200.
func (c *compiler) addTimes(x, y operand, kind table.Kind, subtract bool) operand {
	vector := x.vector || y.vector
	out := c.map2(x, y, kind, func(f *Frame, dst *table.Column, a, b side) error {
		for i := range dst.Ints {
			v, w := a.Ints[i&a.mask], b.Ints[i&b.mask]
			if v == table.NaT || w == table.NaT {
				dst.Ints[i] = table.NaT
				continue
			}
			sum, wraps := v+w, (v^(v+w))&(w^(v+w)) < 0
			if subtract {
				sum, wraps = v-w, (v^w)&(v^(v-w)) < 0
			}
			if wraps || sum == table.NaT {
				if f.counts(i, vector) {
					return outOfReach(i)
				}
				sum = table.NaT
			}
			dst.Ints[i] = sum
		}
		return nil
	})
	out.fails = true
	return out
}

func outOfReach(row int) error {
	return &RowError{Row: row, Err: fault.New(CodeRange, "a date or a duration is out of reach").
		Expecting("dates from 1677 to 2262, and durations of up to 292 years").
		Advise("compare the dates themselves, or their years, instead of their difference").Permanent()}
}

func (c *compiler) negate(at spec.Expr, x operand) operand {
	if x.kind == table.Text || x.kind == table.Date {
		return c.fail(at, "only numbers and durations have a sign")
	}
	return c.map1(x, x.kind, func(_ *Frame, dst, src *table.Column) error {
		if x.kind == table.Decimal {
			for i, v := range src.Floats[:src.Len] {
				dst.Floats[i] = -v
			}
			return nil
		}
		copyNullsOf(dst, src)
		for i, v := range src.Ints[:src.Len] {
			dst.Ints[i] = -v // NaT is its own negative
		}
		return nil
	})
}

func copyNullsOf(dst, src *table.Column) {
	a, b := only(src)
	copyNulls(dst, a, b)
}

func (c *compiler) abs(e *spec.Call) operand {
	x := c.expr(e.Args[0])
	if x.kind == table.Bool {
		x = c.toInteger(x)
	}
	if x.kind == table.Text {
		return c.fail(e, "abs is for numbers")
	}
	return c.map1(x, x.kind, func(_ *Frame, dst, src *table.Column) error {
		if x.kind == table.Decimal {
			for i, v := range src.Floats[:src.Len] {
				dst.Floats[i] = math.Abs(v)
			}
			return nil
		}
		copyNullsOf(dst, src)
		for i, v := range src.Ints[:src.Len] {
			dst.Ints[i] = max(v, -v)
		}
		return nil
	})
}

// round is numpy's: halves go to the even neighbour.
func (c *compiler) round(e *spec.Call) operand {
	x := c.expr(e.Args[0])
	digits := constantInt(e.Args[1], 0)
	if x.kind != table.Decimal {
		if digits >= 0 {
			return x
		}
		x = c.toDecimal(x)
	}
	scale := math.Pow(10, float64(digits))
	return c.map1(x, table.Decimal, func(_ *Frame, dst, src *table.Column) error {
		for i, v := range src.Floats[:src.Len] {
			scaled := v * scale
			if math.IsInf(scaled, 0) { // too large to have such digits
				dst.Floats[i] = v
				continue
			}
			dst.Floats[i] = math.RoundToEven(scaled) / scale
		}
		return nil
	})
}

// extreme compiles min(a, b, …) and max(a, b, …).
func (c *compiler) extreme(e *spec.Call) operand {
	sign := 1
	if e.Fn == "greatest" {
		sign = -1
	}
	best := c.expr(e.Args[0])
	for _, arg := range e.Args[1:] {
		next := c.expr(arg)
		best, next = c.alike(e, best, next)
		best = c.map2(best, next, best.kind, func(_ *Frame, dst *table.Column, a, b side) error {
			for i := range dst.Len {
				from, j := a, i&a.mask
				if a.Null(j) || !b.Null(i&b.mask) && sign*order(b.Column, i&b.mask, a.Column, j) < 0 {
					from, j = b, i&b.mask
				}
				setValue(dst, i, from.Column, j)
			}
			return nil
		})
	}
	return best
}
