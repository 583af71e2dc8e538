package reader

import (
	"archive/zip"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/worker/engine/table"
)

// Excel reads one sheet of an .xlsx workbook, row by row. Cells are read as they
// are stored, not as they are shown: 0.5 and not 50%. What Excel shows as a date
// is stored as a number of days, so that only the layout can tell that it is one.
type Excel struct {
	book   *book
	texts  *texts
	part   io.ReadCloser
	name   string // of the part
	sheet  *sheet
	limits Limits

	first   []string
	pending bool // the first row of a sheet without a header is still to be given
}

// sheetRows are rows of a sheet, one after the other.
type sheetRows struct {
	spans  []table.Span
	widths []int
	lines  []int
}

// OpenExcel opens a workbook and the sheet of that name, or else its first one.
func OpenExcel(name, sheet string, header bool, limits Limits) (*Excel, error) {
	archive, err := zip.OpenReader(name)
	if err != nil {
		return nil, fail(CodeExcel, "the file is not an .xlsx workbook: %w", err).
			Advise("open it in a spreadsheet program and save it as .xlsx")
	}
	x := &Excel{book: &book{archive: archive}, limits: limits}
	if err := checkWorkbook(archive.File, limits); err != nil {
		return nil, closing(err, x)
	}
	if x.book, err = openBook(archive); err != nil {
		return nil, errors.Join(err, archive.Close())
	}
	if err := x.open(sheet, header); err != nil {
		return nil, closing(err, x)
	}
	return x, nil
}

// closing gives up on something half opened. Nothing has been written to it, so
// that err is all that matters.
func closing(err error, c io.Closer) error {
	_ = c.Close()
	return err
}

func (x *Excel) open(name string, header bool) error {
	chosen := x.book.sheets[0]
	for _, s := range x.book.sheets {
		if s.name == name {
			chosen = s
		}
	}
	var err error
	if x.texts, err = x.book.texts(); err != nil {
		return err
	}
	if x.part, err = x.book.open(chosen.part); err != nil {
		return err
	}
	x.name = chosen.part
	x.sheet = &sheet{m: newMarkup(x.part), texts: x.texts, limits: x.limits}
	found, err := x.next()
	if err != nil || !found {
		return err
	}
	for _, cell := range x.sheet.cells {
		x.first = append(x.first, string(x.sheet.values[cell.start:cell.end]))
	}
	if header {
		x.first = trimEmpty(x.first)
		return nil
	}
	x.pending = true
	if width := x.width(); width > len(x.first) {
		x.first = slices.Concat(x.first, make([]string, width-len(x.first)))
	}
	return nil
}

// width is that of the sheet's used range, which counts when the first row of
// data ends with empty cells.
func (x *Excel) width() int {
	_, last, _ := strings.Cut(x.sheet.dimension, ":")
	column, _, err := excelize.CellNameToCoordinates(last)
	if err != nil {
		return 0
	}
	return min(column, x.limits.Columns)
}

func trimEmpty(cells []string) []string {
	for len(cells) > 0 && cells[len(cells)-1] == "" {
		cells = cells[:len(cells)-1]
	}
	return cells
}

// next finds the next row that isn't empty, and reports whether there is one.
func (x *Excel) next() (bool, error) {
	for {
		found, err := x.sheet.next()
		if err != nil {
			if described, ok := errors.AsType[*fault.Error](err); ok {
				return false, described
			}
			return false, broken(x.name, err)
		}
		if !found || slices.ContainsFunc(x.sheet.cells, func(c cellSpan) bool { return c.start < c.end }) {
			return found, nil
		}
	}
}

// First returns the cells of the first row.
func (x *Excel) First() []string { return x.first }

// Close releases the workbook and its temporary file.
func (x *Excel) Close() error {
	if x.part != nil {
		_ = x.part.Close() // only read from
	}
	if x.texts != nil {
		x.texts.close()
	}
	return x.book.archive.Close()
}

// Next fills b with rows that take about Limits.Block bytes.
func (x *Excel) Next(b *Block) error {
	b.Data = b.Data[:0]
	b.rows = sheetRows{b.rows.spans[:0], b.rows.widths[:0], b.rows.lines[:0]}
	for len(b.Data) < x.limits.Block {
		if !x.pending {
			found, err := x.next()
			if err != nil {
				return err
			}
			if !found {
				break
			}
		}
		x.pending = false
		base := uint32(len(b.Data))
		b.Data = append(b.Data, x.sheet.values...)
		for _, cell := range x.sheet.cells {
			b.rows.spans = append(b.rows.spans, table.Span{Start: base + uint32(cell.start), End: base + uint32(cell.end)})
		}
		b.rows.widths = append(b.rows.widths, len(x.sheet.cells))
		b.rows.lines = append(b.rows.lines, x.sheet.line)
	}
	if len(b.rows.lines) == 0 {
		return io.EOF
	}
	b.Line = b.rows.lines[0]
	return nil
}

// Scan hands out the rows of b. Empty cells at the end of a row aren't stored in
// a workbook, so that a short row is no ragged one.
func (x *Excel) Scan(b *Block, layout Layout, cells *table.Cells) error {
	cells.Reset(layout.Columns)
	cells.Data, cells.FirstLine = b.Data, b.Line
	spans := b.rows.spans
	for row, width := range b.rows.widths {
		cells.Lines = append(cells.Lines, uint32(b.rows.lines[row]-b.Line))
		surplus := 0
		for column, span := range spans[:width] {
			if column >= len(layout.Slots) && span.Start != span.End {
				surplus = column + 1 - len(layout.Slots)
			}
		}
		for column, slot := range layout.Slots {
			if slot < 0 {
				continue
			}
			var span table.Span
			if column < width {
				span = spans[column]
			}
			if slot < len(layout.Dates) && layout.Dates[slot] {
				span = x.date(cells, span)
			}
			cells.Columns[slot] = append(cells.Columns[slot], span)
		}
		if surplus > 0 {
			cells.Ragged = append(cells.Ragged, table.Ragged{Row: row, Surplus: surplus})
		}
		spans = spans[width:]
	}
	return nil
}

// lastSerial is the number of 9999-12-31; a larger one, such as 20240615, is a
// date in digits.
const lastSerial = 2958465

// date writes the date that a number of days stands for behind the other cells.
func (x *Excel) date(cells *table.Cells, span table.Span) table.Span {
	serial, err := strconv.ParseFloat(string(cells.Data[span.Start:span.End]), 64)
	if err != nil || serial < 0 || serial > lastSerial {
		return span
	}
	t, err := excelize.ExcelDateToTime(serial, x.book.from1904)
	if err != nil {
		return span
	}
	start := uint32(len(cells.Data))
	cells.Data = t.Round(time.Microsecond).AppendFormat(cells.Data, "2006-01-02T15:04:05.999999")
	return table.Span{Start: start, End: uint32(len(cells.Data))}
}
