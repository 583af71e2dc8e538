package reader

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// readRows reads a sheet beside two shared strings. A row begins with its line.
func readRows(xml string) (rows []string, err error) {
	t, err := readTexts(newMarkup(strings.NewReader(
		`<sst><si><t>uno</t></si><si><r><t>d</t></r><r><t xml:space="preserve">os </t></r><rPh sb="0"><t>spoken</t></rPh><phoneticPr/></si><si/><si><t>_x0041__x005F_</t></si></sst>`)))
	if err != nil {
		return nil, err
	}
	s := &sheet{m: newMarkup(strings.NewReader(xml)), texts: t, limits: DefaultLimits()}
	for {
		found, err := s.next()
		if err != nil || !found {
			return rows, err
		}
		row := fmt.Sprint(s.line)
		for _, c := range s.cells {
			row += "|" + string(s.values[c.start:c.end])
		}
		rows = append(rows, row)
	}
}

func TestSheet(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		rows string
		want []string
	}{
		"nothing":             {"", nil},
		"numbers as they are": {`<row r="1"><c r="A1"><v>1.50</v></c><c r="B1" s="3"><v>45292</v></c></row>`, []string{"1|1.50|45292"}},
		"shared strings":      {`<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v> 1 </v></c><c r="C1" t="s"><v>2</v></c><c r="D1" t="s"><v>3</v></c></row>`, []string{"1|uno|dos ||A_"}},
		"inline strings":      {`<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c><c t="inlineStr"><is><r><rPr/><t>b&amp;</t></r><r><t>c</t></r></is></c></row>`, []string{"1|a|b&c"}},
		"formulas":            {`<row r="1"><c r="A1"><f>1+1</f><v>2</v></c><c r="B1" t="str"><f>"x"</f><v>x</v></c><c r="C1"><f>A1</f></c><c r="D1"/></row>`, []string{"1|2|x|"}},
		"gaps":                {`<row r="2"><c r="C2"><v>1</v></c></row><row/><row r="9"><c><v>2</v></c><c r="D9"><v>3</v></c></row>`, []string{"2|||1", "3", "9|2|||3"}},
		"a prefix":            {`<x:row xmlns:x="y" r="1"><x:c r="A1"><x:v>1</x:v></x:c></x:row>`, []string{"1|1"}},
	}
	for name, tt := range tests {
		got, err := readRows(`<worksheet><sheetData>` + tt.rows + `</sheetData><row r="1"><c r="A1"><v>no row</v></c></row></worksheet>`)
		if d := cmp.Diff(tt.want, got); d != "" || err != nil {
			t.Errorf("%s: %v (-want +got)\n%s", name, err, d)
		}
	}
}

func TestSheetRefuses(t *testing.T) {
	t.Parallel()
	cell := `<row r="1"><c r="A1"><v>1</v></c></row>`
	tests := map[string]string{
		"rows backwards":    `<a><sheetData>` + cell + cell + `</sheetData></a>`,
		"cells backwards":   `<a><sheetData><row r="1"><c r="B1"><v>1</v></c><c r="A1"><v>1</v></c></row></sheetData></a>`,
		"the same cell":     `<a><sheetData><row r="1"><c r="B1"/><c r="B1"><v>1</v></c></row></sheetData></a>`,
		"a text not there":  `<a><sheetData><row r="1"><c r="B1" t="s"><v>4</v></c></row></sheetData></a>`,
		"no text number":    `<a><sheetData><row r="1"><c r="B1" t="s"><v>x</v></c></row></sheetData></a>`,
		"no style":          `<a><sheetData><row r="1"><c r="B1" s="x"><v>1</v></c></row></sheetData></a>`,
		"no row number":     `<a><sheetData><row r=""/></sheetData></a>`,
		"row 1048577":       `<a><sheetData><row r="1048577"/></sheetData></a>`,
		"column XFE":        `<a><sheetData><row r="1"><c r="XFE1"><v>1</v></c></row></sheetData></a>`,
		"cut in the rows":   `<a><sheetData>` + cell,
		"cut behind them":   `<a><sheetData>` + cell + `</sheetData><b>`,
		"broken behind":     `<a><sheetData>` + cell + `</sheetData></b></a>`,
		"a document type":   `<a><sheetData>` + cell + `<!DOCTYPE x></sheetData></a>`,
		"a cell of 2 MiB":   `<a><sheetData><row><c><v>` + strings.Repeat("1", 2<<20) + `</v></c></row></sheetData></a>`,
		"a row of 17 MiB":   `<a><sheetData><row>` + strings.Repeat(`<c><v>`+strings.Repeat("1", 1<<20)+`</v></c>`, 17) + `</row></sheetData></a>`,
		"an empty document": ``,
	}
	codes := map[string]fault.Code{"a cell of 2 MiB": CodeFieldTooLong, "a row of 17 MiB": CodeRecordTooLong}
	for name, xml := range tests {
		rows, err := readRows(xml)
		if err == nil {
			t.Errorf("%s: read as %.100q", name, rows)
		}
		if want := codes[name]; want != "" && fault.CodeOf(err) != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

// TestTextsThroughAFile: what doesn't fit in memory comes back the same.
func TestTextsThroughAFile(t *testing.T) {
	t.Parallel()
	shared := &texts{}
	defer shared.close()
	text := func(i int) []byte { return bytes.Repeat([]byte{byte('a' + i%26)}, 100_000+i) }
	const n = 400
	for i := range n {
		if err := shared.add(text(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := shared.flush(); err != nil {
		t.Fatal(err)
	}
	if shared.file == nil || len(shared.memory) > maxTexts {
		t.Fatalf("%d bytes are in memory, want at most %d", len(shared.memory), maxTexts)
	}
	for i := n - 1; i >= 0; i-- {
		got, err := shared.appendTo([]byte("x"), i)
		if err != nil || string(got) != "x"+string(text(i)) {
			t.Fatalf("text %d has %d bytes, %v", i, len(got), err)
		}
	}
}
