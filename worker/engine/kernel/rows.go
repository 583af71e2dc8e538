package kernel

import (
	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine/table"
)

// whole is a node whose values depend on several rows of x: it can't be
// evaluated chunk by chunk. The length of dst is the function's affair.
func (c *compiler) whole(x operand, kind table.Kind, fn func(dst, src *table.Column)) operand {
	slot := c.slot()
	x = unmasked(x)
	return operand{kind: kind, vector: true, keys: x.keys, fails: x.fails, eval: func(f *Frame) (*table.Column, error) {
		src, err := x.eval(f)
		if err != nil {
			return nil, err
		}
		dst := f.slot(slot)
		reset(dst, kind, src.Len)
		fn(dst, src)
		return dst, nil
	}}
}

// shift moves the rows down by periods, or up when that is negative.
func (c *compiler) shift(e *spec.Call) operand {
	periods := int(constantInt(e.Args[1], 1))
	x, fill := c.alike(e, c.expr(e.Args[0]), c.expr(e.Args[2]))
	shifted := c.shiftBy(x, periods)
	if fill.null {
		return shifted
	}
	slot := c.slot()
	out := shifted
	out.eval = func(f *Frame) (*table.Column, error) {
		src, err := shifted.eval(f)
		if err != nil {
			return nil, err
		}
		value, err := fill.eval(f)
		if err != nil {
			return nil, err
		}
		dst := f.slot(slot)
		reset(dst, x.kind, src.Len)
		for i := range src.Len {
			if from := i - periods; from >= 0 && from < src.Len {
				setValue(dst, i, src, i)
			} else {
				setValue(dst, i, value, 0)
			}
		}
		return dst, nil
	}
	return out
}

func (c *compiler) shiftBy(x operand, periods int) operand {
	return c.whole(x, x.kind, func(dst, src *table.Column) {
		for i := range src.Len {
			if from := i - periods; from >= 0 && from < src.Len {
				setValue(dst, i, src, from)
			} else {
				dst.SetNull(i)
			}
		}
	})
}

// diff is the difference to the row that is periods above.
func (c *compiler) diff(e *spec.Call) operand {
	x := c.expr(e.Args[0])
	if x.kind == table.Bool {
		x = c.toInteger(x)
	}
	if x.kind == table.Text {
		return c.fail(e, "diff is for numbers and dates")
	}
	before := c.shiftBy(x, int(constantInt(e.Args[1], 1)))
	if timed(x.kind) {
		return c.addTimes(x, before, table.Duration, true)
	}
	kind := x.kind
	return c.map2(x, before, kind, func(_ *Frame, dst *table.Column, a, b side) error {
		if kind == table.Decimal {
			decimals(spec.Sub, dst.Floats, a, b)
			return nil
		}
		for i := range dst.Len {
			if a.Null(i) || b.Null(i) {
				dst.SetNull(i)
			} else {
				dst.Ints[i] = a.Ints[i] - b.Ints[i]
			}
		}
		return nil
	})
}

// cumsum skips nulls: they stay null and add nothing.
func (c *compiler) cumsum(e *spec.Call) operand {
	x := c.summable("sum", c.expr(e.Args[0]))
	if x.kind == table.Text || x.kind == table.Date {
		return c.fail(e, "cumsum is for numbers")
	}
	return c.whole(x, x.kind, func(dst, src *table.Column) {
		var decimals float64
		var integers int64
		for i := range src.Len {
			switch {
			case src.Null(i):
				dst.SetNull(i)
			case src.Kind == table.Decimal:
				decimals += src.Floats[i]
				dst.Floats[i] = decimals
			default:
				integers += src.Ints[i]
				dst.Ints[i] = integers
			}
		}
	})
}

// duplicated compiles the methods of columns and of tables.
func (c *compiler) duplicated(e *spec.Call) operand {
	var columns []operand
	keep := e.Args[1]
	if list, ok := e.Args[1].(*spec.List); ok {
		for _, item := range list.Items {
			columns = append(columns, c.expr(item))
		}
		keep = e.Args[2]
	} else {
		columns = []operand{c.expr(e.Args[0])}
	}
	first, last := true, false // which occurrences are no duplicates
	switch lit, _ := keep.(*spec.Literal); lit.Value {
	case "last":
		first, last = false, true
	case false:
		first = false
	}
	return c.rowKeys(columns, func(dst *table.Column, ids []int, distinct int) {
		markDuplicates(dst, ids, distinct, first, last)
	})
}

