package engine

import (
	"context"
	"errors"
	"io"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/worker/engine/parse"
	"github.com/sagefleet/sagefleet/worker/engine/reader"
	"github.com/sagefleet/sagefleet/worker/engine/table"
)

// errAgain says that an assumption about the file was wrong: it has been put
// right, and the file has to be read again.
var errAgain = errors.New("the file has to be read again")

// tableRun is one catalog being checked: what is assumed about its file, and
// what has been found so far.
type tableRun struct {
	plan    *catalogPlan
	input   Input
	now     int64
	workers int

	latin1  bool
	orders  []parse.Order // by field; read by the workers, so fixed during a pass
	adopted []parse.Order // by field, for the next pass
	settled bool          // the orders are those of all dates, not of the first

	source  reader.Source
	binding *binding
	empty   bool

	rows     int
	tallies  []tally
	broken   []*fault.Error
	hints    []hints
	surplus  tally
	trailing tally
	short    int
	uniques  []uniqueSet
	kept     []table.Column // by field, where the plan keeps it
	lines    lineIndex      // where the plan needs it
}

func newTableRun(plan *catalogPlan, input Input, now int64, workers int) *tableRun {
	return &tableRun{plan: plan, input: input, now: now, workers: workers, adopted: make([]parse.Order, len(plan.catalog.Fields))}
}

// run reads the file, again for each assumption that was wrong.
func (r *tableRun) run(ctx context.Context) error {
	for {
		err := r.pass(ctx)
		switch {
		case errors.Is(err, reader.ErrNotUTF8) && !r.latin1:
			r.latin1 = true
		case !errors.Is(err, errAgain):
			return err
		}
	}
}

// pass reads the file once.
func (r *tableRun) pass(ctx context.Context) error {
	r.forget()
	source, err := r.input.Open(r.latin1)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	first := source.First()
	if r.empty = len(first) == 0; r.empty {
		return nil
	}
	r.source, r.binding = source, bind(r.plan.catalog, r.input.Name, first)
	if err := r.stream(ctx); err != nil {
		return err
	}
	return r.settle()
}

// forget clears what an earlier pass found.
func (r *tableRun) forget() {
	checks, fields := len(r.plan.checks), len(r.plan.catalog.Fields)
	r.orders = slices.Clone(r.adopted)
	r.rows, r.short = 0, 0
	r.tallies, r.broken = make([]tally, checks), make([]*fault.Error, checks)
	r.hints, r.uniques = make([]hints, fields), make([]uniqueSet, checks)
	r.kept, r.lines = make([]table.Column, fields), lineIndex{}
	r.surplus, r.trailing = tally{}, tally{}
	for i, kept := range r.plan.kept {
		if kept { // a file without rows has columns all the same
			r.kept[i].Reset(kinds[r.plan.catalog.Fields[i].Type], 0)
		}
	}
}

// settle decides the orders of dates at the end of a file.
func (r *tableRun) settle() error {
	if r.settled {
		return nil
	}
	r.settled = true
	if r.reorder() {
		return errAgain
	}
	return nil
}

// reorder adopts the orders that the hints so far speak for, and reports whether
// one of them is new.
func (r *tableRun) reorder() bool {
	changed := false
	for i, h := range r.hints {
		if order := h.order(); order != r.orders[i] && h != (hints{}) {
			r.adopted[i] = order
			changed = true
		}
	}
	return changed
}

// stream sends the chunks of the file through the workers and merges them in the
// order of the file. The number of batches bounds the memory.
func (r *tableRun) stream(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	batches := r.workers + 2
	free, work, order := make(chan *batch, batches), make(chan *batch, batches), make(chan *batch, batches)
	group.Go(func() error {
		defer close(work)
		defer close(order)
		return r.read(ctx, free, work, order)
	})
	for range r.workers {
		group.Go(func() error {
			for b := range work {
				b.err = b.evaluate(r)
				b.done <- struct{}{}
			}
			return nil
		})
	}
	group.Go(func() error {
		for b := range order {
			<-b.done
			if err := r.merge(b); err != nil {
				return err
			}
			free <- b
		}
		return nil
	})
	return group.Wait()
}

// read fills batches until the file or the context ends. It makes another only when
// none is free: a small file needs one.
func (r *tableRun) read(ctx context.Context, free chan *batch, work, order chan<- *batch) error {
	for made := 0; ; {
		if len(free) == 0 && made < cap(free) {
			free <- newBatch(r.plan)
			made++
		}
		var b *batch
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case b = <-free:
		}
		switch err := r.source.Next(&b.block); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		work <- b // both have room for every batch there is
		order <- b
	}
}

// merge adds the findings of one chunk to those of the chunks before.
func (r *tableRun) merge(b *batch) error {
	if b.err != nil {
		return b.err
	}
	first := r.rows
	for i, c := range r.plan.checks {
		if r.broken[i] == nil {
			r.broken[i] = b.broken[i]
		}
		if c.kind == Duplicate && r.binding.present[c.field] {
			r.duplicates(b, c, i)
		}
		r.tallies[i].merge(&b.tallies[i], first)
	}
	for i, h := range b.hints {
		r.hints[i].day += h.day
		r.hints[i].month += h.month
		r.hints[i].undecided += h.undecided
	}
	r.surplus.merge(&b.surplus, first)
	r.trailing.merge(&b.trailing, first)
	r.short += b.short
	r.rows += b.table.Len
	if first == 0 && !r.settled && r.reorder() {
		return errAgain // found early: most files with the day first show it soon
	}
	return r.keep(b)
}

// duplicates looks for the values of a unique field among all those before.
func (r *tableRun) duplicates(b *batch, c *check, i int) {
	col := &b.columns[c.field]
	for row := range b.table.Len {
		if !col.Null(row) && !r.uniques[i].add(col, row) {
			b.addCell(&b.tallies[i], row, func() Value { return valueOf(col, row) })
		}
	}
}

// keep copies what rules for the whole table need.
func (r *tableRun) keep(b *batch) error {
	for i, kept := range r.plan.kept {
		if !kept {
			continue
		}
		if err := r.kept[i].Append(&b.columns[i]); err != nil {
			return fault.New(CodeTooLarge, "field %s: %w", r.plan.catalog.Fields[i].Name, err).
				Advise("split the file, or write the rule without functions of the whole column").Permanent()
		}
	}
	if r.plan.lines {
		for row := range b.table.Len {
			r.lines.add(b.cells.Line(row))
		}
	}
	return nil
}
