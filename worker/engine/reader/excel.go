package reader

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/sagefleet/sagefleet/worker/engine/table"
)

// Excel reads one sheet of an .xlsx workbook, row by row. Cells are read as they
// are stored, not as they are shown: 0.5 and not 50%. What Excel shows as a date
// is stored as a number of days, so that only the layout can tell that it is one.
type Excel struct {
	book     *excelize.File
	audit    *audit
	rows     *excelize.Rows
	limits   Limits
	from1904 bool

	first   []string
	pending []string // the first row of a sheet without a header
	line    int      // of the row read last
}

// sheetRows are rows of a sheet, one after the other.
type sheetRows struct {
	spans  []table.Span
	widths []int
	lines  []int
}

// OpenExcel opens a workbook and the sheet of that name, or else its first one.
func OpenExcel(name, sheet string, header bool, limits Limits) (*Excel, error) {
	if err := checkWorkbook(name, limits); err != nil {
		return nil, err
	}
	book, err := excelize.OpenFile(name, excelize.Options{
		RawCellValue: true, UnzipSizeLimit: limits.Unpacked, UnzipXMLSizeLimit: maxExpanded,
	})
	if err != nil {
		return nil, fail(CodeExcel, "the workbook can't be read: %w", err).
			Expecting("an .xlsx file").Advise("open it in a spreadsheet program and save it again as .xlsx")
	}
	x := &Excel{book: book, limits: limits, audit: startAudit(name)}
	if props, err := book.GetWorkbookProps(); err == nil && props.Date1904 != nil {
		x.from1904 = *props.Date1904
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

func (x *Excel) open(sheet string, header bool) error {
	sheets := x.book.GetSheetList()
	if len(sheets) == 0 {
		return fail(CodeExcel, "the workbook has no sheet")
	}
	chosen := sheets[0]
	for _, s := range sheets {
		if s == sheet {
			chosen = s
		}
	}
	var err error
	if x.rows, err = x.book.Rows(chosen); err != nil {
		return fail(CodeExcel, "the sheet %q can't be read: %w", chosen, err)
	}
	first, err := x.next()
	if err != nil || first == nil {
		return err
	}
	if header {
		x.first = trimEmpty(first)
		return nil
	}
	x.pending = first
	x.first = first
	if width := x.width(chosen); width > len(first) {
		x.first = slices.Concat(first, make([]string, width-len(first)))
	}
	return nil
}

// width is that of the sheet's used range, which counts when the first row of
// data ends with empty cells.
func (x *Excel) width(sheet string) int {
	dimension, err := x.book.GetSheetDimension(sheet)
	if err != nil {
		return 0
	}
	_, last, _ := strings.Cut(dimension, ":")
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

// next returns the next row that isn't empty, nil after the last.
func (x *Excel) next() ([]string, error) {
	for x.rows.Next() {
		x.line++
		cells, err := x.rows.Columns()
		if err != nil {
			return nil, fail(CodeExcel, "row %d of the sheet can't be read: %w", x.line, err)
		}
		if len(cells) > x.limits.Columns {
			return nil, fail(CodeColumns, "row %d of the sheet has more than %d columns", x.line, x.limits.Columns)
		}
		if len(trimEmpty(cells)) > 0 {
			return cells, nil
		}
	}
	if err := x.rows.Error(); err != nil {
		return nil, fail(CodeExcel, "the sheet can't be read after row %d: %w", x.line, err)
	}
	return nil, x.audit.wait()
}

// First returns the cells of the first row.
func (x *Excel) First() []string { return x.first }

// Close releases the workbook and its temporary files.
func (x *Excel) Close() error {
	x.audit.stop()
	if x.rows != nil {
		_ = x.rows.Close() // only read from
	}
	return x.book.Close()
}

// Next fills b with rows that take about Limits.Block bytes.
func (x *Excel) Next(b *Block) error {
	b.Data = b.Data[:0]
	b.rows = sheetRows{b.rows.spans[:0], b.rows.widths[:0], b.rows.lines[:0]}
	for len(b.Data) < x.limits.Block {
		cells := x.pending
		x.pending = nil
		if cells == nil {
			var err error
			if cells, err = x.next(); err != nil {
				return err
			}
		}
		if cells == nil {
			break
		}
		for _, cell := range cells {
			if len(cell) > x.limits.Field {
				return fail(CodeFieldTooLong, "a cell of row %d has %d bytes", x.line, len(cell)).Expecting("at most %d", x.limits.Field)
			}
			start := uint32(len(b.Data))
			b.Data = append(b.Data, cell...)
			b.rows.spans = append(b.rows.spans, table.Span{Start: start, End: uint32(len(b.Data))})
		}
		b.rows.widths = append(b.rows.widths, len(cells))
		b.rows.lines = append(b.rows.lines, x.line)
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
	t, err := excelize.ExcelDateToTime(serial, x.from1904)
	if err != nil {
		return span
	}
	start := uint32(len(cells.Data))
	cells.Data = t.Round(time.Microsecond).AppendFormat(cells.Data, "2006-01-02T15:04:05.999999")
	return table.Span{Start: start, End: uint32(len(cells.Data))}
}
