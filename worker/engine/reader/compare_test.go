package reader_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"github.com/sagefleet/sagefleet/worker/engine/reader"
	"github.com/sagefleet/sagefleet/worker/engine/table"
)

// TestExcelReadsAsTheLibraryDoes: what a library writes, with its two ways to
// write, is read as it reads it itself.
func TestExcelReadsAsTheLibraryDoes(t *testing.T) {
	t.Parallel()
	const rows, columns = 300, 7
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same cells every time
	var grid [][]any
	for range rows {
		var line []any
		for range columns {
			line = append(line, drawCell(random))
		}
		grid = append(grid, line)
	}
	for name, write := range map[string]func(*excelize.File, int, []any) error{
		"cell by cell": func(f *excelize.File, line int, cells []any) error {
			for i, cell := range cells {
				place, _ := excelize.CoordinatesToCellName(i+1, line)
				if rich, ok := cell.([]excelize.RichTextRun); ok {
					if err := f.SetCellRichText("Sheet1", place, rich); err != nil {
						return err
					}
				} else if err := f.SetCellValue("Sheet1", place, cell); err != nil {
					return err
				}
			}
			return nil
		},
		"as a stream": nil,
	} {
		path := filepath.Join(t.TempDir(), "libro.xlsx")
		writeBook(t, path, grid, write)
		want, got := readByLibrary(t, path, columns), readByOurs(t, path, columns)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("written %s: (-library +ours)\n%s", name, d)
		}
	}
}

func drawCell(r *rand.Rand) any {
	switch r.IntN(10) {
	case 0:
		return r.IntN(1e6)
	case 1:
		return r.Float64() * 1e6
	case 2:
		return fmt.Sprintf("texto %d  <&> \"ñ\" 日本", r.IntN(50))
	case 3:
		return time.Date(2000+r.IntN(40), 1, 1+r.IntN(365), r.IntN(24), 0, 0, 0, time.UTC)
	case 4:
		return "dos\nlíneas_x0041_ y \ttabulador "
	case 5:
		return []excelize.RichTextRun{{Text: "ne"}, {Text: "grita ", Font: &excelize.Font{Bold: true}}}
	case 6:
		return fmt.Sprintf("%07d", r.IntN(1e6))
	default:
		return nil
	}
}

// writeBook writes the grid with write, or as a stream when it is nil.
func writeBook(t *testing.T, path string, grid [][]any, write func(*excelize.File, int, []any) error) {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if write == nil {
		stream, err := f.NewStreamWriter("Sheet1")
		check(err)
		for i, cells := range grid {
			check(stream.SetRow(fmt.Sprintf("A%d", i+1), cells))
		}
		check(stream.Flush())
	} else {
		for i, cells := range grid {
			check(write(f, i+1, cells))
		}
	}
	check(f.SaveAs(path))
}

// readByLibrary returns the lines that aren't empty, padded.
func readByLibrary(t *testing.T, path string, columns int) (lines [][]string) {
	t.Helper()
	f, err := excelize.OpenFile(path, excelize.Options{RawCellValue: true})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	read, err := f.GetRows("Sheet1")
	if err != nil {
		t.Fatal(err)
	}
	for _, cells := range read {
		padded := make([]string, columns)
		if copy(padded, cells); len(cells) > 0 {
			lines = append(lines, padded)
		}
	}
	return lines
}

func readByOurs(t *testing.T, path string, columns int) (lines [][]string) {
	t.Helper()
	x, err := reader.OpenExcel(path, "Sheet1", false, reader.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	layout := reader.Layout{Columns: columns, Dates: make([]bool, columns)}
	for i := range columns {
		layout.Slots = append(layout.Slots, i)
	}
	var b reader.Block
	for {
		if err := x.Next(&b); err == io.EOF {
			return lines
		} else if err != nil {
			t.Fatal(err)
		}
		var cells table.Cells
		if err := x.Scan(&b, layout, &cells); err != nil {
			t.Fatal(err)
		}
		for i := range cells.Rows() {
			line := make([]string, columns)
			for c, column := range cells.Columns {
				line[c] = string(cells.Data[column[i].Start:column[i].End])
			}
			lines = append(lines, line)
		}
	}
}
