package kernel

import (
	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine/table"
)

// logic compiles & and |, and the words. The right side only counts where the
// left one leaves the question open, as Python's words do.
func (c *compiler) logic(e *spec.Binary) operand {
	x, y := c.toBool(c.expr(e.X)), c.toBool(c.expr(e.Y))
	or := e.Op == spec.Or
	y = c.masked(y, x, or)
	if or {
		return c.or(x, y)
	}
	return c.and(x, y)
}

func (c *compiler) or(x, y operand) operand {
	return c.map2(x, y, table.Bool, func(_ *Frame, dst *table.Column, a, b side) error {
		spreadBits(dst, a)
		orBits(dst, b)
		return nil
	})
}

func (c *compiler) and(x, y operand) operand {
	return c.map2(x, y, table.Bool, func(_ *Frame, dst *table.Column, a, b side) error {
		spreadBits(dst, a)
		andBits(dst, b)
		return nil
	})
}

// truth returns word w of a boolean column with its nulls as false.
func truth(s *table.Column, w int) uint64 {
	word := s.Bits[w]
	if w < len(s.Nulls) {
		word &^= s.Nulls[w]
	}
	return word
}

func spreadBits(dst *table.Column, a side) {
	if a.mask == 0 {
		if truth(a.Column, 0)&1 != 0 {
			dst.Bits.Fill(dst.Len)
		}
		return
	}
	for w := range dst.Bits {
		dst.Bits[w] = truth(a.Column, w)
	}
}

func andBits(dst *table.Column, b side) {
	for w := range dst.Bits {
		if b.mask != 0 {
			dst.Bits[w] &= truth(b.Column, w)
		} else if truth(b.Column, 0)&1 == 0 {
			dst.Bits[w] = 0
		}
	}
}

func orBits(dst *table.Column, b side) {
	if b.mask == 0 {
		if truth(b.Column, 0)&1 != 0 {
			dst.Bits.Fill(dst.Len)
		}
		return
	}
	for w := range dst.Bits {
		dst.Bits[w] |= truth(b.Column, w)
	}
}

func (c *compiler) not(x operand) operand {
	return c.map1(x, table.Bool, func(_ *Frame, dst, src *table.Column) error {
		dst.Bits.Not(src.Bits, src.Len)
		// A null boolean is no answer, and its opposite isn't one either.
		dst.Bits.AndNot(src.Nulls)
		return nil
	})
}

// masked evaluates x with only the rows that count where test has the other
// value than skip. When there is none, x isn't asked for anything.
func (c *compiler) masked(x, test operand, skip bool) operand {
	if !x.fails {
		return x
	}
	inner := x.eval
	slot := c.slot()
	x.eval = func(f *Frame) (*table.Column, error) {
		answers, err := test.eval(f)
		if err != nil {
			return nil, err
		}
		m := f.slot(slot)
		m.Reset(table.Bool, answers.Len)
		for w := range m.Bits {
			m.Bits[w] = truth(answers, w)
		}
		if skip {
			m.Bits.Not(m.Bits, answers.Len)
		}
		outer, idle := f.Active, f.idle
		defer func() { f.Active, f.idle = outer, idle }()
		if test.vector && test.keys == nil {
			if len(outer) == len(m.Bits) {
				m.Bits.And(outer)
			}
			f.Active = m.Bits
		}
		f.idle = idle || !m.Bits.Any()
		return inner(f)
	}
	return x
}

// unmasked evaluates x with all rows: what it is for depends on every one of
// them, or on rows of another table.
func unmasked(x operand) operand {
	if !x.fails {
		return x
	}
	inner := x.eval
	x.eval = func(f *Frame) (*table.Column, error) {
		outer := f.Active
		f.Active = nil
		defer func() { f.Active = outer }()
		return inner(f)
	}
	return x
}

// cond compiles a if test else b, and np.where.
func (c *compiler) cond(test operand, e *spec.Cond) operand {
	test = c.toBool(test)
	then, other := c.alike(e, c.expr(e.Then), c.expr(e.Else))
	return c.choose(test, c.masked(then, test, false), c.masked(other, test, true))
}

// choose takes each value from then where test holds and from other elsewhere.
func (c *compiler) choose(test, then, other operand) operand {
	slot := c.slot()
	out := operand{
		kind:   then.kind,
		vector: test.vector || then.vector || other.vector,
		local:  test.local && then.local && other.local,
		keys:   test.keys,
		fails:  test.fails || then.fails || other.fails,
	}
	out.eval = func(f *Frame) (*table.Column, error) {
		answers, err := test.eval(f)
		if err != nil {
			return nil, err
		}
		a, err := then.eval(f)
		if err != nil {
			return nil, err
		}
		b, err := other.eval(f)
		if err != nil {
			return nil, err
		}
		n, err := common(a, b, then.vector, other.vector)
		if err == nil && (then.vector || other.vector) && test.vector && n != answers.Len {
			n, err = common(answers, &table.Column{Len: n}, true, true)
		}
		if err != nil {
			return nil, err
		}
		if test.vector {
			n = answers.Len
		}
		dst := f.slot(slot)
		reset(dst, then.kind, n)
		mt, ma, mb := mask(test.vector), mask(then.vector), mask(other.vector)
		for i := range n {
			if j := i & mt; answers.Bits.Get(j) && !answers.Nulls.Get(j) {
				setValue(dst, i, a, i&ma)
			} else {
				setValue(dst, i, b, i&mb)
			}
		}
		return dst, nil
	}
	return out
}

// where compiles x.where(cond, other).
func (c *compiler) where(e *spec.Call) operand {
	x, other := c.alike(e, c.expr(e.Args[0]), c.expr(e.Args[2]))
	return c.choose(c.toBool(c.expr(e.Args[1])), x, other)
}

// alike converts two operands to the kind that holds both.
func (c *compiler) alike(at spec.Expr, x, y operand) (operand, operand) {
	x, y = c.as(x, y.kind), c.as(y, x.kind)
	switch {
	case x.kind == y.kind:
		return x, y
	case numeric(x.kind) && numeric(y.kind):
		if x.kind != table.Decimal && y.kind != table.Decimal {
			return c.toInteger(x), c.toInteger(y)
		}
		return c.toDecimal(x), c.toDecimal(y)
	default:
		bad := c.fail(at, "two kinds of values meet where one is needed")
		return bad, bad
	}
}

// isna compiles isna and notna.
func (c *compiler) isna(e *spec.Call) operand {
	missing := c.missing(c.expr(e.Args[0]))
	if e.Fn == "notna" {
		return c.not(missing)
	}
	return missing
}

func (c *compiler) missing(x operand) operand {
	return c.map1(x, table.Bool, func(_ *Frame, dst, src *table.Column) error {
		dst.Bits = src.NullMask(dst.Bits)
		return nil
	})
}

func (c *compiler) fillna(e *spec.Call) operand {
	x, value := c.alike(e, c.expr(e.Args[0]), c.expr(e.Args[1]))
	return c.map2(x, value, x.kind, func(_ *Frame, dst *table.Column, a, b side) error {
		for i := range dst.Len {
			if j := i & a.mask; !a.Null(j) {
				setValue(dst, i, a.Column, j)
			} else {
				setValue(dst, i, b.Column, i&b.mask)
			}
		}
		return nil
	})
}
