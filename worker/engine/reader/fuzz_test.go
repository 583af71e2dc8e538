package reader_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/worker/engine/reader"
	"github.com/sagefleet/sagefleet/worker/engine/table"
)

// refused reports whether err is one. It must then be a permanent fault with a
// code: no retry mends a file.
func refused(t *testing.T, err error) bool {
	t.Helper()
	if err != nil && (!fault.IsPermanent(err) || fault.CodeOf(err) == fault.Unclassified) {
		t.Fatalf("%v is no permanent fault with a code", err)
	}
	return err != nil
}

// scratch is the folder for temporary files of a fuzz target. Nothing may stay
// in it.
func scratch(f *testing.F) (check func(t *testing.T)) {
	f.Helper()
	dir := f.TempDir()
	f.Setenv("TMPDIR", dir)
	return func(t *testing.T) {
		t.Helper()
		left, err := os.ReadDir(dir)
		if err != nil || len(left) > 0 {
			t.Fatalf("left behind: %v, %v", left, err)
		}
	}
}

// FuzzArchive: an archive that is accepted has harmless names, none of its files
// unpacks to more than the limits allow, and it is the same twice.
func FuzzArchive(f *testing.F) {
	seeds, err := filepath.Glob("../testdata/cases/*/*.zip")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no archives among the cases", err)
	}
	for _, seed := range seeds {
		data, err := os.ReadFile(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, "ventas.csv")
	}
	stored := zipOf(zip.Store, "a/ventas.csv", "a\n1\n", "b/VENTAS.csv", "b\n", "dir/", "")
	f.Add(stored, "ventas.csv")
	f.Add(bytes.Replace(stored, []byte("a/v"), []byte("../"), 2), "entas.csv")
	f.Add(zipOf(zip.Deflate, "a.csv", strings.Repeat("1,2\n", 200_000)), "A.CSV")
	name := filepath.Join(f.TempDir(), "data.zip")
	clean := scratch(f)
	f.Fuzz(func(t *testing.T, data []byte, wanted string) {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		first, err := unpack(t, name, wanted)
		again, err2 := unpack(t, name, wanted)
		if d := cmp.Diff(first, again); d != "" || fault.CodeOf(err) != fault.CodeOf(err2) {
			t.Fatalf("%v, then %v:\n%s", err, err2, d)
		}
		clean(t)
	})
}

