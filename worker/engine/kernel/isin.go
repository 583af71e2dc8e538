package kernel

import (
	"bytes"

	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine/table"
)

// isin compiles x.isin(values).
func (c *compiler) isin(e *spec.Call) operand { return c.member(c.expr(e.Args[0]), e.Args[1]) }

// member looks values up in a list or in a column. As in pandas, and unlike in
// comparisons, null is among values that contain a null.
func (c *compiler) member(x operand, values spec.Expr) operand {
	if list, ok := values.(*spec.List); ok {
		return c.memberOfList(x, list)
	}
	y := c.expr(values)
	switch {
	case x.kind == y.kind:
	case numeric(x.kind) && numeric(y.kind):
		x, y = c.toDecimal(x), c.toDecimal(y)
	default: // the checker has warned that nothing is ever found
		return c.map1(x, table.Bool, func(*Frame, *table.Column, *table.Column) error { return nil })
	}
	slot := c.slot()
	y = unmasked(y)
	out := operand{kind: table.Bool, vector: x.vector, keys: x.keys, fails: x.fails || y.fails}
	out.eval = func(f *Frame) (*table.Column, error) {
		src, err := x.eval(f)
		if err != nil {
			return nil, err
		}
		in, err := y.eval(f)
		if err != nil {
			return nil, err
		}
		set := newIndex()
		for i := range in.Len {
			set.add(in, i)
		}
		dst := f.slot(slot)
		dst.Reset(table.Bool, src.Len)
		for i := range src.Len {
			if set.find(src, i) >= 0 {
				dst.Bits.Set(i)
			}
		}
		return dst, nil
	}
	return out
}

// fewTexts is how many texts are compared one after the other faster than a map
// finds one.
const fewTexts = 8

func (c *compiler) memberOfList(x operand, list *spec.List) operand {
	values, null, ok := c.constants(x.kind, list)
	if !ok {
		return c.memberOfExprs(x, list)
	}
	if x.kind == table.Text && values.Len <= fewTexts {
		return c.ask(x, null, func(text []byte) bool {
			for i := range values.Len {
				if bytes.Equal(text, values.Text(i)) {
					return true
				}
			}
			return false
		})
	}
	if numeric(x.kind) && values.Kind == table.Decimal {
		x = c.toDecimal(x)
	}
	set := newIndex()
	for i := range values.Len {
		set.add(values, i)
	}
	return c.map1(x, table.Bool, func(_ *Frame, dst, src *table.Column) error {
		for i := range src.Len {
			if src.Null(i) && null || !src.Null(i) && set.find(src, i) >= 0 {
				dst.Bits.Set(i)
			}
		}
		return nil
	})
}

// constants collects the literals of a list that values of a kind can be equal
// to: texts for texts, numbers for numbers.
func (c *compiler) constants(kind table.Kind, list *spec.List) (values *table.Column, null, ok bool) {
	values = &table.Column{}
	to := kind
	if numeric(kind) {
		to = table.Decimal
		if kind == table.Integer && list.Type().Elem == spec.IntElem {
			to = table.Integer
		}
	}
	values.Reset(to, 0)
	for _, item := range list.Items {
		lit, literal := item.(*spec.Literal)
		if !literal {
			return nil, false, false
		}
		switch v := lit.Value.(type) {
		case nil:
			null = true
		case string:
			if kind == table.Text {
				values.Len++
				values.Spans = append(values.Spans, table.Span{})
				values.SetText(values.Len-1, []byte(v))
			}
		case int64:
			appendNumber(values, v, float64(v))
		case float64:
			appendNumber(values, int64(v), v)
		case bool:
			appendNumber(values, int64(boolInt(v)), float64(boolInt(v)))
		}
	}
	return values, null, true
}

func appendNumber(values *table.Column, i int64, f float64) {
	switch values.Kind {
	case table.Integer:
		values.Len++
		values.Ints = append(values.Ints, i)
	case table.Decimal:
		values.Len++
		values.Floats = append(values.Floats, f)
	}
}

// memberOfExprs compares with one computed value after the other.
func (c *compiler) memberOfExprs(x operand, list *spec.List) operand {
	var any operand
	for i, item := range list.Items {
		y := c.as(c.expr(item), x.kind)
		same := c.or(c.compare(spec.Eq, x, y), c.and(c.missing(x), c.missing(y)))
		if i == 0 {
			any = same
		} else {
			any = c.or(any, same)
		}
	}
	return any
}

// mapping compiles x.map({from: to}). What isn't in the dictionary becomes null.
func (c *compiler) mapping(e *spec.Call) operand {
	x := c.expr(e.Args[0])
	dict, ok := e.Args[1].(*spec.Dict)
	if !ok {
		return c.fail(e, "map needs a dictionary")
	}
	kind := table.Decimal
	for _, value := range dict.Values {
		if lit, ok := value.(*spec.Literal); ok && lit.Value != nil {
			kind = kindOf(dict.Type().Elem)
			break
		}
	}
	out := c.as(operand{null: true}, kind)
	for i := range dict.Keys { // outwards, so that of two equal keys the later one wins
		key, value := c.expr(dict.Keys[i]), c.expr(dict.Values[i])
		value, rest := c.alike(e, value, out)
		out = c.choose(c.compare(spec.Eq, x, c.as(key, x.kind)), value, rest)
	}
	if !out.vector && x.vector { // an empty dictionary
		return c.map1(x, kind, func(_ *Frame, dst, src *table.Column) error {
			for i := range src.Len {
				dst.SetNull(i)
			}
			return nil
		})
	}
	return out
}
