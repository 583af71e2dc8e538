package kernel

import (
	"strings"

	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine/table"
)

// group compiles groupby(keys)[value].sum() and its like. Rows with a null key
// belong to no group, as in pandas.
func (c *compiler) group(e *spec.Call) operand {
	g, ok := e.Args[0].(*spec.Group)
	if !ok {
		return c.fail(e, "a group is needed")
	}
	name := strings.TrimPrefix(string(e.Fn), "group.")
	transform := name == "transform"
	if transform {
		name = constantText(e.Args[1], "")
	}
	operands := make([]operand, 0, len(g.Keys)+1)
	for _, key := range g.Keys {
		operands = append(operands, c.expr(key))
	}
	value := operands[0]
	if g.Value != nil {
		value = c.summable(name, c.expr(g.Value))
	}
	operands = append(operands, value)
	fn, kind := summarise(name, value.kind, 1)
	if fn == nil {
		return c.fail(e, "groups have no %s", name)
	}
	return c.grouped(operands, kind, fn, transform)
}

// grouped evaluates keys and, last, the value. Its result is one value per group,
// with its key in a second slot, or one per row.
func (c *compiler) grouped(operands []operand, kind table.Kind, fn summary, perRow bool) operand {
	sums, keys, spread := c.slot(), c.slot(), c.slot()
	out := operand{kind: kind, vector: true}
	for i, o := range operands {
		operands[i] = unmasked(o)
		out.fails = out.fails || o.fails
	}
	out.eval = func(f *Frame) (*table.Column, error) {
		values, err := evalAll(f, operands)
		if err != nil {
			return nil, err
		}
		by, value := values[:len(values)-1], values[len(values)-1]
		ids, groups, first := groupRows(by)
		dst := f.slot(sums)
		reset(dst, kind, len(groups))
		for id, rows := range groups {
			fn(dst, id, value, rows)
		}
		if !perRow {
			groupKeys(f.slot(keys), by, first)
			return dst, nil
		}
		each := f.slot(spread)
		reset(each, kind, len(ids))
		for i, id := range ids {
			if id < 0 {
				each.SetNull(i)
			} else {
				setValue(each, i, dst, id)
			}
		}
		return each, nil
	}
	if !perRow {
		out.keys = func(f *Frame) (*table.Column, error) { return f.slot(keys), nil }
	}
	return out
}

// groupRows returns the group of each row, -1 for none, the rows of each group
// and its first row.
func groupRows(by []*table.Column) (ids []int, groups [][]int, first []int) {
	ids, starts := distinct(by)
	renumbered := make([]int, len(starts))
	for id, row := range starts {
		renumbered[id] = -1
		if !anyNull(by, row) {
			renumbered[id] = len(first)
			first = append(first, row)
		}
	}
	groups = make([][]int, len(first))
	for i, id := range ids {
		if ids[i] = renumbered[id]; ids[i] >= 0 {
			groups[ids[i]] = append(groups[ids[i]], i)
		}
	}
	return ids, groups, first
}

func anyNull(columns []*table.Column, row int) bool {
	for _, col := range columns {
		if col.Null(row) {
			return true
		}
	}
	return false
}

// groupKeys stores the keys of groups. Several keys are encoded as one text, so
// that groups by the same columns still find each other.
func groupKeys(dst *table.Column, by []*table.Column, first []int) {
	if len(by) == 1 {
		pick(dst, by[0], first)
		return
	}
	reset(dst, table.Text, len(first))
	for i, row := range first {
		var key []byte
		for _, col := range by {
			key = appendKey(key, col, row)
		}
		dst.SetText(i, key)
	}
}

func (c *compiler) valueCounts(e *spec.Call) operand {
	x := c.expr(e.Args[0])
	x.keys = nil
	fn, kind := summarise("size", x.kind, 1)
	return c.grouped([]operand{x, x}, kind, fn, false)
}

// index compiles set_index(key)[value].
func (c *compiler) index(e *spec.Index) operand {
	if e.Value == nil {
		return c.fail(e, "set_index needs a column")
	}
	out, key := c.column(e.Value), c.column(e.Key)
	out.local = false
	out.keys = key.eval
	return out
}

// lookup compiles index.loc[keys]: the value of each key, null for a key that
// isn't there. Of a key that is there twice the first value counts.
func (c *compiler) lookup(e *spec.Call) operand {
	source := c.expr(e.Args[0])
	if source.keys == nil {
		return c.fail(e, "loc needs an index")
	}
	if list, ok := e.Args[1].(*spec.List); ok {
		return c.lookupList(e, source, list)
	}
	return c.valuesAt(source, c.expr(e.Args[1]))
}

func (c *compiler) lookupList(e *spec.Call, source operand, list *spec.List) operand {
	kind := kindOf(list.Type().Elem)
	values, _, ok := c.constants(kind, list)
	if !ok {
		return c.fail(e, "loc needs constant keys")
	}
	keys := c.constant(values)
	keys.vector = true
	return c.valuesAt(source, keys)
}

// align gives y's values at the keys of x, so that the two go row by row: what
// only y has is left out, what only x has meets null.
func (c *compiler) align(y, x operand) operand {
	at := operand{kind: y.kind, vector: true, eval: func(f *Frame) (*table.Column, error) {
		if _, err := x.eval(f); err != nil {
			return nil, err
		}
		return x.keys(f)
	}}
	return c.valuesAt(y, at)
}

func (c *compiler) valuesAt(source, at operand) operand {
	slot := c.slot()
	source = unmasked(source)
	return operand{kind: source.kind, vector: at.vector, fails: source.fails || at.fails, eval: func(f *Frame) (*table.Column, error) {
		values, err := source.eval(f)
		if err != nil {
			return nil, err
		}
		names, err := source.keys(f)
		if err != nil {
			return nil, err
		}
		wanted, err := at.eval(f)
		if err != nil {
			return nil, err
		}
		if names.Kind != wanted.Kind && numeric(names.Kind) && numeric(wanted.Kind) {
			names, wanted = decimalsOf(names), decimalsOf(wanted)
		}
		rows := newIndex()
		first := make([]int, 0, names.Len)
		for i := range names.Len {
			if _, fresh := rows.add(names, i); fresh {
				first = append(first, i)
			}
		}
		dst := f.slot(slot)
		reset(dst, source.kind, wanted.Len)
		for i := range wanted.Len {
			id := -1
			if names.Kind == wanted.Kind && !wanted.Null(i) {
				id = rows.find(wanted, i)
			}
			if id < 0 {
				dst.SetNull(i)
			} else {
				setValue(dst, i, values, first[id])
			}
		}
		return dst, nil
	}}
}

// decimalsOf makes keys of two types of numbers comparable, as pandas does.
func decimalsOf(col *table.Column) *table.Column {
	if col.Kind == table.Decimal {
		return col
	}
	out := &table.Column{}
	out.Reset(table.Decimal, col.Len)
	for i := range out.Floats {
		if col.Null(i) {
			out.SetNull(i)
		} else {
			out.Floats[i] = float64(integer(col, i))
		}
	}
	return out
}