// unpack reads all entries of an archive, and the one that is the file wanted.
func unpack(t *testing.T, name, wanted string) (texts []string, err error) {
	t.Helper()
	limits := reader.DefaultLimits()
	limits.Free = 1 << 10
	a, err := reader.OpenArchive(name, limits)
	if refused(t, err) {
		return nil, err
	}
	defer a.Close()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range a.Names() {
		local := strings.ReplaceAll(entry, `\`, "/")
		if !filepath.IsLocal(local) || strings.ContainsRune(local, 0) || strings.EqualFold(filepath.Ext(local), ".zip") {
			t.Fatalf("the entry %q was let through", entry)
		}
		in, err := a.Open(entry)
		if refused(t, err) {
			texts = append(texts, string(fault.CodeOf(err)))
			continue
		}
		var text bytes.Buffer
		n, err := io.Copy(&text, in)
		if room := max(limits.Free, info.Size()*limits.Ratio) + 64<<10; n > room {
			t.Fatalf("%q gives %d bytes, from an archive of %d", entry, n, info.Size())
		}
		if refused(t, err) {
			texts = append(texts, string(fault.CodeOf(err)))
		}
		texts = append(texts, text.String())
		_ = in.Close()
	}
	found, err := a.Find(wanted)
	if !refused(t, err) && found != "" {
		if base := found[strings.LastIndexAny(found, `/\`)+1:]; !strings.EqualFold(base, wanted) {
			t.Fatalf("Find(%q) = %q", wanted, found)
		}
	}
	return append(texts, found), err
}

// zipOf is an archive of entries, given as name, content, name, content.
func zipOf(method uint16, entries ...string) []byte {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for i := 0; i < len(entries); i += 2 {
		entry, err := w.CreateHeader(&zip.FileHeader{Name: entries[i], Method: method})
		if err == nil {
			_, err = io.WriteString(entry, entries[i+1])
		}
		if err != nil {
			panic(err) // writing to memory
		}
	}
	_ = w.Close() // the same
	return buf.Bytes()
}

const (
	sheetHead = `<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>`
	sheetTail = `</sheetData></worksheet>`
	office    = `http://schemas.openxmlformats.org/officeDocument/2006/relationships`
	textsXML  = `<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>uno</t></si><si><r><t>d</t></r><r><t>os</t></r></si></sst>`
	bookXML   = `<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="` + office +
		`"><sheets><sheet name="datos" sheetId="1" r:id="rId1"/></sheets></workbook>`
)

// xlsx is a workbook whose main parts are given.
func xlsx(book, sheet, texts string) []byte {
	const rels = `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">`
	return zipOf(zip.Store,
		"[Content_Types].xml", `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="xml" ContentType="application/xml"/></Types>`,
		"_rels/.rels", rels+`<Relationship Id="rId1" Type="`+office+`/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
		"xl/workbook.xml", book,
		"xl/_rels/workbook.xml.rels", rels+`<Relationship Id="rId1" Type="`+office+`/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`,
		"xl/sharedStrings.xml", texts,
		"xl/worksheets/sheet1.xml", sheet)
}

// The sheets of this test have this many columns, the last of them of dates.
const (
	sheetWidth = 40
	dateColumn = sheetWidth - 1
)

// readBook reads a sheet through blocks of that size.
func readBook(t *testing.T, data []byte, dir string, header bool, block int) (first []string, rows []row, err error) {
	t.Helper()
	name := filepath.Join(dir, "libro.xlsx")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	limits := reader.DefaultLimits()
	limits.Block = block
	x, err := reader.OpenExcel(name, "datos", header, limits)
	if refused(t, err) {
		return nil, nil, err
	}
	defer x.Close()
	layout := reader.Layout{Columns: sheetWidth, Dates: make([]bool, sheetWidth)}
	for i := range sheetWidth {
		layout.Slots = append(layout.Slots, i)
	}
	layout.Dates[dateColumn] = true
	var b reader.Block
	var cells table.Cells
	for {
		err := x.Next(&b)
		if errors.Is(err, io.EOF) {
			return x.First(), rows, nil
		}
		if refused(t, err) || refused(t, x.Scan(&b, layout, &cells)) {
			return nil, nil, err
		}
		for i := range cells.Rows() {
			r := row{line: cells.Line(i)}
			for _, column := range cells.Columns {
				r.cells = append(r.cells, string(cells.Data[column[i].Start:column[i].End]))
			}
			rows = append(rows, r)
		}
	}
}

// FuzzExcel: whatever stands in the parts of a workbook, it is refused with a
// code or has rows in ascending lines, the same however it is cut into blocks.
func FuzzExcel(f *testing.F) {
	for _, rows := range []string{
		`<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row><row r="2"><c r="A2"><v>1.5</v></c><c r="AN2"><v>45292</v></c></row>`,
		`<row><c t="inlineStr"><is><t xml:space="preserve"> a </t></is></c></row><row r="7"><c r="C7" t="b"><v>1</v></c><c r="D7" t="e"><v>#N/A</v></c></row>`,
		`<row r="1048576"><c r="XFD1048576"><f>A1+1</f><v>2</v></c></row>`, `<row r="2"/><row r="1"><c r="B1"><v>1</v></c><c r="A1"><v>2</v></c></row>`,
		`<row r="1"><c r="A1" s="x" t="s"><v>0</v></c><c r="B2" t="str"><v>_x0041_&amp;</v></c></row>`, ``,
	} {
		f.Add(bookXML, sheetHead+rows+sheetTail, textsXML, true, uint8(0))
		f.Add(strings.Replace(bookXML, "<sheets>", `<workbookPr date1904="1"/><sheets>`, 1), sheetHead+rows+sheetTail, textsXML, false, uint8(9))
	}
	dir := f.TempDir()
	clean := scratch(f)
	f.Fuzz(func(t *testing.T, book, sheet, texts string, header bool, block uint8) {
		data := xlsx(book, sheet, texts)
		first, rows, err := readBook(t, data, dir, header, 1<<20)
		first2, rows2, err2 := readBook(t, data, dir, header, int(block)+1)
		if d := cmp.Diff(rows, rows2, cmp.AllowUnexported(row{})); d != "" || !cmp.Equal(first, first2) || fault.CodeOf(err) != fault.CodeOf(err2) {
			t.Fatalf("%v in one block, %v in blocks of %d:\n%s", err, err2, block, d)
		}
		last := 0
		for _, r := range rows {
			if r.line <= last || r.line > 1<<20 {
				t.Fatalf("line %d after line %d", r.line, last)
			}
			last = r.line
		}
		clean(t)
	})
}

// FuzzSheet writes a sheet cell by cell, as bytes say: it is read exactly as it
// was written or, when its cells or rows are out of order, refused.
func FuzzSheet(f *testing.F) {
	f.Add([]byte{1, 0, 0, 1, 0, 1, 1, 0, 2, 1, 1, 3, 1, 0, 4, 2, 2, 5})
	f.Add([]byte{3, 0, 0, 1, 200, 1})
	f.Add([]byte{200, 3, 0, 1, 1, 6, 0, 250, 7, 255, 1, 0})
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, moves []byte) {
		sheet, want, plain := drawSheet(moves)
		_, rows, err := readBook(t, xlsx(bookXML, sheet, textsXML), dir, false, 1<<20)
		if err != nil {
			if plain {
				t.Fatalf("%v, of a sheet in order:\n%s", err, sheet)
			}
			return
		}
		got := map[int][]string{}
		for _, r := range rows {
			got[r.line] = r.cells
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("%s\n(-written +read)\n%s", sheet, d)
		}
	})
}

