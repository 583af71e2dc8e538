// Package differential makes random tables and rules, and answers the rules row
// by row, so that the tests of the engine have a second opinion.
//
// The evaluator is written from format.md and the meaning of pandas, for being
// plainly right rather than fast: boxed values, one row at a time, nothing shared
// with the kernels. Where pandas differs from the format's policy on nulls, the
// policy wins; the places say so.
package differential

import (
	"encoding/csv"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/shared/spec"
)

// Table is the rows of one catalog. A cell is nil, string, float64, int64,
// time.Time or bool.
type Table struct {
	Catalog *spec.Catalog
	Rows    [][]any
}

// fields has two columns of most types, so that rules can combine them.
var fields = []struct {
	name string
	typ  spec.FieldType
}{
	{"k", spec.Text}, {"t", spec.Text}, {"s", spec.Text}, {"n", spec.Integer}, {"m", spec.Integer},
	{"d", spec.Decimal}, {"e", spec.Decimal}, {"f", spec.Date}, {"g", spec.Date}, {"b", spec.Boolean}, {"c", spec.Boolean},
}

var (
	keys  = []string{"a", "b", "c", "d"}
	texts = []string{
		"Ana", "ana", "ñandú", "ÑANDÚ", "x y", " pad ", "\u00a0nbsp\u3000", "a,b", "line\nend", `"q"`, "42", "007", "A-1", "Ⅷ", "x²", "日本語", "😀", "e\u0301",
		"NA", "null", "None", "$1.50", "Zz9", "aaa", "2024-01-31", "2024/02/30", "20240229",
	}
	numerals  = []string{"1", "2", "-3", "4.5", "5.0", "1e3", " 6 ", "007", "9007199254740993", "-0"}
	smallInts = []int64{-2, -1, 0, 1, 2, 3, 5, 10}
	hugeInts  = []int64{math.MaxInt64, math.MinInt64, 1 << 53, 1<<53 + 1, -1 << 31}
	smallDecs = []float64{-2.5, -1, -0.5, 0, 0.5, 1, 1.5, 2.5, 3, 0.1, 0.3, 19.99, 1000}
	hugeDecs  = []float64{1e300, -1e300, 5e-324, 1e15 + 0.5, -1e-7, 1e22}
	dates     = []string{
		"2024-01-31", "2024-02-29", "2023-12-31", "2024-01-01", "1969-12-31 23:59:59", "2024-02-29 10:30:00",
		"2000-03-01 00:00:00.5", "2023-07-15",
	}
	hugeDates = []string{"1678-01-01", "2261-12-31 23:59:59", "1900-01-01", "2200-01-01"}
)

// Words of numeral columns that aren't numbers: rules that convert them fail.
var notNumerals = []string{"x", "1,5", "nan", "--1"}

// NewTable returns a table of up to 60 rows. One in four has no nulls, one in
// four the ends of the ranges, and one in eight no rows.
func NewTable(r *rand.Rand, id string) *Table {
	t := &Table{Catalog: &spec.Catalog{ID: id, Name: id, Filename: id + ".csv", Format: spec.CSV, Delimiter: ',', Header: true}}
	for _, f := range fields {
		t.Catalog.Fields = append(t.Catalog.Fields, &spec.Field{Name: f.name, Type: f.typ})
	}
	nulls, huge, broken := r.IntN(4) > 0, r.IntN(4) == 0, r.IntN(4) == 0
	rows := r.IntN(31)
	switch r.IntN(8) {
	case 0:
		rows = 0
	case 1:
		rows = 31 + r.IntN(30)
	}
	for range rows {
		row := make([]any, len(fields))
		for i, f := range fields {
			if !nulls || r.IntN(5) > 0 {
				row[i] = cell(r, f.name, huge, broken)
			}
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func cell(r *rand.Rand, field string, huge, broken bool) any {
	huge = huge && r.IntN(5) == 0
	switch field {
	case "k":
		return pick(r, keys)
	case "t":
		return pick(r, texts)
	case "s":
		if broken && r.IntN(5) == 0 {
			return pick(r, notNumerals)
		}
		return pick(r, numerals)
	case "n", "m":
		if huge {
			return pick(r, hugeInts)
		}
		return pick(r, smallInts)
	case "d", "e":
		if huge {
			return pick(r, hugeDecs)
		}
		return pick(r, smallDecs)
	case "f", "g":
		if huge {
			return moment(pick(r, hugeDates))
		}
		return moment(pick(r, dates))
	default:
		return r.IntN(2) == 0
	}
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

const clock = "2006-01-02 15:04:05.999999999"

func moment(text string) time.Time {
	layout := clock
	if len(text) == len(time.DateOnly) {
		layout = time.DateOnly
	}
	t, err := time.Parse(layout, text)
	if err != nil {
		panic(err) // one of the constants above
	}
	return t
}

// CSV returns the table as a file with a header, and the line of each row.
func (t *Table) CSV() (text string, lines []int) {
	var b strings.Builder
	w := csv.NewWriter(&b)
	header := make([]string, len(fields))
	for i, f := range fields {
		header[i] = f.name
	}
	_ = w.Write(header) // a Builder takes everything
	for _, row := range t.Rows {
		record := make([]string, len(row))
		for i, v := range row {
			record[i] = written(v)
		}
		w.Flush()
		lines = append(lines, strings.Count(b.String(), "\n")+1)
		_ = w.Write(record)
	}
	w.Flush()
	return b.String(), lines
}

func written(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case time.Time:
		return v.Format(clock)
	case bool:
		return strconv.FormatBool(v)
	default:
		return ""
	}
}
