package kernel

import (
	"bytes"

	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine/table"
)

// relation is one of the three comparisons that the six operators come down to.
type relation uint8

const (
	equal relation = iota
	less
	lessOrEqual
)

// compare compiles == != < <= > >=. A comparison with null is false, so != is
// true.
func (c *compiler) compare(op spec.Op, x, y operand) operand {
	keys := x.keys
	switch {
	case keys == nil:
		keys = y.keys
	case y.keys != nil: // before the sides change places: x's keys are those of the answers
		y = c.align(y, x)
	}
	rel, negated := equal, false
	switch op {
	case spec.Ne:
		negated = true
	case spec.Lt:
		rel = less
	case spec.Le:
		rel = lessOrEqual
	case spec.Gt:
		rel, x, y = less, y, x
	case spec.Ge:
		rel, x, y = lessOrEqual, y, x
	}
	out := c.relate(rel, x, y)
	out.keys = keys
	if negated {
		return c.not(out)
	}
	return out
}

func (c *compiler) relate(rel relation, x, y operand) operand {
	switch {
	case x.kind == table.Text && y.kind == table.Text:
		return c.map2(x, y, table.Bool, func(_ *Frame, dst *table.Column, a, b side) error {
			compareText(rel, dst, a, b)
			return nil
		})
	case x.kind == table.Integer && y.kind == table.Integer:
		return c.map2(x, y, table.Bool, func(_ *Frame, dst *table.Column, a, b side) error {
			compareValues(rel, dst.Bits, a.Ints, b.Ints, a.mask, b.mask, dst.Len)
			clearNulls(dst, a, b)
			return nil
		})
	case timed(x.kind) && x.kind == y.kind:
		return c.map2(x, y, table.Bool, func(_ *Frame, dst *table.Column, a, b side) error {
			compareTimes(rel, dst.Bits, a.Ints, b.Ints, a.mask, b.mask, dst.Len)
			return nil
		})
	case numeric(x.kind) && numeric(y.kind):
		return c.map2(c.toDecimal(x), c.toDecimal(y), table.Bool, func(_ *Frame, dst *table.Column, a, b side) error {
			compareValues(rel, dst.Bits, a.Floats, b.Floats, a.mask, b.mask, dst.Len)
			return nil
		})
	default: // values of different kinds are never equal, and have no order
		return c.map2(x, y, table.Bool, func(*Frame, *table.Column, side, side) error { return nil })
	}
}

func numeric(k table.Kind) bool {
	return k == table.Decimal || k == table.Integer || k == table.Bool
}

// compareValues writes one word of answers at a time. NaN compares false.
func compareValues[T int64 | float64](rel relation, dst table.Bitmap, a, b []T, ma, mb, n int) {
	for w := range dst {
		base := w * table.WordBits
		var word uint64
		switch count := min(table.WordBits, n-base); rel {
		case equal:
			for j := range count {
				if a[(base+j)&ma] == b[(base+j)&mb] {
					word |= 1 << j
				}
			}
		case less:
			for j := range count {
				if a[(base+j)&ma] < b[(base+j)&mb] {
					word |= 1 << j
				}
			}
		case lessOrEqual:
			for j := range count {
				if a[(base+j)&ma] <= b[(base+j)&mb] {
					word |= 1 << j
				}
			}
		}
		dst[w] = word
	}
}

// compareTimes is compareValues for values whose null is NaT, the smallest: only
// a left side of NaT could give a wrong answer.
func compareTimes(rel relation, dst table.Bitmap, a, b []int64, ma, mb, n int) {
	compareValues(rel, dst, a, b, ma, mb, n)
	for i := range n {
		if a[i&ma] == table.NaT {
			dst.Clear(i)
		}
	}
}

func compareText(rel relation, dst *table.Column, a, b side) {
	for i := range dst.Len {
		x, y := a.Text(i&a.mask), b.Text(i&b.mask)
		var holds bool
		switch rel {
		case equal:
			holds = bytes.Equal(x, y)
		case less:
			holds = bytes.Compare(x, y) < 0
		case lessOrEqual:
			holds = bytes.Compare(x, y) <= 0
		}
		if holds {
			dst.Bits.Set(i)
		}
	}
	clearNulls(dst, a, b)
}

// clearNulls makes false every answer about a null.
func clearNulls(dst *table.Column, a, b side) {
	for _, s := range [...]side{a, b} {
		switch {
		case len(s.Nulls) == 0:
		case s.mask != 0:
			dst.Bits.AndNot(s.Nulls)
		case s.Nulls.Get(0):
			clear(dst.Bits)
		}
	}
}

// between compiles x.between(left, right, inclusive).
func (c *compiler) between(e *spec.Call) operand {
	x, left, right := c.expr(e.Args[0]), c.expr(e.Args[1]), c.expr(e.Args[2])
	low, high := spec.Ge, spec.Le
	switch constantText(e.Args[3], "both") {
	case "neither":
		low, high = spec.Gt, spec.Lt
	case "left":
		high = spec.Lt
	case "right":
		low = spec.Gt
	}
	return c.and(c.compare(low, x, c.as(left, x.kind)), c.compare(high, x, c.as(right, x.kind)))
}
