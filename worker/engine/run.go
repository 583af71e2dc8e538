package engine

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"time"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine/kernel"
	"github.com/sagefleet/sagefleet/worker/engine/reader"
	"github.com/sagefleet/sagefleet/worker/engine/table"
)

// Codes of what stops a rule, or a run, on the data it meets.
const (
	CodeTooLarge fault.Code = "COLUMN_TOO_LARGE" // a column that has to be kept and doesn't fit
	CodeNoTable  fault.Code = "RULE_NO_TABLE"    // a package rule about a file that isn't there
)

// Input is the file of one catalog.
type Input struct {
	Name string // what the file is called in findings

	// Open starts reading the file from its beginning. It may be called again.
	Open func(latin1 bool) (reader.Source, error)
}

// Run checks one input per catalog, by the catalog's id; a catalog without one is
// a finding. The error is of the file or of the context: what is wrong with the
// data is in the result. now is the moment that pd.Timestamp.now() stands for.
func (p *Program) Run(ctx context.Context, inputs map[string]Input, now time.Time) (*Result, error) {
	return p.run(ctx, inputs, now, cores)
}

// cores is how many rows can be checked at once: what GOMAXPROCS was when the process
// started. A worker raises it for the sake of threads that wait for the disk.
var cores = runtime.GOMAXPROCS(0)

func (p *Program) run(ctx context.Context, inputs map[string]Input, now time.Time, workers int) (*Result, error) {
	result := &Result{}
	if p.pkg != nil {
		result.Package = p.pkg.ID
	}
	runs := map[string]*tableRun{}
	for _, plan := range p.catalogs {
		input, ok := inputs[plan.catalog.ID]
		if !ok {
			result.Add(Finding{Kind: MissingFile, Severity: spec.Error, Catalog: plan.catalog.ID, File: plan.catalog.Filename, Count: 1})
			continue
		}
		run := newTableRun(plan, input, now.UnixNano(), workers)
		if err := run.run(ctx); err != nil {
			return nil, err
		}
		if err := run.report(ctx, result); err != nil {
			return nil, err
		}
		runs[plan.catalog.ID] = run
	}
	for _, c := range p.rules {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		result.Add(packageFinding(c, runs, now.UnixNano()))
	}
	result.Findings = withCounts(result.Findings)
	return result, nil
}

// withCounts drops the findings of checks that found nothing.
func withCounts(findings []Finding) []Finding {
	kept := findings[:0]
	for _, f := range findings {
		if f.Count > 0 {
			kept = append(kept, f)
		}
	}
	return kept
}

// report adds what was found in one file to the result.
func (r *tableRun) report(ctx context.Context, result *Result) error {
	catalog := r.plan.catalog
	result.Files = append(result.Files, FileStats{Name: r.input.Name, Catalog: catalog.ID, Records: r.rows})
	result.Records += r.rows
	if r.latin1 {
		result.Notes = append(result.Notes, Note{Kind: NoteLatin1, File: r.input.Name})
	}
	if r.empty {
		if catalog.Header {
			result.Add(Finding{Kind: EmptyFile, Severity: spec.Error, Catalog: catalog.ID, File: r.input.Name, Count: 1})
		}
		return nil
	}
	for _, f := range r.binding.findings {
		result.Add(f)
	}
	r.reportRows(result)
	for i, h := range r.hints {
		if h.undecided > 0 && h.day == 0 && h.month == 0 {
			result.Notes = append(result.Notes, Note{Kind: NoteDateOrder, File: r.input.Name, Field: catalog.Fields[i].Name, Count: h.undecided})
		}
	}
	for i, c := range r.plan.checks {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		result.Add(r.finding(i, c))
	}
	return nil
}

// reportRows tells a delimiter at the end of every row from rows that really
// have too many cells.
func (r *tableRun) reportRows(result *Result) {
	base := Finding{Severity: spec.Error, Catalog: r.plan.catalog.ID, File: r.input.Name}
	if r.trailing.count > 0 && r.trailing.count == r.rows {
		f := base
		f.Kind, f.Severity, f.Count = Trailing, spec.Warning, 1
		result.Add(f)
	} else {
		r.surplus.join(&r.trailing)
	}
	f := base
	f.Kind, f.Count, f.Details = Surplus, r.surplus.count, r.surplus.shown(r.rows)
	result.Add(f)
	if r.short > 0 {
		result.Notes = append(result.Notes, Note{Kind: NoteShortRows, File: r.input.Name, Count: r.short})
	}
}

// finding is the outcome of one check of a catalog.
func (r *tableRun) finding(i int, c *check) Finding {
	f := Finding{Kind: c.kind, Severity: spec.Error, Catalog: r.plan.catalog.ID, File: r.input.Name, Rule: c.rule}
	if c.field >= 0 {
		field := r.plan.catalog.Fields[c.field]
		f.Field, f.FieldType = field.Name, field.Type
	}
	if c.rule != nil {
		f.Severity = c.rule.Severity
	}
	t := &r.tallies[i]
	broken := c.broken
	if broken == nil {
		broken = r.broken[i]
	}
	if broken == nil && c.waits() {
		broken = r.whole(c, t)
	}
	if broken != nil {
		f.Severity, f.Count, f.Broken = spec.Error, 1, broken
		return f
	}
	f.Count, f.Rows, f.Details = t.count, t.count, t.shown(r.rows)
	if c.kind == CatalogRule {
		f.Count = min(f.Count, 1)
	}
	return f
}

