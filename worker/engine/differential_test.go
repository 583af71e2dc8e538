package engine_test

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine"
	"github.com/sagefleet/sagefleet/worker/engine/differential"
	"github.com/sagefleet/sagefleet/worker/engine/kernel"
	"github.com/sagefleet/sagefleet/worker/engine/reader"
	"github.com/sagefleet/sagefleet/worker/engine/table"
)

var pairs = flag.Int("pairs", 2000, "how many random pairs of tables and rules TestDifferential compares")

// rulesPerTable is how many rules each pair of tables is checked against.
const rulesPerTable = 20

// TestDifferential holds the engine to an evaluator that works row by row.
func TestDifferential(t *testing.T) {
	t.Parallel()
	for seed := range uint64(*pairs / rulesPerTable) {
		compareWithRows(t, seed)
	}
}

// FuzzDifferential is TestDifferential for as long as it may take.
func FuzzDifferential(f *testing.F) {
	f.Add(uint64(0))
	f.Fuzz(func(t *testing.T, seed uint64) { compareWithRows(t, seed) })
}

// trial is the tables and the rules of one seed, and what they should give.
type trial struct {
	seed   uint64
	tables map[string]*differential.Table
	csv    map[string]string
	lines  map[string][]int
	rules  []*trialRule
}

type trialRule struct {
	*spec.Rule
	field  int // of a field rule, otherwise -1
	rows   []int
	answer differential.Answer
	err    error
}

func compareWithRows(t *testing.T, seed uint64) {
	t.Helper()
	tr := newTrial(t, seed)
	for _, rule := range tr.rules {
		tr.compareKernel(t, rule)
	}
	p := tr.program()
	var first *engine.Result
	for _, run := range []struct{ block, workers int }{{1 << 20, 1}, {1, 1}, {100, 3}} {
		result, err := p.RunWith(t.Context(), tr.inputs(run.block), time.Unix(0, 0), run.workers)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if first == nil {
			first = result
			tr.compareRun(t, result)
		} else if d := gocmp.Diff(brief(first), brief(result)); d != "" {
			t.Errorf("seed %d: in blocks of %d with %d workers (-one chunk +many)\n%s", seed, run.block, run.workers, d)
		}
	}
}

func newTrial(t *testing.T, seed uint64) *trial {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	tr := &trial{seed: seed, tables: map[string]*differential.Table{}, csv: map[string]string{}, lines: map[string][]int{}}
	for _, id := range []string{"a", "b"} {
		tr.tables[id] = differential.NewTable(r, id)
		tr.csv[id], tr.lines[id] = tr.tables[id].CSV()
	}
	for i := range rulesPerTable {
		scope := spec.ScopeField + spec.Scope(r.IntN(4))
		tr.add(t, r, fmt.Sprintf("r%d", i), scope)
	}
	return tr
}

// add makes one rule, and the answer it should give.
func (tr *trial) add(t *testing.T, r *rand.Rand, name string, scope spec.Scope) {
	t.Helper()
	a, b := tr.tables["a"], tr.tables["b"]
	rule := &trialRule{Rule: &spec.Rule{Name: name, Source: differential.NewRule(r, scope), Severity: spec.Error, Scope: scope}, field: -1}
	seen, catalogs := tr.tables, []*spec.Catalog{a.Catalog}
	switch scope {
	case spec.ScopePackage:
		catalogs = append(catalogs, b.Catalog)
	case spec.ScopeField:
		rule.field = r.IntN(len(a.Catalog.Fields))
	}
	var issues spec.Issues
	if rule.Expr, issues = spec.Compile(rule.Source, scope, catalogs...); rule.Expr == nil {
		t.Fatalf("seed %d: %s\ndoesn't compile: %v", tr.seed, rule.Source, issues)
	}
	part := &differential.Table{Catalog: a.Catalog}
	for i, row := range a.Rows {
		if rule.field < 0 || row[rule.field] != nil {
			rule.rows = append(rule.rows, i)
			part.Rows = append(part.Rows, row)
		}
	}
	if rule.field >= 0 {
		seen = map[string]*differential.Table{"a": part}
	}
	rule.answer, rule.err = differential.Evaluate(rule.Expr, seen)
	tr.rules = append(tr.rules, rule)
}

// compareKernel compares the answer for every row, of a rule that sees all rows.
func (tr *trial) compareKernel(t *testing.T, rule *trialRule) {
	t.Helper()
	if rule.field >= 0 {
		return
	}
	compiled, err := kernel.Compile(rule.Expr)
	var got differential.Answer
	if err == nil {
		var result kernel.Result
		result, err = compiled.Eval(&kernel.Frame{Tables: func(id string) *kernel.Table { return columnsOf(tr.tables[id]) }})
		got.Scalar = result.Scalar
		for i := range result.Len {
			got.Pass = append(got.Pass, result.Pass.Get(i))
		}
	}
	if (err == nil) != (rule.err == nil) || err == nil && (got.Scalar != rule.answer.Scalar || !slices.Equal(got.Pass, rule.answer.Pass)) {
		t.Errorf("%s\nthe kernel   %v %v\nrow by row   %v %v", tr.context(rule), got, err, rule.answer, rule.err)
	}
}

func (tr *trial) context(rule *trialRule) string {
	s := fmt.Sprintf("seed %d, a %s rule", tr.seed, rule.Scope)
	if rule.field >= 0 {
		s += " of field " + tr.tables["a"].Catalog.Fields[rule.field].Name
	}
	s += ": " + rule.Source + "\n" + tr.csv["a"]
	if rule.Scope == spec.ScopePackage {
		s += "\n" + tr.csv["b"]
	}
	return s
}

