package engine

import (
	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine/parse"
	"github.com/sagefleet/sagefleet/worker/engine/table"
)

var kinds = [...]table.Kind{
	spec.Text: table.Text, spec.Decimal: table.Decimal, spec.Integer: table.Integer,
	spec.Date: table.Date, spec.Boolean: table.Bool,
}

// hints counts what the dates of a column tell about their order.
type hints struct{ day, month, undecided int }

func (h *hints) note(hint parse.Hint) {
	switch hint {
	case parse.IsDay:
		h.day++
	case parse.IsMonth:
		h.month++
	case parse.Undecided:
		h.undecided++
	}
}

// order is the one that fewer dates contradict; month first when neither does.
func (h hints) order() parse.Order {
	if h.day > h.month {
		return parse.DayFirst
	}
	return parse.MonthFirst
}

// convert gives the cells of one field their type. A cell that doesn't have it
// becomes null and is set in bad, which is returned resized; it is nil when all
// cells are good.
func convert(dst *table.Column, kind table.Kind, cells *table.Cells, slot int, order parse.Order, h *hints, bad table.Bitmap) table.Bitmap {
	spans, data := cells.Columns[slot], cells.Data
	if kind == table.Text {
		dst.Share(spans, data)
	} else {
		dst.Reset(kind, len(spans))
	}
	bad = bad[:0]
	refuse := func(i int) {
		if len(bad) == 0 {
			bad = bad.Resize(len(spans))
		}
		bad.Set(i)
		dst.SetNull(i)
	}
	switch kind {
	case table.Text:
		nullEmpty(dst)
	case table.Decimal:
		for i, s := range spans {
			text := parse.Space(data[s.Start:s.End])
			if v, ok := parse.Decimal(text); ok {
				dst.Floats[i] = v
			} else if len(text) == 0 {
				dst.Floats[i] = table.NaN
			} else {
				refuse(i)
			}
		}
	case table.Integer:
		for i, s := range spans {
			text := parse.Space(data[s.Start:s.End])
			if v, ok := parse.Integer(text); ok {
				dst.Ints[i] = v
			} else if len(text) == 0 {
				dst.SetNull(i)
			} else {
				refuse(i)
			}
		}
	case table.Date:
		for i, s := range spans {
			text := parse.Space(data[s.Start:s.End])
			v, hint, ok := parse.Date(text, order)
			if hint != parse.NoHint {
				h.note(hint)
			}
			switch {
			case ok:
				dst.Ints[i] = v
			case len(text) == 0:
				dst.Ints[i] = table.NaT
			default:
				refuse(i)
			}
		}
	case table.Bool:
		for i, s := range spans {
			text := parse.Space(data[s.Start:s.End])
			if v, ok := parse.Bool(text); !ok {
				if len(text) == 0 {
					dst.SetNull(i)
				} else {
					refuse(i)
				}
			} else if v {
				dst.Bits.Set(i)
			}
		}
	}
	return bad
}

func nullEmpty(dst *table.Column) {
	for i, s := range dst.Spans {
		if s.Start == s.End {
			dst.SetNull(i)
		}
	}
}
