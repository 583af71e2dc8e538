package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine"
	"github.com/sagefleet/sagefleet/worker/engine/reader"
)

// program compiles a configuration of one CSV catalog with a header. fields and
// rules are YAML.
func program(t testing.TB, fields, rest string) (*engine.Program, *spec.Catalog) {
	t.Helper()
	config, issues := spec.Parse("t.yaml", []byte(`sage_yaml: {name: n, description: d, version: "1", author: a}
catalogs:
  c:
    name: c
    description: d
    filename: c.csv
    file_format: {type: CSV, delimiter: ",", header: true}
    fields:
`+fields+rest+`
packages:
  p: {name: p, description: d, file_format: {type: CSV}, catalogs: [c]}
`))
	if issues.Structural() {
		t.Fatalf("%v", issues)
	}
	selection, err := config.Select("c.csv")
	if err != nil {
		t.Fatal(err)
	}
	return engine.Compile(selection), selection.Catalogs[0]
}

// input is a CSV text read in blocks of that size.
func input(catalog *spec.Catalog, text string, block int) map[string]engine.Input {
	limits := reader.DefaultLimits()
	limits.Block = block
	return map[string]engine.Input{catalog.ID: {Name: "c.csv", Open: func(latin1 bool) (reader.Source, error) {
		return reader.NewCSV(io.NopCloser(strings.NewReader(text)),
			reader.Dialect{Delimiter: catalog.Delimiter, Header: catalog.Header, Latin1: latin1}, limits)
	}}}
}

// findings are written as "kind field/rule count: lines".
func findings(r *engine.Result) []string {
	names := map[engine.Kind]string{
		engine.EmptyFile: "empty", engine.Columns: "columns", engine.NearMiss: "near miss", engine.Surplus: "surplus", engine.Trailing: "trailing",
		engine.Type: "type", engine.Missing: "missing", engine.Duplicate: "duplicate", engine.FieldRule: "field rule", engine.RowRule: "row rule", engine.CatalogRule: "catalog rule",
	}
	var out []string
	for _, f := range r.Findings {
		s := names[f.Kind]
		if f.Rule != nil {
			s += " " + f.Rule.Name
		} else if f.Field != "" {
			s += " " + f.Field
		}
		if f.Broken != nil {
			s += " broken"
		}
		s += fmt.Sprintf(" %d:", f.Count)
		for _, d := range f.Details {
			s += fmt.Sprintf(" %d", d.Line)
		}
		out = append(out, s)
	}
	return out
}

func TestRun(t *testing.T) {
	t.Parallel()
	const text = "      - {name: t, type: texto}\n"
	tests := map[string]struct {
		fields, rules string
		data          string
		want          []string
	}{
		"near misses are used and reported": {
			"      - {name: Id, type: entero}\n      - {name: n, type: decimal}\n", "", "id, n \nx,1\n",
			[]string{"near miss Id 1:", "near miss n 1:", "type Id 1: 2"},
		},
		"other names, same number": {text + "      - {name: n, type: entero}\n", "", "t,m\na,1\n", []string{"columns 1:"}},
		"rows with too many cells": {text, "", "t\na\nb,c\nd\n\"e\nf\",g\n", []string{"surplus 2: 3 5"}},
		"a delimiter at the end of some rows": {
			text, "", "t\na,\nb\nc,d\n", []string{"surplus 2: 2 4"},
		},
		"a delimiter at the end of every row and of the header": {text, "", "t,\na,\nb,\n", []string{"trailing 1:"}},
		"type error, missing and duplicate exclude each other": {
			"      - {name: n, type: entero, required: true, unique: true}\n", "", "n\n1\n\"\"\nx\n1\n1.0\n",
			[]string{"type n 1: 4", "missing n 1: 3", "duplicate n 2: 5 6"},
		},
		"day first":   {"      - {name: f, type: fecha}\n", "", "f\n01/02/2024\n31/01/2024\n12/13/2024\n15.03.2024\n", []string{"type f 1: 4"}},
		"month first": {"      - {name: f, type: fecha}\n", "", "f\n01/02/2024\n01/31/2024\n13/12/2024\n02/28/2024\n", []string{"type f 1: 4"}},
		"a broken rule is one error and the others run": {
			text, "    row_validation:\n      - {name: bad, description: b, rule: \"df['x'] > 0\"}\n      - {name: good, description: g, rule: \"df['t'] == 'a'\"}\n",
			"t\na\nb\n", []string{"row rule bad broken 1:", "row rule good 1: 3"},
		},
		"a rule that fails to convert is one error": {
			text, "    row_validation:\n      - {name: num, description: n, rule: \"df['t'].astype(int) > 0\"}\n", "t\n1\nx\n", []string{"row rule num broken 1:"},
		},
		"a scalar false fails every row of a row rule": {
			text, "    row_validation:\n      - {name: cols, description: n, rule: \"len(df.columns) == 2\"}\n", "t\na\nb\n", []string{"row rule cols 2: 2 3"},
		},
		"a column of a catalog rule fails once": {
			text, "    catalog_validation:\n      - {name: all, description: n, rule: \"df['t'] == 'a'\"}\n", "t\nb\na\nc\n", []string{"catalog rule all 1: 2 4"},
		},
		"an aggregate in a row rule": {
			"      - {name: n, type: entero}\n", "    row_validation:\n      - {name: avg, description: n, rule: \"df['n'] <= df['n'].mean()\"}\n",
			"n\n1\n5\n3\n", []string{"row rule avg 1: 3"},
		},
		"a field rule about the whole column sees no nulls": {
			"      - name: n\n        type: entero\n        validation_rules:\n          - {name: up, description: u, rule: \"df['n'].diff().fillna(1) > 0\"}\n", "",
			"n,\n1,\n\"\",\n3,\n2,\n", []string{"trailing 1:", "field rule up 1: 5"},
		},
		"an empty file with a header": {text, "", "\n\n", []string{"empty 1:"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, catalog := program(t, tt.fields, tt.rules)
			for _, block := range []int{1, 8, 1 << 20} {
				for _, workers := range []int{1, 3} {
					result, err := p.RunWith(t.Context(), input(catalog, tt.data, block), time.Unix(0, 0), workers)
					if err != nil {
						t.Fatal(err)
					}
					if d := gocmp.Diff(tt.want, findings(result)); d != "" {
						t.Errorf("blocks of %d, %d workers (-want +got)\n%s", block, workers, d)
					}
				}
			}
		})
	}
}

