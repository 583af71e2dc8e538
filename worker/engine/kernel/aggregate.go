package kernel

import (
	"math"
	"slices"

	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine/table"
)

// summary is an aggregate of the rows of a column, nulls left out. An aggregate
// of nothing is null, but for sums and counts.
type summary func(dst *table.Column, at int, src *table.Column, rows []int)

// summarise returns the aggregate of that name and the kind of its result.
func summarise(name string, kind table.Kind, ddof int64) (summary, table.Kind) {
	switch name {
	case "sum":
		switch kind {
		case table.Decimal:
			return sumDecimals, kind
		case table.Integer, table.Duration:
			return sumIntegers, kind
		}
		return nil, 0
	case "mean":
		return decimalSummary(func(v []float64) float64 { return total(v) / float64(len(v)) }), table.Decimal
	case "median":
		return decimalSummary(median), table.Decimal
	case "std":
		return decimalSummary(func(v []float64) float64 { return deviation(v, float64(ddof)) }), table.Decimal
	case "min":
		return best(-1), kind
	case "max":
		return best(1), kind
	case "count":
		return func(dst *table.Column, at int, src *table.Column, rows []int) {
			n := int64(0)
			for _, i := range rows {
				if !src.Null(i) {
					n++
				}
			}
			dst.Ints[at] = n
		}, table.Integer
	case "size":
		return func(dst *table.Column, at int, _ *table.Column, rows []int) { dst.Ints[at] = int64(len(rows)) }, table.Integer
	case "nunique":
		return func(dst *table.Column, at int, src *table.Column, rows []int) {
			seen := newIndex()
			for _, i := range rows {
				if !src.Null(i) {
					seen.add(src, i)
				}
			}
			dst.Ints[at] = int64(seen.n)
		}, table.Integer
	}
	return nil, 0
}

func sumDecimals(dst *table.Column, at int, src *table.Column, rows []int) {
	dst.Floats[at] = total(present(src, rows))
}

func sumIntegers(dst *table.Column, at int, src *table.Column, rows []int) {
	var sum int64
	for _, i := range rows {
		if !src.Null(i) {
			sum += src.Ints[i]
		}
	}
	dst.Ints[at] = sum
}

func decimalSummary(fn func([]float64) float64) summary {
	return func(dst *table.Column, at int, src *table.Column, rows []int) {
		if v := present(src, rows); len(v) > 0 {
			dst.Floats[at] = fn(v)
		} else {
			dst.Floats[at] = table.NaN
		}
	}
}

func present(src *table.Column, rows []int) []float64 {
	values := make([]float64, 0, len(rows))
	for _, i := range rows {
		if v := src.Floats[i]; v == v {
			values = append(values, v)
		}
	}
	return values
}

// total adds with Neumaier's compensation, so that a million cents add up.
func total(values []float64) float64 {
	var sum, lost float64
	for _, v := range values {
		t := sum + v
		if math.Abs(sum) >= math.Abs(v) {
			lost += (sum - t) + v
		} else {
			lost += (v - t) + sum
		}
		sum = t
	}
	if math.IsInf(sum, 0) || math.IsNaN(sum) {
		return sum
	}
	return sum + lost
}

func median(values []float64) float64 {
	slices.Sort(values)
	half := len(values) / 2
	if len(values)%2 == 1 {
		return values[half]
	}
	return (values[half-1] + values[half]) / 2
}

func deviation(values []float64, ddof float64) float64 {
	if float64(len(values)) <= ddof {
		return table.NaN
	}
	mean := total(values) / float64(len(values))
	squares := make([]float64, len(values))
	for i, v := range values {
		squares[i] = (v - mean) * (v - mean)
	}
	return math.Sqrt(total(squares) / (float64(len(values)) - ddof))
}

// best is the largest value for a sign of 1, the smallest for -1.
func best(sign int) summary {
	return func(dst *table.Column, at int, src *table.Column, rows []int) {
		found := -1
		for _, i := range rows {
			if !src.Null(i) && (found < 0 || sign*order(src, i, src, found) > 0) {
				found = i
			}
		}
		if found < 0 {
			dst.SetNull(at)
			return
		}
		setValue(dst, at, src, found)
	}
}

