package reader

import (
	"bytes"
	"math/bits"

	"github.com/sagefleet/sagefleet/worker/engine/table"
)

// Scan finds the cells of b's records, in place: a quoted cell with doubled
// quotes is shortened where it stands.
func (c *CSV) Scan(b *Block, layout Layout, cells *table.Cells) error {
	cells.Reset(layout.Columns)
	cells.Data = b.Data
	cells.FirstLine = b.Line
	cells.Grow(bytes.Count(b.Data, []byte{'\n'}))
	s := scanner{data: b.Data, delimiter: byte(c.dialect.Delimiter), cells: cells, limit: uint32(c.limits.Field)}
	s.columns = make([][]table.Span, len(layout.Slots))
	for i, slot := range layout.Slots {
		if slot >= 0 {
			s.columns[i] = cells.Columns[slot]
		}
	}
	s.seek(0)
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
	columns   [][]table.Span // by column of the file; nil for those nobody wants
	cells     *table.Cells

	base int    // of the window of data in which separators are looked for
	mask uint64 // those of them from pos on, a bit for each byte
}

// seek moves to a place that isn't the separator after the last.
func (s *scanner) seek(pos int) {
	s.pos, s.base, s.mask = pos, pos, separators(s.data[pos:], s.delimiter)
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
	s.seek(i + 1)
	s.line++
	return true
}

// record finds the cells of one record. Most of the time of a file goes here, so
// that the state of the search is in variables of its own.
func (s *scanner) record() error {
	data, columns, base, mask := s.data, s.columns, s.base, s.mask
	row, start, column := len(s.cells.Lines), s.pos, 0
	s.cells.Lines = append(s.cells.Lines, s.line)
	for {
		var span table.Span
		var end int
		if data[start] == '"' {
			s.pos = start
			span, end = s.quoted()
			base = end + 1
			mask = separators(data[base:], s.delimiter)
		} else {
			for mask == 0 {
				base += window
				mask = separators(data[base:], s.delimiter)
			}
			end = base + bits.TrailingZeros64(mask)
			mask &= mask - 1
			span = table.Span{Start: uint32(start), End: uint32(end)}
		}
		start = end + 1
		if span.End-span.Start > s.limit {
			return s.tooLong(column, span)
		}
		last := data[end] == '\n'
		if last && int(span.End) == end && span.End > span.Start && data[end-1] == '\r' {
			span.End--
		}
		if column < len(columns) {
			if wanted := columns[column]; row < len(wanted) {
				wanted[row] = span
			}
		}
		column++
		if last {
			s.pos, s.base, s.mask = start, base, mask
			s.line++
			if column != len(columns) {
				s.ragged(row, column, span.Start == span.End)
			}
			return nil
		}
	}
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

// quoted is the cell whose quote opens at the position, and the place of the
// separator after it. What follows its closing quote belongs to it.
func (s *scanner) quoted() (span table.Span, end int) {
	start := s.pos
	n := quotedEnd(s.data[start:])
	text := s.data[start+1 : start+n-1]
	s.line += uint32(bytes.Count(text, []byte{'\n'}))
	length := len(text)
	if bytes.IndexByte(text, '"') >= 0 {
		length = undouble(text)
	}
	span = table.Span{Start: uint32(start + 1), End: uint32(start + 1 + length)}
	s.pos = start + n
	rest := s.plain()
	if rest.Start == rest.End || string(s.data[rest.Start:rest.End]) == "\r" && s.data[s.pos] == '\n' {
		return span, s.pos
	}
	span.End += uint32(copy(s.data[span.End:], s.data[rest.Start:rest.End]))
	if s.data[s.pos] == '\n' && s.data[span.End-1] == '\r' {
		span.End--
	}
	return span, s.pos
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
	s.cells.Ragged = append(s.cells.Ragged, table.Ragged{Row: row, Surplus: width - len(s.columns), LastEmpty: lastEmpty})
	for column := width; column < len(s.columns); column++ {
		if wanted := s.columns[column]; wanted != nil {
			wanted[row] = table.Span{}
		}
	}
}

func (s *scanner) tooLong(column int, span table.Span) error {
	line := s.cells.FirstLine + int(s.cells.Lines[len(s.cells.Lines)-1])
	return fail(CodeFieldTooLong, "cell %d of the row has %d bytes", column+1, span.End-span.Start).
		At("", line, 0).Expecting("at most %d", s.limit).
		Advise("check the quotes and the delimiter of the file")
}
