package engine

import (
	"errors"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/worker/engine/kernel"
	"github.com/sagefleet/sagefleet/worker/engine/reader"
	"github.com/sagefleet/sagefleet/worker/engine/table"
)

// batch is one chunk of rows on its way through the engine, with all the memory
// that takes. It goes round: filled by the reader, evaluated by one worker,
// merged in the order of the file, filled again.
type batch struct {
	block   reader.Block
	cells   table.Cells
	columns []table.Column
	table   kernel.Table
	frame   kernel.Frame
	nulls   []table.Bitmap // by field
	bad     []table.Bitmap // by field: cells of another type; empty for none

	tallies  []tally        // by check
	broken   []*fault.Error // by check
	hints    []hints        // by field
	surplus  tally          // rows with too many cells
	trailing tally          // rows with one empty cell too many
	short    int            // rows with too few cells

	err  error
	done chan struct{}
}

// What a rule may make of the text it gets, so that no rule takes more memory
// than a file does. There is a batch or two for every core.
const (
	maxChunkTexts = 8 << 20 // bytes, whatever the size of the chunk
	maxTableTexts = 64 << 20
	textGrowth    = 8 // times the text of the chunk or the table
)

func newBatch(plan *catalogPlan) *batch {
	fields := len(plan.catalog.Fields)
	b := &batch{
		columns: make([]table.Column, fields),
		nulls:   make([]table.Bitmap, fields),
		bad:     make([]table.Bitmap, fields),
		tallies: make([]tally, len(plan.checks)),
		broken:  make([]*fault.Error, len(plan.checks)),
		hints:   make([]hints, fields),
		done:    make(chan struct{}, 1),
	}
	for i := range b.columns {
		b.table.Columns = append(b.table.Columns, &b.columns[i])
	}
	b.frame.Tables = func(string) *kernel.Table { return &b.table }
	return b
}

// reset forgets what was found in the chunk before.
func (b *batch) reset() {
	for i := range b.tallies {
		b.tallies[i].reset()
	}
	clear(b.broken)
	clear(b.hints)
	b.surplus.reset()
	b.trailing.reset()
	b.short, b.err = 0, nil
}

// evaluate does all that needs no other chunk.
func (b *batch) evaluate(r *tableRun) error {
	b.reset()
	if err := r.source.Scan(&b.block, r.binding.layout, &b.cells); err != nil {
		return err
	}
	b.ragged()
	b.table.Len, b.table.Names = b.cells.Rows(), r.binding.names
	b.frame.Now = r.now
	b.frame.MaxTexts = maxChunkTexts + textGrowth*len(b.cells.Data)
	for i, field := range r.plan.catalog.Fields {
		if !r.binding.present[i] {
			b.absent(i, kinds[field.Type])
			continue
		}
		b.bad[i] = convert(&b.columns[i], kinds[field.Type], &b.cells, i, r.orders[i], &b.hints[i], b.bad[i])
		b.nulls[i] = b.columns[i].NullMask(b.nulls[i])
	}
	for i, c := range r.plan.checks {
		b.check(i, c, r)
	}
	return nil
}

// absent makes a column of nulls for a field that the file doesn't have.
func (b *batch) absent(field int, kind table.Kind) {
	col := &b.columns[field]
	col.Reset(kind, b.table.Len)
	for i := range b.table.Len {
		col.SetNull(i)
	}
	b.nulls[field] = col.NullMask(b.nulls[field])
	b.bad[field] = b.bad[field][:0]
}

func (b *batch) ragged() {
	for _, row := range b.cells.Ragged {
		detail := Detail{Line: b.cells.Line(row.Row), Row: row.Row + 1, Value: Value{Null: true}}
		switch {
		case row.Surplus < 0:
			b.short++
		case row.LastEmpty && row.Surplus == 1:
			b.trailing.add(detail)
		default:
			b.surplus.add(detail)
		}
	}
}

func (b *batch) check(i int, c *check, r *tableRun) {
	t := &b.tallies[i]
	switch c.kind {
	case Type:
		for row := range b.bad[c.field].Ones {
			span := b.cells.Columns[c.field][row]
			b.addCell(t, row, func() Value { return Value{Text: string(b.cells.Data[span.Start:span.End])} })
		}
	case Missing:
		if r.binding.present[c.field] {
			b.missing(t, c.field)
		}
	case FieldRule, RowRule, CatalogRule:
		if c.streams() {
			b.rule(i, c)
		}
	}
}

// addCell counts a row, and only makes its value when it will be listed.
func (b *batch) addCell(t *tally, row int, value func() Value) {
	t.count++
	if !t.full() {
		t.details = append(t.details, Detail{Line: b.cells.Line(row), Row: row + 1, Value: value()})
	}
}

// missing finds the empty cells: those that are null and not bad.
func (b *batch) missing(t *tally, field int) {
	bad := b.bad[field]
	for row := range b.nulls[field].Ones {
		if !bad.Get(row) {
			b.addCell(t, row, func() Value { return Value{Null: true} })
		}
	}
}

// rule evaluates a rule on the chunk.
func (b *batch) rule(i int, c *check) {
	b.frame.Active = nil
	if c.field >= 0 {
		active := b.frame.Scratch(b.table.Len)
		active.Not(b.nulls[c.field], b.table.Len)
		b.frame.Active = active
	}
	result, err := c.kernel.Eval(&b.frame)
	if err != nil {
		b.broken[i] = b.locate(err)
		return
	}
	failing := result.Pass
	failing.Not(failing, result.Len)
	if b.frame.Active != nil {
		failing.And(b.frame.Active)
	}
	t := &b.tallies[i]
	t.count = failing.Count()
	for row := range failing.Ones {
		if t.full() {
			break
		}
		value := Value{Null: true}
		if c.field >= 0 {
			value = valueOf(&b.columns[c.field], row)
		}
		t.details = append(t.details, Detail{Line: b.cells.Line(row), Row: row + 1, Value: value})
	}
}

// locate adds the line to what a rule says about a row.
func (b *batch) locate(err error) *fault.Error {
	described := fault.Describe(err)
	if row, ok := errors.AsType[*kernel.RowError](err); ok && row.Row < b.cells.Rows() {
		return row.Err.At("", b.cells.Line(row.Row), 0)
	}
	return described
}
