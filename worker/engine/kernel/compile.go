package kernel

import (
	"strings"

	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine/table"
)

// expr compiles any value.
func (c *compiler) expr(e spec.Expr) operand {
	switch e := e.(type) {
	case *spec.Literal:
		return c.literal(e)
	case *spec.Column:
		return c.column(e)
	case *spec.Cell:
		return c.column(e.Column)
	case *spec.Param:
		return c.param
	case *spec.Unary:
		return c.unary(e)
	case *spec.Binary:
		return c.binary(e)
	case *spec.Cond:
		return c.cond(c.expr(e.Test), e)
	case *spec.Call:
		return c.call(e)
	case *spec.Index:
		return c.index(e)
	default:
		return c.fail(e, "%T is not a value", e)
	}
}

func (c *compiler) literal(e *spec.Literal) operand {
	col := &table.Column{}
	switch v := e.Value.(type) {
	case nil:
		o := c.constant(nullColumn(table.Decimal))
		o.null = true
		return o
	case bool:
		col.Reset(table.Bool, 1)
		if v {
			col.Bits.Set(0)
		}
	case int64:
		col.Reset(table.Integer, 1)
		col.Ints[0] = v
	case float64:
		col.Reset(table.Decimal, 1)
		col.Floats[0] = v
	case string:
		col.Reset(table.Text, 1)
		col.SetText(0, []byte(v))
	}
	return c.constant(col)
}

func nullColumn(kind table.Kind) *table.Column {
	col := &table.Column{}
	col.Reset(kind, 1)
	col.SetNull(0)
	return col
}

// as gives the constant None the kind of what it meets.
func (c *compiler) as(x operand, kind table.Kind) operand {
	if !x.null {
		return x
	}
	x = c.constant(nullColumn(kind))
	x.null = true
	return x
}

func (c *compiler) column(e *spec.Column) operand {
	use := Column{e.Catalog, e.Index}
	if !c.uses[use] {
		c.uses[use] = true
		c.columns = append(c.columns, use)
		c.touch(e.Catalog)
	}
	return operand{kind: kindOf(e.Type().Elem), vector: true, local: true, eval: func(f *Frame) (*table.Column, error) {
		return f.Tables(use.Catalog).Columns[use.Index], nil
	}}
}

func kindOf(elem spec.Elem) table.Kind {
	switch elem {
	case spec.TextElem:
		return table.Text
	case spec.IntElem:
		return table.Integer
	case spec.TimeElem:
		return table.Date
	case spec.SpanElem:
		return table.Duration
	case spec.BoolElem:
		return table.Bool
	default:
		return table.Decimal
	}
}

func (c *compiler) unary(e *spec.Unary) operand {
	x := c.expr(e.X)
	if e.Op == spec.Not {
		return c.not(c.toBool(x))
	}
	if x.kind == table.Bool {
		x = c.toInteger(x)
	}
	return c.negate(e, x)
}

func (c *compiler) binary(e *spec.Binary) operand {
	switch e.Op {
	case spec.In, spec.NotIn:
		return c.in(e)
	case spec.And, spec.Or:
		return c.logic(e)
	}
	x, y := c.expr(e.X), c.expr(e.Y)
	x, y = c.as(x, y.kind), c.as(y, x.kind)
	if e.Op >= spec.Eq {
		return c.compare(e.Op, x, y)
	}
	return c.arithmetic(e, x, y)
}

// call compiles a function by its canonical name.
func (c *compiler) call(e *spec.Call) operand {
	switch name := string(e.Fn); {
	case strings.HasPrefix(name, "str."):
		return c.text(e)
	case strings.HasPrefix(name, "dt."):
		return c.datePart(e)
	case strings.HasPrefix(name, "group."):
		return c.group(e)
	case strings.HasPrefix(name, "astype."):
		return c.astype(e, name)
	}
	if fn, ok := calls[e.Fn]; ok {
		return fn(c, e)
	}
	return c.fail(e, "the function %s has no kernel", e.Fn)
}