func TestNotes(t *testing.T) {
	t.Parallel()
	p, catalog := program(t, "      - {name: f, type: fecha}\n      - {name: t, type: texto}\n", "")
	result, err := p.Run(t.Context(), input(catalog, "f,t\n01/02/2024,\xf1\n03/04/2024\n", 4), time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	want := []engine.Note{
		{Kind: engine.NoteLatin1, File: "c.csv"},
		{Kind: engine.NoteShortRows, File: "c.csv", Count: 1},
		{Kind: engine.NoteDateOrder, File: "c.csv", Field: "f", Count: 2},
	}
	if d := gocmp.Diff(want, result.Notes); d != "" || len(result.Findings) > 0 {
		t.Errorf("(-want +got)\n%s%v", d, findings(result))
	}
}

// TestDetailsAreBounded: counts are exact, details the first ten in a file of
// more than thirty rows and all of them in a smaller one.
func TestDetailsAreBounded(t *testing.T) {
	t.Parallel()
	for rows, listed := range map[int]int{30: 30, 31: 10, 5000: 10} {
		p, catalog := program(t, "      - {name: n, type: entero}\n", "")
		result, err := p.RunWith(t.Context(), input(catalog, "n\n"+strings.Repeat("x\n", rows), 64), time.Unix(0, 0), 2)
		if err != nil {
			t.Fatal(err)
		}
		if f := result.Findings[0]; f.Count != rows || len(f.Details) != listed || f.Details[listed-1].Row != listed {
			t.Errorf("%d rows: count %d, %d listed, the last is row %d", rows, f.Count, len(f.Details), f.Details[len(f.Details)-1].Row)
		}
	}
}

func TestUniqueIsExact(t *testing.T) {
	t.Parallel()
	kinds := map[string]func(*rand.Rand) string{
		"entero":  func(r *rand.Rand) string { return fmt.Sprint(r.IntN(4000) - 1000) },
		"decimal": func(r *rand.Rand) string { return fmt.Sprintf("%d.5", r.IntN(4000)-1000) },
		"texto":   func(r *rand.Rand) string { return fmt.Sprintf("k%d", r.IntN(4000)) },
		"fecha":   func(r *rand.Rand) string { return time.Unix(int64(r.IntN(4000))*86400, 0).UTC().Format(time.DateOnly) },
	}
	for kind, value := range kinds {
		r := rand.New(rand.NewPCG(1, 2))
		p, catalog := program(t, "      - {name: v, type: "+kind+", unique: true}\n", "")
		text, seen, want := "v\n", map[string]bool{}, 0
		for i := range 5000 {
			v := value(r)
			if kind == "entero" && i < 500 {
				v = fmt.Sprint(i - 250) // a run, through zero
			}
			if seen[v] {
				want++
			}
			seen[v] = true
			text += v + "\n"
		}
		result, err := p.Run(t.Context(), input(catalog, text, 500), time.Unix(0, 0))
		if err != nil || len(result.Findings) != 1 || result.Findings[0].Count != want {
			t.Errorf("%s: %v, %v, want %d duplicates", kind, findings(result), err, want)
		}
	}
}

func TestRunStopsWithItsContext(t *testing.T) {
	t.Parallel()
	p, catalog := program(t, "      - {name: n, type: entero}\n", "")
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("drained")
	endless := map[string]engine.Input{catalog.ID: {Name: "c.csv", Open: func(bool) (reader.Source, error) {
		limits := reader.DefaultLimits()
		limits.Block = 100
		return reader.NewCSV(&forever{after: func() { cancel(why) }}, reader.Dialect{Delimiter: ',', Header: true}, limits)
	}}}
	if _, err := p.Run(ctx, endless, time.Unix(0, 0)); !errors.Is(err, why) && !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the reason the context ended", err)
	}
}

