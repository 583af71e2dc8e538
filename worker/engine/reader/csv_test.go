package reader_test

import (
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/worker/engine/reader"
	"github.com/sagefleet/sagefleet/worker/engine/table"
)

type row struct {
	line  int
	cells []string
}

// readAll reads text through blocks of that size. Rows are padded or cut to the
// width of the first record, as the layout asks.
func readAll(t *testing.T, text string, dialect reader.Dialect, block int) (first []string, rows []row, ragged int, err error) {
	t.Helper()
	limits := reader.DefaultLimits()
	limits.Block = block
	if dialect.Delimiter == 0 {
		dialect.Delimiter = ','
	}
	src, err := reader.NewCSV(io.NopCloser(strings.NewReader(text)), dialect, limits)
	if err != nil {
		return nil, nil, 0, err
	}
	layout := reader.Layout{Slots: make([]int, len(src.First())), Columns: len(src.First())}
	for i := range layout.Slots {
		layout.Slots[i] = i
	}
	var b reader.Block
	var cells table.Cells
	for {
		switch err := src.Next(&b); {
		case errors.Is(err, io.EOF):
			return src.First(), rows, ragged, nil
		case err != nil:
			return nil, nil, 0, err
		}
		if err := src.Scan(&b, layout, &cells); err != nil {
			return nil, nil, 0, err
		}
		ragged += len(cells.Ragged)
		for i := range cells.Rows() {
			r := row{line: cells.Line(i)}
			for _, column := range cells.Columns {
				r.cells = append(r.cells, string(cells.Data[column[i].Start:column[i].End]))
			}
			rows = append(rows, r)
		}
	}
}

func TestCSV(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text    string
		dialect reader.Dialect
		first   []string
		rows    []row
		ragged  int
	}{
		"header": {
			text: "a,b\n1,2\r\n3,4", dialect: reader.Dialect{Header: true}, first: []string{"a", "b"},
			rows: []row{{2, []string{"1", "2"}}, {3, []string{"3", "4"}}},
		},
		"no header": {
			text: "1|2\n3|4\n", dialect: reader.Dialect{Delimiter: '|'}, first: []string{"1", "2"},
			rows: []row{{1, []string{"1", "2"}}, {2, []string{"3", "4"}}},
		},
		"byte order mark": {
			text: "\ufeffa;b\nñ;2\n", dialect: reader.Dialect{Delimiter: ';', Header: true}, first: []string{"a", "b"},
			rows: []row{{2, []string{"ñ", "2"}}},
		},
		"quotes and embedded line ends": {
			text: "a,b\n\"x, y\",\"said \"\"hi\"\"\"\n\"two\nlines\",z\nlast,\"\"\n", dialect: reader.Dialect{Header: true}, first: []string{"a", "b"},
			rows: []row{{2, []string{"x, y", `said "hi"`}}, {3, []string{"two\nlines", "z"}}, {5, []string{"last", ""}}},
		},
		"a quote inside a cell is itself": {
			text: "a,b\n5\" pipe,x\"y\n", dialect: reader.Dialect{Header: true}, first: []string{"a", "b"},
			rows: []row{{2, []string{`5" pipe`, `x"y`}}},
		},
		"text after a closing quote": {
			text: "a,b\n\"x\"y,\"z\"w\r\n", dialect: reader.Dialect{Header: true}, first: []string{"a", "b"},
			rows: []row{{2, []string{"xy", "zw"}}},
		},
		"blank lines are no rows": {
			text: "\n\na,b\n\n1,2\n  \n\r\n3,4\n\n", dialect: reader.Dialect{Header: true}, first: []string{"a", "b"},
			rows: []row{{5, []string{"1", "2"}}, {8, []string{"3", "4"}}},
		},
		"ragged rows": {
			text: "a,b\n1\n1,2,3\n,\n", dialect: reader.Dialect{Header: true}, first: []string{"a", "b"}, ragged: 2,
			rows: []row{{2, []string{"1", ""}}, {3, []string{"1", "2"}}, {4, []string{"", ""}}},
		},
		"Latin-1": {
			text: "a\nPe\xf1a\n", dialect: reader.Dialect{Header: true, Latin1: true}, first: []string{"a"},
			rows: []row{{2, []string{"Peña"}}},
		},
		"header only": {text: "a,b\n", dialect: reader.Dialect{Header: true}, first: []string{"a", "b"}},
		"a second carriage return is a character": {
			text: " \n\r\r\n\r\r", first: []string{"\r"},
			rows: []row{{2, []string{"\r"}}, {3, []string{"\r"}}},
		},
		"empty":       {text: "", first: nil},
		"only blanks": {text: "\n \r\n\n", dialect: reader.Dialect{Header: true}, first: nil},
	}
	for name, tt := range tests {
		for _, block := range []int{1, 7, 1 << 20} {
			first, rows, ragged, err := readAll(t, tt.text, tt.dialect, block)
			if err != nil {
				t.Errorf("%s, blocks of %d: %v", name, block, err)
				continue
			}
			if d := cmp.Diff(tt.first, first); d != "" {
				t.Errorf("%s, blocks of %d: first record (-want +got)\n%s", name, block, d)
			}
			if d := cmp.Diff(tt.rows, rows, cmp.AllowUnexported(row{})); d != "" {
				t.Errorf("%s, blocks of %d: rows (-want +got)\n%s", name, block, d)
			}
			if ragged != tt.ragged {
				t.Errorf("%s, blocks of %d: %d ragged rows, want %d", name, block, ragged, tt.ragged)
			}
		}
	}
}

