package reader_test

import (
	"errors"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/worker/engine/reader"
	"github.com/sagefleet/sagefleet/worker/engine/table"
)

// workbook writes cells of a sheet called datos, beside an empty first sheet.
func workbook(t *testing.T, cells map[string]any) string {
	t.Helper()
	book := excelize.NewFile()
	defer book.Close()
	if _, err := book.NewSheet("datos"); err != nil {
		t.Fatal(err)
	}
	for cell, value := range cells {
		if err := book.SetCellValue("datos", cell, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := book.SetSheetDimension("datos", "A1:C9"); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "libro.xlsx")
	if err := book.SaveAs(name); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestExcel(t *testing.T) {
	t.Parallel()
	name := workbook(t, map[string]any{
		"A1": "id", "B1": "f", "C1": "t",
		"A2": 1, "B2": time.Date(2024, 2, 29, 10, 30, 0, 0, time.UTC), "C2": "007",
		"A3": 2.5, "B3": "2024-03-01", "C3": "dos\nlíneas",
		"A6": true, "D6": "sobra",
	})
	x, err := reader.OpenExcel(name, "datos", true, reader.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if d := cmp.Diff([]string{"id", "f", "t"}, x.First()); d != "" {
		t.Errorf("header (-want +got)\n%s", d)
	}
	var b reader.Block
	var cells table.Cells
	if err := x.Next(&b); err != nil {
		t.Fatal(err)
	}
	layout := reader.Layout{Slots: []int{0, 1, 2}, Columns: 3, Dates: []bool{false, true, false}}
	if err := x.Scan(&b, layout, &cells); err != nil {
		t.Fatal(err)
	}
	var got []row
	for i := range cells.Rows() {
		r := row{line: cells.Line(i)}
		for _, column := range cells.Columns {
			r.cells = append(r.cells, string(cells.Data[column[i].Start:column[i].End]))
		}
		got = append(got, r)
	}
	want := []row{
		{2, []string{"1", "2024-02-29T10:30:00", "007"}},
		{3, []string{"2.5", "2024-03-01", "dos\nlíneas"}},
		{6, []string{"1", "", ""}},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(row{})); d != "" {
		t.Errorf("rows (-want +got)\n%s", d)
	}
	if len(cells.Ragged) != 1 || cells.Ragged[0].Row != 2 || cells.Ragged[0].Surplus != 1 {
		t.Errorf("ragged rows %+v, want the third, with one cell too many", cells.Ragged)
	}
	if err := x.Next(&b); !errors.Is(err, io.EOF) {
		t.Errorf("after the last row: %v", err)
	}
}

func TestExcelWithoutHeader(t *testing.T) {
	t.Parallel()
	x, err := reader.OpenExcel(workbook(t, map[string]any{"A1": "a", "B1": "b", "A2": "c", "C2": "d"}), "datos", false, reader.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if d := cmp.Diff([]string{"a", "b", ""}, x.First()); d != "" {
		t.Errorf("the first row is as wide as the sheet (-want +got)\n%s", d)
	}
	var b reader.Block
	if err := x.Next(&b); err != nil || string(b.Data) != "abcd" {
		t.Errorf("%q, %v: the first row is data too", b.Data, err)
	}
}

func TestExcelRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		file string
		code fault.Code
	}{
		"not a workbook": {save(t, []byte("a,b\n")), reader.CodeExcel},
		"a ZIP":          {archive(t, "a.csv", "a\n"), reader.CodeExcel},
		"bomb":           {archive(t, "xl/worksheets/sheet1.xml", string(make([]byte, 4<<20))), reader.CodeBomb},
		"document type":  {archive(t, "xl/workbook.xml", `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x/>`), reader.CodeExcelDoctype},
	}
	for name, tt := range tests {
		_, err := reader.OpenExcel(tt.file, "", true, reader.DefaultLimits())
		if fault.CodeOf(err) != tt.code || !fault.IsPermanent(err) {
			t.Errorf("%s: %v, want a permanent %s", name, err, tt.code)
		}
	}
}