// forever is a file without an end, which says so after a while.
type forever struct {
	read  int
	after func()
}

func (f *forever) Read(p []byte) (int, error) {
	if f.read += len(p); f.read > 10000 {
		f.after()
	}
	return copy(p, bytes.Repeat([]byte("1\n"), len(p)/2+1)), nil
}

func (f *forever) Close() error { return nil }

// FuzzRun: whatever the file, the answer doesn't depend on how it is cut into
// chunks or on the number of workers, and lines and rows are those of the file.
func FuzzRun(f *testing.F) {
	for _, s := range []string{
		"i,d,f,b,t\n1,1.5,01/02/2024,sí,x\n1,x,31/01/2024,,\"a\nb\"\n", "i,d,f,b,t,\n1,2,3,4,5,\n", "t,i\n,\n", "I ,d,f,b,t\n9,1,20240101,no,\xf1\n", "\"", "",
	} {
		f.Add(s, uint8(5))
	}
	p, catalog := program(f, `      - {name: i, type: entero, required: true, unique: true}
      - {name: d, type: decimal}
      - {name: f, type: fecha}
      - {name: b, type: booleano, required: true}
      - {name: t, type: texto, unique: true}
`, `    row_validation:
      - {name: local, description: l, rule: "df['i'] <= df['d']"}
      - {name: whole, description: w, rule: "df['d'] <= df['d'].mean()"}
      - {name: fails, description: f, rule: "df['t'].astype(int) > 0"}
`)
	f.Fuzz(func(t *testing.T, text string, block uint8) {
		want, err := p.RunWith(t.Context(), input(catalog, text, 1<<20), time.Unix(0, 0), 1)
		got, err2 := p.RunWith(t.Context(), input(catalog, text, int(block)+1), time.Unix(0, 0), 3)
		if (err == nil) != (err2 == nil) {
			t.Fatalf("%v in one chunk, %v in chunks of %d", err, err2, block)
		}
		if err != nil {
			return
		}
		if d := gocmp.Diff(findings(want), findings(got)); d != "" || want.Records != got.Records || want.Errors != got.Errors {
			t.Fatalf("in chunks of %d (-whole +chunks)\n%s", block, d)
		}
		last := strings.Count(text, "\n") + 1
		for _, f := range got.Findings {
			for _, d := range f.Details {
				if d.Line < 1 || d.Line > last || d.Row < 1 || d.Row > got.Records {
					t.Fatalf("line %d of %d, row %d of %d", d.Line, last, d.Row, got.Records)
				}
			}
		}
	})
}

// speedData has the shape of the published workload: ten columns, about 0.1 %
// bad cells.
func speedData(rows int) string {
	r := rand.New(rand.NewPCG(42, 42))
	states, zones, makers := "NPC", []string{"NORTE", "SUR", "ESTE", "OESTE"}, []string{"ABC", "XYZ", "QRS"}
	var b strings.Builder
	b.WriteString("id,sku,cantidad,precio,total,alta,entrega,activo,estado,zona\n")
	for i := 1; i <= rows; i++ {
		count, cents := 1+r.IntN(20), 100+r.IntN(49900)
		sku := fmt.Sprintf("%s-%06d", makers[r.IntN(3)], r.IntN(1000000))
		if r.IntN(1000) == 0 {
			sku = strings.ToLower(sku)
		}
		price := float64(cents) / 100
		if r.IntN(1000) == 0 {
			price = -price
		}
		state := states[r.IntN(3)]
		if r.IntN(1000) == 0 {
			state = 'X'
		}
		date, active := 1+r.IntN(27), "False"
		month := fmt.Sprintf("%d-%02d", 2020+r.IntN(6), 1+r.IntN(12))
		if i%2 == 1 {
			active = "True"
		}
		fmt.Fprintf(&b, "%d,%s,%d,%v,%.2f,%s-%02d,%s-%02d,%s,%c,%s\n",
			i, sku, count, price, float64(count*cents)/100, month, date, month, date+1, active, state, zones[r.IntN(4)])
	}
	return b.String()
}

func BenchmarkRun(b *testing.B) {
	source, err := os.ReadFile("testdata/speed.yaml")
	if err != nil {
		b.Fatal(err)
	}
	config, _ := spec.Parse("speed.yaml", source)
	selection, err := config.Select("pedidos.csv")
	if err != nil {
		b.Fatal(err)
	}
	p := engine.Compile(selection)
	text := speedData(100_000)
	inputs := input(selection.Catalogs[0], text, reader.DefaultLimits().Block)
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.RunWith(b.Context(), inputs, time.Unix(0, 0), workers); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
