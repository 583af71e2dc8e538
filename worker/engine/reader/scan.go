package reader

import (
	"bytes"

	"github.com/sagefleet/sagefleet/worker/engine/table"
)

// Scan finds the cells of b's records, in place: a quoted cell with doubled
// quotes is shortened where it stands.
func (c *CSV) Scan(b *Block, layout Layout, cells *table.Cells) error {
	cells.Reset(layout.Columns)
	cells.Data = b.Data
	cells.FirstLine = b.Line
	cells.Grow(bytes.Count(b.Data, []byte{'\n'}))
	s := scanner{data: b.Data, delimiter: byte(c.dialect.Delimiter), slots: layout.Slots, cells: cells, limit: uint32(c.limits.Field)}
	for s.pos < len(s.data) {
		if s.blankLine() {
			continue
		}
		if err := s.record(); err != nil {
			return err
		}
	}
	cells.Trim()
	return nil
}

// scanner is the state of one Scan. Its data ends with a line end, so that the
// inner loops need no check for the end of the data.
type scanner struct {
	data      []byte
	pos       int
	line      uint32
	delimiter byte
	limit     uint32
	slots     []int
	cells     *table.Cells
}

// blankLine skips one line of nothing but spaces.
func (s *scanner) blankLine() bool {
	i := s.pos
	for s.data[i] == ' ' && s.delimiter != ' ' {
		i++
	}
	if s.data[i] == '\r' {
		i++
	}
	if i == len(s.data) || s.data[i] != '\n' {
		return false
	}
	s.pos = i + 1
	s.line++
	return true
}

func (s *scanner) record() error {
	row := len(s.cells.Lines)
	s.cells.Lines = append(s.cells.Lines, s.line)
	column, empty := 0, false
	for last := false; !last; column++ {
		var span table.Span
		if s.data[s.pos] == '"' {
			span = s.quoted()
		} else {
			span = s.plain()
		}
		if last = s.data[s.pos] == '\n'; last && int(span.End) == s.pos && span.End > span.Start && s.data[s.pos-1] == '\r' {
			span.End--
		}
		s.pos++
		if span.End-span.Start > s.limit {
			return s.tooLong(column, span)
		}
		empty = span.Start == span.End
		if column < len(s.slots) {
			if slot := s.slots[column]; slot >= 0 {
				s.cells.Columns[slot][row] = span
			}
		}
	}
	s.line++
	if column != len(s.slots) {
		s.ragged(row, column, empty)
	}
	return nil
}

// plain is the cell that ends before the next delimiter or line end, where it
// leaves the position.
func (s *scanner) plain() table.Span {
	data, delimiter, start := s.data, s.delimiter, s.pos
	i := start
	for i < len(data) && data[i] != delimiter && data[i] != '\n' {
		i++
	}
	s.pos = i
	return table.Span{Start: uint32(start), End: uint32(i)}
}

// quoted is the cell whose quote opens at the position. What follows its closing
// quote belongs to it.
func (s *scanner) quoted() table.Span {
	start := s.pos
	n := quotedEnd(s.data[start:])
	text := s.data[start+1 : start+n-1]
	s.line += uint32(bytes.Count(text, []byte{'\n'}))
	length := len(text)
	if bytes.IndexByte(text, '"') >= 0 {
		length = undouble(text)
	}
	span := table.Span{Start: uint32(start + 1), End: uint32(start + 1 + length)}
	s.pos = start + n
	rest := s.plain()
	if rest.Start == rest.End || string(s.data[rest.Start:rest.End]) == "\r" && s.data[s.pos] == '\n' {
		return span
	}
	span.End += uint32(copy(s.data[span.End:], s.data[rest.Start:rest.End]))
	if s.data[s.pos] == '\n' && s.data[span.End-1] == '\r' {
		span.End--
	}
	return span
}

// undouble makes every pair of quotes one, in place, and returns the new length.
func undouble(text []byte) int {
	w := 0
	for r := 0; r < len(text); r++ {
		text[w] = text[r]
		w++
		if text[r] == '"' {
			r++ // its twin
		}
	}
	return w
}

// ragged notes a row of another width and empties its missing cells.
func (s *scanner) ragged(row, width int, lastEmpty bool) {
	s.cells.Ragged = append(s.cells.Ragged, table.Ragged{Row: row, Surplus: width - len(s.slots), LastEmpty: lastEmpty})
	for column := width; column < len(s.slots); column++ {
		if slot := s.slots[column]; slot >= 0 {
			s.cells.Columns[slot][row] = table.Span{}
		}
	}
}

func (s *scanner) tooLong(column int, span table.Span) error {
	line := s.cells.FirstLine + int(s.cells.Lines[len(s.cells.Lines)-1])
	return fail(CodeFieldTooLong, "cell %d of the row has %d bytes", column+1, span.End-span.Start).
		At("", line, 0).Expecting("at most %d", s.limit).
		Advise("check the quotes and the delimiter of the file")
}