func markDuplicates(dst *table.Column, ids []int, distinct int, first, last bool) {
	count := make([]int, distinct)
	for _, id := range ids {
		count[id]++
	}
	seen := make([]int, distinct)
	for i, id := range ids {
		seen[id]++
		kept := first && seen[id] == 1 || last && seen[id] == count[id]
		if count[id] > 1 && !kept {
			dst.Bits.Set(i)
		}
	}
}

// rowKeys numbers the distinct rows of columns and hands the numbers to fn.
func (c *compiler) rowKeys(columns []operand, fn func(dst *table.Column, ids []int, distinct int)) operand {
	slot := c.slot()
	fails := false
	for i, column := range columns {
		columns[i] = unmasked(column)
		fails = fails || column.fails
	}
	return operand{kind: table.Bool, vector: true, keys: columns[0].keys, fails: fails, eval: func(f *Frame) (*table.Column, error) {
		values, err := evalAll(f, columns)
		if err != nil {
			return nil, err
		}
		ids, first := distinct(values)
		dst := f.slot(slot)
		dst.Reset(table.Bool, values[0].Len)
		fn(dst, ids, len(first))
		return dst, nil
	}}
}

func evalAll(f *Frame, operands []operand) ([]*table.Column, error) {
	values := make([]*table.Column, len(operands))
	for i, o := range operands {
		var err error
		if values[i], err = o.eval(f); err != nil {
			return nil, err
		}
		if _, err := common(values[0], values[i], true, true); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// distinct numbers rows by their values, in the order in which they come, and
// returns the row where each number came first.
func distinct(columns []*table.Column) (ids, first []int) {
	ids = make([]int, columns[0].Len)
	if len(columns) == 1 {
		seen := newIndex()
		for i := range ids {
			id, fresh := seen.add(columns[0], i)
			if ids[i] = id; fresh {
				first = append(first, i)
			}
		}
		return ids, first
	}
	seen := map[string]int{}
	var key []byte
	for i := range ids {
		key = key[:0]
		for _, col := range columns {
			key = appendKey(key, col, i)
		}
		id, ok := seen[string(key)]
		if !ok {
			id = len(seen)
			seen[string(key)] = id
			first = append(first, i)
		}
		ids[i] = id
	}
	return ids, first
}

// pick makes a column of some rows of another.
func pick(dst, src *table.Column, rows []int) {
	reset(dst, src.Kind, len(rows))
	for i, row := range rows {
		setValue(dst, i, src, row)
	}
}

func (c *compiler) unique(e *spec.Call) operand {
	x := c.expr(e.Args[0])
	x.keys = nil
	return c.whole(x, x.kind, func(dst, src *table.Column) {
		_, first := distinct([]*table.Column{src})
		pick(dst, src, first)
	})
}

func (c *compiler) dropna(e *spec.Call) operand {
	x := c.expr(e.Args[0])
	x.keys = nil
	return c.whole(x, x.kind, func(dst, src *table.Column) {
		var rows []int
		for i := range src.Len {
			if !src.Null(i) {
				rows = append(rows, i)
			}
		}
		pick(dst, src, rows)
	})
}

// filter compiles x[mask].
func (c *compiler) filter(e *spec.Call) operand {
	x, test := unmasked(c.expr(e.Args[0])), unmasked(c.toBool(c.expr(e.Args[1])))
	slot := c.slot()
	return operand{kind: x.kind, vector: true, fails: x.fails || test.fails, eval: func(f *Frame) (*table.Column, error) {
		values, err := evalAll(f, []operand{x, test})
		if err != nil {
			return nil, err
		}
		var rows []int
		for i := range values[1].Len {
			if values[1].Bits.Get(i) && !values[1].Nulls.Get(i) {
				rows = append(rows, i)
			}
		}
		dst := f.slot(slot)
		pick(dst, values[0], rows)
		return dst, nil
	}}
}