func columnsOf(t *differential.Table) *kernel.Table {
	out := &kernel.Table{Len: len(t.Rows)}
	kinds := map[spec.FieldType]table.Kind{
		spec.Text: table.Text, spec.Decimal: table.Decimal, spec.Integer: table.Integer, spec.Date: table.Date, spec.Boolean: table.Bool,
	}
	for i, field := range t.Catalog.Fields {
		col := &table.Column{}
		col.Reset(kinds[field.Type], len(t.Rows))
		for row, cells := range t.Rows {
			switch v := cells[i].(type) {
			case nil:
				col.SetNull(row)
			case string:
				col.SetText(row, []byte(v))
			case float64:
				col.Floats[row] = v
			case int64:
				col.Ints[row] = v
			case time.Time:
				col.Ints[row] = v.UnixNano()
			case bool:
				if v {
					col.Bits.Set(row)
				}
			}
		}
		out.Columns = append(out.Columns, col)
		out.Names = append(out.Names, field.Name)
	}
	return out
}

// program puts the rules where they belong.
func (tr *trial) program() *engine.Program {
	a := tr.tables["a"].Catalog
	pkg := &spec.Package{ID: "p", Format: spec.ZIP, Catalogs: []*spec.Catalog{a, tr.tables["b"].Catalog}}
	for _, rule := range tr.rules {
		switch rule.Scope {
		case spec.ScopeField:
			a.Fields[rule.field].Rules = append(a.Fields[rule.field].Rules, rule.Rule)
		case spec.ScopeRow:
			a.RowRules = append(a.RowRules, rule.Rule)
		case spec.ScopeCatalog:
			a.CatalogRules = append(a.CatalogRules, rule.Rule)
		case spec.ScopePackage:
			pkg.Rules = append(pkg.Rules, rule.Rule)
		}
	}
	return engine.Compile(spec.Selection{Package: pkg, Catalogs: pkg.Catalogs})
}

func (tr *trial) inputs(block int) map[string]engine.Input {
	limits := reader.DefaultLimits()
	limits.Block = block
	inputs := map[string]engine.Input{}
	for id, text := range tr.csv {
		inputs[id] = engine.Input{Name: id + ".csv", Open: func(latin1 bool) (reader.Source, error) {
			return reader.NewCSV(io.NopCloser(strings.NewReader(text)), reader.Dialect{Delimiter: ',', Header: true, Latin1: latin1}, limits)
		}}
	}
	return inputs
}

// compareRun compares what a whole run finds: counts, rows, lines, rule errors.
func (tr *trial) compareRun(t *testing.T, result *engine.Result) {
	t.Helper()
	found := map[*spec.Rule]engine.Finding{}
	for _, f := range result.Findings {
		if f.Rule == nil {
			t.Errorf("seed %d: a finding that no rule made: %+v\n%s", tr.seed, f, tr.csv["a"])
		}
		found[f.Rule] = f
	}
	for _, rule := range tr.rules {
		got, want := outcomeOf(found[rule.Rule]), tr.expected(rule)
		if d := gocmp.Diff(want, got); d != "" {
			t.Errorf("%s\n(-row by row +the engine)\n%s%v", tr.context(rule), d, found[rule.Rule].Broken)
		}
	}
}

// outcome is what a finding says, as far as it is decided by the answers.
type outcome struct {
	Broken bool
	Count  int
	Rows   []int // the first, from 1
	Lines  []int
}

func outcomeOf(f engine.Finding) outcome {
	o := outcome{Broken: f.Broken != nil, Count: f.Count}
	for _, d := range f.Details {
		o.Rows = append(o.Rows, d.Row)
		o.Lines = append(o.Lines, d.Line)
	}
	return o
}

func (tr *trial) expected(rule *trialRule) outcome {
	if rule.err != nil {
		return outcome{Broken: true, Count: 1}
	}
	perRow := rule.Scope <= spec.ScopeRow
	if rule.answer.Scalar && !perRow {
		return outcome{Count: boolCount(!rule.answer.Pass[0])}
	}
	catalog := "a"
	if !perRow {
		catalog = rule.Expr.Type().Catalog
	}
	lines, size := tr.lines[catalog], len(tr.tables["a"].Rows)
	if rule.Scope == spec.ScopePackage {
		size = len(rule.answer.Pass)
	}
	var o outcome
	for i, row := range failing(rule) {
		o.Count++
		if size > 30 && i >= 10 || i >= 30 {
			continue
		}
		o.Rows = append(o.Rows, row+1)
		line := 0
		if rule.Scope != spec.ScopePackage {
			line = lineAt(tr.lines["a"], row)
		} else if catalog != "" {
			line = lineAt(lines, row)
		}
		o.Lines = append(o.Lines, line)
	}
	if !perRow {
		o.Count = min(o.Count, 1)
	}
	return o
}

// failing are the numbers of the rows that fail.
func failing(rule *trialRule) []int {
	perRow := rule.Scope <= spec.ScopeRow
	var rows []int
	if rule.answer.Scalar {
		if !rule.answer.Pass[0] {
			rows = rule.rows
		}
		return rows
	}
	for i, pass := range rule.answer.Pass {
		switch {
		case pass:
		case perRow:
			rows = append(rows, rule.rows[i])
		default:
			rows = append(rows, i)
		}
	}
	return rows
}

func lineAt(lines []int, row int) int {
	if row < len(lines) {
		return lines[row]
	}
	return 0
}

func boolCount(b bool) int {
	if b {
		return 1
	}
	return 0
}

// brief is what must not depend on how a file is cut.
func brief(r *engine.Result) map[string]outcome {
	out := map[string]outcome{}
	for _, f := range r.Findings {
		if f.Rule != nil {
			out[f.Rule.Name] = outcomeOf(f)
		}
	}
	return out
}