// summable converts what an aggregate works on.
func (c *compiler) summable(name string, x operand) operand {
	switch name {
	case "mean", "median", "std":
		return c.toDecimal(x)
	case "sum":
		if x.kind == table.Bool {
			return c.toInteger(x)
		}
	}
	return x
}

func (c *compiler) aggregate(e *spec.Call) operand {
	name := string(e.Fn)
	ddof, dropna := int64(1), true
	switch name {
	case "std":
		ddof = constantInt(e.Args[1], 1)
	case "nunique":
		dropna = constantBool(e.Args[1], true)
	case "is_unique":
		return c.isUnique(c.expr(e.Args[0]))
	}
	x := c.summable(name, c.expr(e.Args[0]))
	fn, kind := summarise(name, x.kind, ddof)
	if fn == nil {
		return c.fail(e, "%s is for numbers", name)
	}
	return c.reduce(x, kind, func(dst, src *table.Column) {
		fn(dst, 0, src, all(src.Len))
		if !dropna && src.NullMask(nil).Any() {
			dst.Ints[0]++
		}
	})
}

func all(n int) []int {
	rows := make([]int, n)
	for i := range rows {
		rows[i] = i
	}
	return rows
}

// reduce makes one value of a column.
func (c *compiler) reduce(x operand, kind table.Kind, fn func(dst, src *table.Column)) operand {
	slot := c.slot()
	x = unmasked(x)
	return operand{kind: kind, fails: x.fails, eval: func(f *Frame) (*table.Column, error) {
		src, err := x.eval(f)
		if err != nil {
			return nil, err
		}
		dst := f.slot(slot)
		reset(dst, kind, 1)
		fn(dst, src)
		return dst, nil
	}}
}

func (c *compiler) isUnique(x operand) operand {
	return c.reduce(x, table.Bool, func(dst, src *table.Column) {
		seen := newIndex()
		for i := range src.Len {
			if _, fresh := seen.add(src, i); !fresh {
				return
			}
		}
		dst.Bits.Set(0)
	})
}

// quantifier compiles any and all. Nulls are left out, as in pandas.
func (c *compiler) quantifier(e *spec.Call) operand {
	x := c.expr(e.Args[0])
	missing := c.missing(x)
	values := c.toBool(x)
	universal := e.Fn == "all"
	pair := c.map2(values, missing, table.Bool, func(_ *Frame, dst *table.Column, a, b side) error {
		spreadBits(dst, a)
		if universal {
			orBits(dst, b)
		}
		return nil
	})
	return c.reduce(pair, table.Bool, func(dst, src *table.Column) {
		n := src.Bits.Count()
		if universal && n == src.Len || !universal && n > 0 {
			dst.Bits.Set(0)
		}
	})
}

// length compiles len and empty, of tables and of columns.
func (c *compiler) length(e *spec.Call) operand {
	kind := table.Integer
	if e.Fn == "empty" {
		kind = table.Bool
	}
	answer := func(dst *table.Column, n int) {
		if kind == table.Integer {
			dst.Ints[0] = int64(n)
		} else if n == 0 {
			dst.Bits.Set(0)
		}
	}
	if t, ok := e.Args[0].(*spec.Table); ok {
		c.touch(t.Catalog)
		slot := c.slot()
		return operand{kind: kind, eval: func(f *Frame) (*table.Column, error) {
			dst := f.slot(slot)
			dst.Reset(kind, 1)
			answer(dst, f.Tables(t.Catalog).Len)
			return dst, nil
		}}
	}
	x := c.expr(e.Args[0])
	out := c.reduce(x, kind, func(dst, src *table.Column) { answer(dst, src.Len) })
	out.local = x.local && !x.vector // the number of columns needs no row
	return out
}

// names is df.columns.
func (c *compiler) names(e *spec.Call) operand {
	t, ok := e.Args[0].(*spec.Table)
	if !ok {
		return c.fail(e, "columns is for tables")
	}
	c.touch(t.Catalog)
	slot := c.slot()
	return operand{kind: table.Text, vector: true, eval: func(f *Frame) (*table.Column, error) {
		names := f.Tables(t.Catalog).Names
		dst := f.slot(slot)
		reset(dst, table.Text, len(names))
		for i, name := range names {
			dst.SetText(i, []byte(name))
		}
		return dst, nil
	}}
}