// calls is filled by init because its functions refer back to it.
var calls map[spec.Fn]func(*compiler, *spec.Call) operand

func init() {
	calls = map[spec.Fn]func(*compiler, *spec.Call) operand{
		"isna": (*compiler).isna, "notna": (*compiler).isna, "isin": (*compiler).isin, "between": (*compiler).between,
		"fillna": (*compiler).fillna, "where": (*compiler).where, "map": (*compiler).mapping,
		"abs": (*compiler).abs, "round": (*compiler).round, "least": (*compiler).extreme, "greatest": (*compiler).extreme,
		"apply": (*compiler).apply, "table.apply": (*compiler).apply, "values": (*compiler).values,
		"to_datetime": (*compiler).toDatetime, "to_numeric": (*compiler).toNumeric, "timedelta": (*compiler).timedelta, "now": (*compiler).now,
		"sum": (*compiler).aggregate, "mean": (*compiler).aggregate, "median": (*compiler).aggregate, "std": (*compiler).aggregate,
		"min": (*compiler).aggregate, "max": (*compiler).aggregate, "count": (*compiler).aggregate,
		"nunique": (*compiler).aggregate, "is_unique": (*compiler).aggregate,
		"any": (*compiler).quantifier, "all": (*compiler).quantifier,
		"len": (*compiler).length, "empty": (*compiler).length, "columns": (*compiler).names,
		"shift": (*compiler).shift, "diff": (*compiler).diff, "cumsum": (*compiler).cumsum,
		"duplicated": (*compiler).duplicated, "table.duplicated": (*compiler).duplicated,
		"unique": (*compiler).unique, "dropna": (*compiler).dropna, "filter": (*compiler).filter,
		"value_counts": (*compiler).valueCounts, "lookup": (*compiler).lookup,
	}
}

// apply compiles the body of a lambda with its parameter bound to the receiver.
func (c *compiler) apply(e *spec.Call) operand {
	lambda, ok := e.Args[1].(*spec.Lambda)
	if !ok {
		return c.fail(e, "apply needs a lambda")
	}
	if t, ok := e.Args[0].(*spec.Table); ok {
		c.touch(t.Catalog)
		return c.perRow(c.expr(lambda.Body), func(f *Frame) (int, error) { return f.Tables(t.Catalog).Len, nil })
	}
	c.param = c.expr(e.Args[0])
	receiver := c.param
	return c.perRow(c.expr(lambda.Body), func(f *Frame) (int, error) {
		col, err := receiver.eval(f)
		if err != nil {
			return 0, err
		}
		return col.Len, nil
	})
}

// perRow makes the body of a lambda one value per row. A lambda without a row to
// be called for can't fail, whatever stands in it.
func (c *compiler) perRow(body operand, rows func(*Frame) (int, error)) operand {
	if body.fails {
		inner := body.eval
		body.eval = func(f *Frame) (*table.Column, error) {
			n, err := rows(f)
			if err != nil {
				return nil, err
			}
			idle := f.idle
			defer func() { f.idle = idle }()
			f.idle = idle || n == 0 || f.Active != nil && !f.Active.Any()
			return inner(f)
		}
	}
	return c.broadcast(body, rows)
}

// broadcast makes one value per row of a lambda whose body ignores its row.
func (c *compiler) broadcast(x operand, rows func(*Frame) (int, error)) operand {
	if x.vector {
		return x
	}
	slot := c.slot()
	return operand{kind: x.kind, vector: true, local: x.local, fails: x.fails, eval: func(f *Frame) (*table.Column, error) {
		src, err := x.eval(f)
		if err != nil {
			return nil, err
		}
		n, err := rows(f)
		if err != nil {
			return nil, err
		}
		dst := f.slot(slot)
		reset(dst, x.kind, n)
		for i := range n {
			setValue(dst, i, src, 0)
		}
		return dst, nil
	}}
}

// values drops the keys of a keyed column.
func (c *compiler) values(e *spec.Call) operand {
	x := c.expr(e.Args[0])
	x.keys = nil
	return x
}