// The beginning of a file is read in two pieces when it is long. Where the first ends,
// there may be half a character, half a line end or the end of the file.
func TestCSVReadsOnWhereItsFirstLookEnded(t *testing.T) {
	t.Parallel()
	for size := 4<<10 - 4; size <= 4<<10+4; size++ {
		for _, end := range []string{"", "ñ", "\r\n", "ñ\r\nb\r\n", "\n\"ñ,\n\"\n"} {
			filler := strings.Repeat("x", size-len("a\n"))
			text := "a\n" + filler + end
			want, err := csv.NewReader(strings.NewReader(text)).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			first, rows, ragged, err := readAll(t, text, reader.Dialect{Header: true}, reader.DefaultLimits().Block)
			if err != nil || ragged != 0 || len(first) != 1 {
				t.Fatalf("%d bytes and %q: columns %q, %d ragged, %v", size, end, first, ragged, err)
			}
			compare(t, want[1:], rows)
		}
	}
}

func TestCSVRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text      string
		delimiter rune
		code      fault.Code
	}{
		"open quote":          {"a,b\n1,\"2\n3,4\n", ',', reader.CodeQuote},
		"open quote at first": {"\"a,b\n1,2\n", ',', reader.CodeQuote},
		"NUL":                 {"a\n1\x002\n", ',', reader.CodeEncoding},
		"UTF-16":              {"\xff\xfea\x00\n\x00", ',', reader.CodeEncoding},
		"not UTF-8 after BOM": {"\ufeffa\n\xf1\n", ',', reader.CodeEncoding},
		"long field":          {"a\n" + strings.Repeat("x", 1<<20+1) + "\n", ',', reader.CodeFieldTooLong},
		"long record":         {"a\n" + strings.Repeat("x", 17<<20), ',', reader.CodeRecordTooLong},
		"many columns":        {strings.Repeat(",", 1<<14) + "\n", ',', reader.CodeColumns},
		"delimiter":           {"a\n", '"', reader.CodeDelimiter},
	}
	for name, tt := range tests {
		_, _, _, err := readAll(t, tt.text, reader.Dialect{Delimiter: tt.delimiter, Header: true}, 1<<20)
		if fault.CodeOf(err) != tt.code || !fault.IsPermanent(err) {
			t.Errorf("%s: %v, want a permanent %s", name, err, tt.code)
		}
	}
}