// whole evaluates a rule that needs all rows at once.
func (r *tableRun) whole(c *check, t *tally) *fault.Error {
	view := &kernel.Table{Len: r.rows, Columns: make([]*table.Column, len(r.kept)), Names: r.binding.names}
	for _, use := range c.kernel.Uses {
		view.Columns[use.Index] = &r.kept[use.Index]
	}
	rows, err := r.notNull(c, view)
	if err != nil {
		return fault.Describe(err)
	}
	frame := &kernel.Frame{Now: r.now, Tables: func(string) *kernel.Table { return view }, MaxTexts: tableTexts(view)}
	result, err := c.kernel.Eval(frame)
	if err != nil {
		return fault.Describe(err)
	}
	if result.Scalar {
		r.tallyScalar(c, t, result.Pass.Get(0), rows)
		return nil
	}
	for i := range result.Len {
		if result.Pass.Get(i) {
			continue
		}
		row := i
		if rows != nil {
			row = rows[i]
		}
		r.tallyRow(c, t, row)
	}
	return nil
}

// tableTexts is how much text a rule may make of whole tables.
func tableTexts(views ...*kernel.Table) int {
	most := maxTableTexts
	for _, view := range views {
		for _, column := range view.Columns {
			if column != nil {
				most += textGrowth * len(column.Data)
			}
		}
	}
	return most
}

// tallyScalar counts one answer for all rows: every row of a field or row rule
// fails with it, a catalog rule fails once.
func (r *tableRun) tallyScalar(c *check, t *tally, holds bool, rows []int) {
	switch {
	case holds:
	case c.kind == CatalogRule:
		t.count = 1
	case rows != nil:
		for _, row := range rows {
			r.tallyRow(c, t, row)
		}
	default:
		for row := range r.rows {
			r.tallyRow(c, t, row)
		}
	}
}

func (r *tableRun) tallyRow(c *check, t *tally, row int) {
	if t.full() {
		t.count++
		return
	}
	// The answer of a catalog rule may have more rows than the file.
	d := Detail{Line: r.lines.at(row), Row: row + 1, Value: Value{Null: true}}
	if c.field >= 0 {
		d.Value = valueOf(&r.kept[c.field], row)
	}
	t.add(d)
}

// notNull reduces view to the rows a field rule sees, and returns their numbers.
// It returns nil when those are all rows.
func (r *tableRun) notNull(c *check, view *kernel.Table) ([]int, error) {
	if c.field < 0 {
		return nil, nil
	}
	nulls := r.kept[c.field].NullMask(nil)
	if !nulls.Any() {
		return nil, nil
	}
	keep := make(table.Bitmap, len(nulls))
	keep.Not(nulls, r.rows)
	rows := make([]int, 0, keep.Count())
	for row := range keep.Ones {
		rows = append(rows, row)
	}
	for i, col := range view.Columns {
		if col == nil {
			continue
		}
		var part table.Column
		part.Reset(col.Kind, 0)
		if err := part.AppendWhere(col, keep); err != nil {
			return nil, err
		}
		view.Columns[i] = &part
	}
	view.Len = len(rows)
	return rows, nil
}

// packageFinding evaluates a rule over several catalogs.
func packageFinding(c *check, runs map[string]*tableRun, now int64) Finding {
	f := Finding{Kind: PackageRule, Severity: c.rule.Severity, Rule: c.rule, Broken: c.broken}
	views := map[string]*kernel.Table{}
	if f.Broken == nil {
		f.Broken = gather(c, runs, views)
	}
	var result kernel.Result
	if f.Broken == nil {
		var err error
		frame := &kernel.Frame{Now: now, Tables: func(id string) *kernel.Table { return views[id] }, MaxTexts: tableTexts(slices.Collect(maps.Values(views))...)}
		if result, err = c.kernel.Eval(frame); err != nil {
			f.Broken = fault.Describe(err)
		}
	}
	if f.Broken != nil {
		f.Severity, f.Count = spec.Error, 1
		return f
	}
	var t tally
	run := runs[c.rule.Expr.Type().Catalog] // nil when the answers follow no rows
	for i := range result.Len {
		if result.Pass.Get(i) {
			continue
		}
		d := Detail{Row: i + 1, Value: Value{Null: true}}
		if run != nil && !result.Scalar && i < run.rows {
			d.Line = run.lines.at(i)
			f.File = run.input.Name
		}
		t.add(d)
	}
	f.Count, f.Rows = min(t.count, 1), t.count
	if !result.Scalar {
		f.Details = t.shown(result.Len)
	}
	return f
}

// gather makes the tables that a package rule reads.
func gather(c *check, runs map[string]*tableRun, views map[string]*kernel.Table) *fault.Error {
	for _, id := range c.kernel.Reads {
		run := runs[id]
		if run == nil || run.empty {
			return fault.New(CodeNoTable, "the rule needs the catalog %s, whose file is missing or empty", id).
				Advise("send the file, and the rule will be evaluated").Permanent()
		}
		view := &kernel.Table{Len: run.rows, Names: run.binding.names, Columns: make([]*table.Column, len(run.kept))}
		for i := range run.kept {
			view.Columns[i] = &run.kept[i]
		}
		views[id] = view
	}
	return nil
}
