package kernel_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine/kernel"
	"github.com/sagefleet/sagefleet/worker/engine/table"
)

// unfinished are the published rules that can't be evaluated: their X stands for
// a number to be filled in, or they convert a whole column as if it were a value.
var unfinished = regexp.MustCompile(`\bX\b|^float\(`)

var (
	quoted    = regexp.MustCompile(`'([^']+)'`)
	inPackage = regexp.MustCompile(`df\['([^']+)'\](?:\[|\.groupby|\.set_index)`)
)

// TestPublishedRules evaluates every rule found in real use, on a table with the
// columns it names, with and without rows.
func TestPublishedRules(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../testdata/rules.txt")
	if err != nil {
		t.Fatal(err)
	}
	rules := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(rules) != 79 {
		t.Fatalf("%d rules, want 79", len(rules))
	}
	for _, source := range rules {
		expr, catalogs := compileAny(source)
		if unfinished.MatchString(source) {
			if expr != nil {
				t.Errorf("%s compiles", source)
			}
			continue
		}
		if expr == nil {
			t.Errorf("%s doesn't compile with columns of any one type", source)
			continue
		}
		rule, err := kernel.Compile(expr)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		for _, rows := range []int{0, 3} {
			tables := map[string]*kernel.Table{}
			for _, c := range catalogs {
				tables[c.ID] = filled(c, rows)
			}
			result, err := rule.Eval(&kernel.Frame{Tables: func(id string) *kernel.Table { return tables[id] }})
			if err != nil || !result.Scalar && result.Len > rows || result.Scalar && result.Len != 1 {
				t.Errorf("%s on %d rows: %d answers, %v", source, rows, result.Len, err)
			}
		}
	}
}

// compileAny tries the rule with all its columns of one type after the other:
// the published rules don't come with their configurations.
func compileAny(source string) (spec.Expr, []*spec.Catalog) {
	scope, ids := spec.ScopeCatalog, []string{"c"}
	if found := inPackage.FindAllStringSubmatch(source, -1); found != nil {
		scope, ids = spec.ScopePackage, nil
		for _, m := range found {
			ids = append(ids, m[1])
		}
	}
	kinds := []spec.FieldType{spec.Decimal, spec.Text}
	if strings.Contains(source, "to_datetime") {
		kinds = []spec.FieldType{spec.Date}
	}
	for _, kind := range kinds {
		var catalogs []*spec.Catalog
		for _, id := range ids {
			c := &spec.Catalog{ID: id}
			for _, m := range quoted.FindAllStringSubmatch(source, -1) {
				if c.Field(m[1]) < 0 {
					c.Fields = append(c.Fields, &spec.Field{Name: m[1], Type: kind})
				}
			}
			catalogs = append(catalogs, c)
		}
		if expr, _ := spec.Compile(source, scope, catalogs...); expr != nil {
			return expr, catalogs
		}
	}
	return nil, nil
}

// filled is a table of that many rows, the last of which is null.
func filled(c *spec.Catalog, rows int) *kernel.Table {
	out := &kernel.Table{Len: rows}
	for _, field := range c.Fields {
		col := &table.Column{}
		switch field.Type {
		case spec.Decimal:
			col.Reset(table.Decimal, rows)
		case spec.Date:
			col.Reset(table.Date, rows)
		default:
			col.Reset(table.Text, rows)
		}
		for i := range rows {
			switch {
			case i == rows-1:
				col.SetNull(i)
			case col.Kind == table.Decimal:
				col.Floats[i] = float64(i)
			case col.Kind == table.Date:
				col.Ints[i] = int64(i)
			default:
				col.SetText(i, []byte("12"))
			}
		}
		out.Columns = append(out.Columns, col)
		out.Names = append(out.Names, field.Name)
	}
	return out
}