// drawSheet returns a sheet and what stands in the cells of its rows, unless
// they are empty. Three bytes make a cell: how far to go down, how far right, and
// what it is. The sheet is plain when it only goes down and right.
func drawSheet(moves []byte) (sheet string, rows map[int][]string, plain bool) {
	rows, plain = map[int][]string{}, true
	var b strings.Builder
	b.WriteString(sheetHead)
	line, column := 0, 0
	for ; len(moves) >= 3; moves = moves[3:] {
		down, right, what := int(int8(moves[0]))%4, int(int8(moves[1]))%4, moves[2]
		if down != 0 || line == 0 {
			if line > 0 {
				b.WriteString("</row>")
			}
			plain = plain && line+down > line
			line, column = max(line+down, 1), 0
			fmt.Fprintf(&b, `<row r="%d">`, line)
		}
		plain = plain && right >= 0 && column+right < dateColumn
		column = min(max(column+right, 0), dateColumn-1) + 1
		kind, value, text := cellOf(what)
		name, _ := excelize.ColumnNumberToName(column)
		fmt.Fprintf(&b, `<c r="%s%d"%s>%s</c>`, name, line, kind, value)
		if text != "" {
			if rows[line] == nil {
				rows[line] = make([]string, sheetWidth)
			}
			rows[line][column-1] = text
		}
	}
	if line > 0 {
		b.WriteString("</row>")
	}
	return b.String() + sheetTail, rows, plain
}

// cellOf is the attribute, the element and the text of a cell.
func cellOf(what byte) (kind, value, text string) {
	number := fmt.Sprint(int(what) / 8)
	switch what % 8 {
	case 0:
		return ` t="s"`, "<v>0</v>", "uno"
	case 1:
		return ` t="inlineStr"`, "<is><t>" + number + "</t></is>", number
	case 2:
		return ` t="str"`, "<f>A1</f><v>x" + number + "</v>", "x" + number
	case 3:
		return ` t="b"`, "<v>1</v>", "1"
	case 4:
		return ` s="0"`, "<v>" + number + ".5</v>", number + ".5"
	case 5:
		return "", "", ""
	default:
		return "", "<v>" + number + "</v>", number
	}
}