func TestCSVAsksForLatin1(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"lone byte":          "a\nPe\xf1a\n",
		"cut at the end":     "a\nPe\xc3",
		"in the last record": "a\n1\n2\n\xe1\n",
	} {
		for _, block := range []int{1, 3, 1 << 20} {
			if _, _, _, err := readAll(t, text, reader.Dialect{Header: true}, block); !errors.Is(err, reader.ErrNotUTF8) {
				t.Errorf("%s, blocks of %d: %v, want ErrNotUTF8", name, block, err)
			}
		}
	}
	for _, block := range []int{1, 2, 3, 5} {
		if _, _, _, err := readAll(t, "a\nñandú,€,𝄞\n", reader.Dialect{Header: true}, block); err != nil {
			t.Errorf("characters cut by blocks of %d: %v", block, err)
		}
	}
}

// FuzzCSV holds the scanner to encoding/csv on all that encoding/csv accepts,
// and to itself across block sizes on everything else.
func FuzzCSV(f *testing.F) {
	for _, s := range []string{"a,b\n1,2\n", "\"a\nb\",\"c\"\"d\"\r\n1,2", "x\"y,z\n", "\"a\"b,c\n", "\n\n,\n", "a\r\r\n", "\"\r\n\",1\n", "á,é\n", "\xff\n", " \na"} {
		f.Add(s, uint8(3))
	}
	f.Fuzz(func(t *testing.T, text string, block uint8) {
		first, rows, ragged, err := readAll(t, text, reader.Dialect{}, 1<<20)
		first2, rows2, ragged2, err2 := readAll(t, text, reader.Dialect{}, int(block)+1)
		if (err == nil) != (err2 == nil) {
			t.Fatalf("%v in one block, %v in blocks of %d", err, err2, block)
		}
		if err != nil {
			return
		}
		if d := cmp.Diff(rows, rows2, cmp.AllowUnexported(row{})); d != "" || ragged != ragged2 || !cmp.Equal(first, first2) {
			t.Fatalf("blocks of %d read something else:\n%s", block, d)
		}
		std := csv.NewReader(strings.NewReader(text))
		std.FieldsPerRecord = -1
		want, err := std.ReadAll()
		if err != nil {
			return // a dialect that encoding/csv doesn't read
		}
		compare(t, want, rows)
	})
}

// compare undoes the three ways in which encoding/csv means to differ: it keeps
// lines of spaces, makes \r\n one byte, and doesn't fill up short records.
func compare(t *testing.T, want [][]string, rows []row) {
	t.Helper()
	i := 0
	for _, record := range want {
		if len(record) == 1 && strings.Trim(record[0], " ") == "" && (i == len(rows) || !sameRow(record, rows[i].cells)) {
			continue
		}
		if i == len(rows) {
			t.Fatalf("%d rows, encoding/csv also has %q", len(rows), record)
		}
		if !sameRow(record, rows[i].cells) {
			t.Fatalf("row %d is %q, encoding/csv has %q", i, rows[i].cells, record)
		}
		i++
	}
	if i < len(rows) {
		t.Fatalf("encoding/csv doesn't have row %q", rows[i].cells)
	}
}

func sameRow(record, cells []string) bool {
	for i, cell := range cells {
		want := ""
		if i < len(record) {
			want = record[i]
		}
		cell = strings.TrimPrefix(cell, "\ufeff")
		if strings.ReplaceAll(cell, "\r\n", "\n") != strings.TrimPrefix(want, "\ufeff") {
			return false
		}
	}
	return true
}

func BenchmarkCSV(b *testing.B) {
	var text strings.Builder
	for i := range 20000 {
		text.WriteString("1234567,ABC-123456,12,345.67,4148.04,2024-03-15,2024-03-16,True,N,NORTE\n")
		_ = i
	}
	in := text.String()
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	var block reader.Block
	var cells table.Cells
	for b.Loop() {
		src, err := reader.NewCSV(io.NopCloser(strings.NewReader(in)), reader.Dialect{Delimiter: ','}, reader.DefaultLimits())
		if err != nil {
			b.Fatal(err)
		}
		layout := reader.Layout{Slots: []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, Columns: 10}
		for src.Next(&block) == nil {
			if err := src.Scan(&block, layout, &cells); err != nil {
				b.Fatal(err)
			}
		}
	}
}
