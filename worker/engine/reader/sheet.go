package reader

import (
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"
)

// maxRows is how many rows a sheet of Excel can have.
const maxRows = 1 << 20

// sheet reads the rows of one sheet.
type sheet struct {
	m      *markup
	texts  *texts
	limits Limits

	line      int    // of the row that next gave
	upcoming  int    // the row whose start has been read, 0 for none
	dimension string // the used range, as far as it has been read
	ended     bool   // there are no further rows

	cells  []cellSpan // of the row
	values []byte     // of the row
	value  []byte
	place  []byte // of the cell, as it calls itself
}

// cellSpan is the place of a cell in the values of its row.
type cellSpan struct{ start, end int }

// next reads the next row, which may be empty. It reports whether there is one.
func (s *sheet) next() (bool, error) {
	s.cells, s.values = s.cells[:0], s.values[:0]
	if s.upcoming > 0 {
		s.line, s.upcoming = s.upcoming, 0
	} else if s.ended {
		return false, nil
	} else if found, err := s.seek(); !found || err != nil {
		return false, err
	}
	column := 0
	for {
		kind, err := s.m.next()
		switch {
		case err != nil:
			return false, err
		case kind == lastToken:
			s.ended = true
			return true, nil
		case kind == endToken && string(s.m.name) == "sheetData":
			s.ended = true
			return true, s.finish()
		case kind == startToken && string(s.m.name) == "c":
			if column, err = s.cell(column); err != nil {
				return false, err
			}
		case kind == startToken && string(s.m.name) == "row":
			s.upcoming, err = s.number(s.line)
			return true, err
		}
	}
}

// seek finds the first row.
func (s *sheet) seek() (bool, error) {
	for {
		kind, err := s.m.next()
		switch {
		case err != nil:
			return false, err
		case kind == lastToken:
			s.ended = true
			return false, nil
		case kind == endToken && string(s.m.name) == "sheetData":
			s.ended = true
			return false, s.finish()
		case kind == startToken && string(s.m.name) == "dimension":
			s.dimension = string(s.m.attr("ref"))
		case kind == startToken && string(s.m.name) == "row":
			s.line, err = s.number(0)
			return true, err
		}
	}
}

// finish reads what comes after the rows, so that a sheet that has been cut short
// doesn't pass for a whole one.
func (s *sheet) finish() error {
	for {
		if kind, err := s.m.next(); err != nil || kind == lastToken {
			return err
		}
	}
}

// number is that of the row that begins, after the row of that line.
func (s *sheet) number(line int) (int, error) {
	text := s.m.attr("r")
	if text == nil {
		return s.inSheet(line + 1)
	}
	n, err := strconv.Atoi(string(text))
	if err != nil {
		return 0, fail(CodeExcel, "a row has the number %.20q", text).Expecting("a whole number")
	}
	if n == 0 {
		n = line + 1
	}
	if n <= line {
		return 0, disorder("row %d of the sheet comes after row %d", n, line)
	}
	return s.inSheet(n)
}

// disorder refuses what comes too late: it could only be guessed where it belongs.
func disorder(format string, args ...any) error {
	return fail(CodeExcel, format, args...).Expecting("rows and cells in their order, each once").
		Advise("open the workbook in a spreadsheet program and save it again")
}

func (s *sheet) inSheet(line int) (int, error) {
	if line > maxRows {
		return 0, fail(CodeExcel, "a row has the number %d", line).Expecting("at most %d", maxRows)
	}
	return line, nil
}

// cell reads the cell that begins, after the one in that column, from 1. Like
// spreadsheet programs it takes no notice of cells without a value.
func (s *sheet) cell(column int) (int, error) {
	before := column
	column++
	reference := s.m.attr("r")
	if len(reference) > 0 {
		var err error
		if column, err = columnOf(reference); err != nil {
			return 0, fail(CodeExcel, "a cell has the place %.20q", reference).Expecting("a column and a row, such as B2")
		}
	}
	if column <= before {
		return 0, disorder("the cell %.20q comes after column %d", reference, before)
	}
	if style := s.m.attr("s"); style != nil {
		if _, err := strconv.Atoi(string(style)); err != nil {
			return 0, fail(CodeExcel, "a cell of row %d has the style %.20q", s.line, style).Expecting("the number of a style")
		}
	}
	s.place = append(s.place[:0], reference...)
	formula, err := s.content(string(s.m.attr("t")) == "s")
	switch {
	case err != nil || len(s.value) == 0 && !formula:
		return column, err
	case len(s.values)+len(s.value) > s.limits.Record:
		return 0, fail(CodeRecordTooLong, "row %d of the sheet takes more than %d bytes", s.line, s.limits.Record)
	}
	if column > s.limits.Columns {
		return 0, fail(CodeColumns, "row %d of the sheet has more than %d columns", s.line, s.limits.Columns)
	}
	for len(s.cells) < column-1 {
		s.cells = append(s.cells, cellSpan{})
	}
	start := len(s.values)
	s.values = append(s.values, s.value...)
	s.cells = append(s.cells, cellSpan{start, len(s.values)})
	return column, nil
}

// content reads up to the end of a cell and leaves its value.
func (s *sheet) content(shared bool) (formula bool, err error) {
	s.value = s.value[:0]
	inValue := false
	for depth := 1; depth > 0; {
		kind, err := s.m.next()
		if err != nil {
			return false, err
		}
		switch kind {
		case startToken:
			if string(s.m.name) == "is" {
				if s.value, err = s.m.richText(s.value[:0]); err != nil {
					return false, err
				}
				if len(s.value) > s.limits.Field {
					return false, s.tooLong()
				}
				continue
			}
			depth++
			inValue = string(s.m.name) == "v"
			formula = formula || string(s.m.name) == "f"
			if inValue {
				s.value = s.value[:0]
			}
		case endToken:
			depth--
			inValue = false
		case textToken:
			if inValue {
				s.value = append(s.value, s.m.text...)
			}
			if len(s.value) > s.limits.Field {
				return false, s.tooLong()
			}
		case lastToken:
			return false, errCut
		}
	}
	if shared && len(s.value) > 0 {
		return formula, s.lookUp()
	}
	return formula, nil
}

func (s *sheet) tooLong() error {
	return fail(CodeFieldTooLong, "a cell of row %d has more than %d bytes", s.line, s.limits.Field).Expecting("at most %d", s.limits.Field)
}

// lookUp replaces the number of a text by the text.
func (s *sheet) lookUp() error {
	i, err := strconv.Atoi(strings.TrimSpace(string(s.value)))
	if err != nil || i < 0 || i >= len(s.texts.ends) {
		return fail(CodeExcel, "the cell %q has the text number %.20q, and there are %d texts", s.place, s.value, len(s.texts.ends)).
			Expecting("a number below that").Advise("open the workbook in a spreadsheet program and save it again")
	}
	if s.value, err = s.texts.appendTo(s.value[:0], i); len(s.value) > s.limits.Field {
		return s.tooLong()
	}
	return err
}

// columnOf is the column, from 1, of a reference such as B2.
func columnOf(reference []byte) (int, error) {
	column, i := 0, 0
	for i < len(reference) && i < 3 && 'A' <= reference[i] && reference[i] <= 'Z' {
		column = column*26 + int(reference[i]-'A') + 1
		i++
	}
	digits := reference[i:]
	if i > 0 && column <= excelize.MaxColumns && len(digits) > 0 && len(digits) <= 6 && digits[0] != '0' && plainDigits(digits) {
		return column, nil
	}
	column, _, err := excelize.CellNameToCoordinates(string(reference))
	return column, err
}

func plainDigits(text []byte) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
