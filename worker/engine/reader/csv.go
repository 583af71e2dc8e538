package reader

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/sagefleet/sagefleet/worker/engine/table"
)

// ErrNotUTF8 says that bytes which had been taken for UTF-8 aren't. The file has
// to be read again from its start as Latin-1, so that a column doesn't change
// its encoding half way.
var ErrNotUTF8 = errors.New("not UTF-8")

// Dialect is how a CSV file is written.
type Dialect struct {
	Delimiter rune
	Header    bool // the first record holds the column names
	Latin1    bool // bytes are ISO 8859-1; otherwise they are UTF-8
}

// CSV reads comma-separated values as RFC 4180 has them, with what pandas
// tolerates: text after a closing quote belongs to the cell, a quote inside an
// unquoted cell is itself, and blank lines are no rows.
type CSV struct {
	in      io.Reader
	close   func() error
	dialect Dialect
	limits  Limits
	bom     bool

	first  []string
	rest   []byte // read, but not handed out yet
	line   int    // of the first byte of rest
	offset int64  // in the file, of the first byte of rest
	eof    bool
}

var (
	utf8BOM    = []byte("\xef\xbb\xbf")
	utf16LEBOM = []byte("\xff\xfe")
	utf16BEBOM = []byte("\xfe\xff")
)

// NewCSV starts reading in, which it closes with Close when it can be closed.
// An input without any record has a First of no cells.
func NewCSV(in io.ReadCloser, dialect Dialect, limits Limits) (*CSV, error) {
	d := dialect.Delimiter
	if d >= utf8.RuneSelf || d == '"' || d == '\n' || d == '\r' || d == 0 {
		return nil, fail(CodeDelimiter, "%q can't separate columns", d).
			Expecting("one ASCII character other than a quote or a line end")
	}
	c := &CSV{in: in, close: in.Close, dialect: dialect, limits: limits, line: 1}
	if dialect.Latin1 {
		c.in = charmap.ISO8859_1.NewDecoder().Reader(in)
	}
	if err := c.open(); err != nil {
		return nil, err
	}
	return c, nil
}

// First returns the cells of the first record.
func (c *CSV) First() []string { return c.first }

// Close releases the file.
func (c *CSV) Close() error { return c.close() }

// open reads as far as the first record.
func (c *CSV) open() error {
	var b Block
	// A byte order mark must come whole: half of one is taken for Latin-1.
	head, err := c.fillBy(nil, max(min(smallRead, c.limits.Block), len(utf8BOM)))
	if more := min(firstRead, c.limits.Block) - len(head); err == nil && !c.eof && more > 0 {
		head, err = c.fillBy(head, more)
	}
	if err != nil {
		return err
	}
	switch {
	case bytes.HasPrefix(head, utf16LEBOM), bytes.HasPrefix(head, utf16BEBOM):
		return fail(CodeEncoding, "the file is UTF-16").Expecting("UTF-8 or Latin-1").
			Advise("save it as CSV UTF-8")
	case bytes.HasPrefix(head, utf8BOM):
		c.bom = true
		head = head[len(utf8BOM):]
		c.offset += int64(len(utf8BOM))
	}
	c.rest = head
	record, line, err := c.firstRecord(&b)
	if err != nil || record == nil {
		return err
	}
	if c.first, err = c.names(record, line); err != nil {
		return err
	}
	if c.dialect.Header {
		used := len(c.rest) - len(b.Data)
		c.offset += int64(used)
		c.line = b.Line
		c.rest = b.Data
	}
	return nil
}

// firstRecord returns the first record that isn't blank and its line, and leaves
// in b what follows it.
func (c *CSV) firstRecord(b *Block) (record []byte, line int, err error) {
	for {
		data := c.rest
		b.Line = c.line
		for len(data) > 0 {
			end, lines := recordEnd(data, byte(c.dialect.Delimiter), c.eof)
			if end == 0 {
				break
			}
			record, line = data[:end], b.Line
			data = data[end:]
			b.Line += lines
			b.Data = data
			if !blank(record, byte(c.dialect.Delimiter)) {
				return record, line, nil
			}
		}
		if c.eof {
			return nil, 0, c.unterminated(data, b.Line)
		}
		if len(c.rest) > c.limits.Record {
			return nil, 0, c.tooLong(c.line)
		}
		if c.rest, err = c.fill(c.rest); err != nil {
			return nil, 0, err
		}
	}
}

// names scans one record on its own.
func (c *CSV) names(record []byte, line int) ([]string, error) {
	record = terminate(bytes.Clone(record))
	width := bytes.Count(record, []byte{byte(c.dialect.Delimiter)}) + 1
	if width > c.limits.Columns {
		width = c.limits.Columns + 1 // enough to find that there are too many
	}
	layout := Layout{Slots: make([]int, width), Columns: width}
	for i := range layout.Slots {
		layout.Slots[i] = i
	}
	var cells table.Cells
	if err := c.Scan(&Block{Data: record, Line: line}, layout, &cells); err != nil {
		return nil, err
	}
	if len(cells.Ragged) > 0 { // delimiters inside quotes, so fewer cells than counted
		width += cells.Ragged[0].Surplus
	}
	if width > c.limits.Columns {
		return nil, fail(CodeColumns, "the file has more than %d columns", c.limits.Columns).At("", line, 1)
	}
	names := make([]string, width)
	for i := range names {
		s := cells.Columns[i][0]
		names[i] = string(cells.Data[s.Start:s.End])
	}
	return names, nil
}

// Next fills b with about Limits.Block bytes of whole records.
func (c *CSV) Next(b *Block) error {
	b.Data = append(b.Data[:0], c.rest...)
	b.Line = c.line
	for {
		for !c.eof && len(b.Data) < c.limits.Block {
			var err error
			if b.Data, err = c.fill(b.Data); err != nil {
				return err
			}
		}
		if len(b.Data) == 0 {
			return io.EOF
		}
		end, lines := recordsEnd(b.Data, byte(c.dialect.Delimiter), c.eof)
		if end == 0 && c.eof {
			return c.unterminated(b.Data, c.line)
		}
		if end > 0 {
			c.rest = append(c.rest[:0], b.Data[end:]...)
			b.Data = terminate(b.Data[:end])
			c.line += lines
			c.offset += int64(end)
			return nil
		}
		if len(b.Data) > c.limits.Record {
			return c.tooLong(c.line)
		}
		var err error
		if b.Data, err = c.fill(b.Data); err != nil {
			return err
		}
	}
}

// firstRead is how much is read to find the first record, after a look whether the
// file is longer than smallRead. Most files are not longer than one of them, and then
// need no larger buffer.
const (
	smallRead = 4 << 10
	firstRead = 64 << 10
)

// fill appends to buf what is missing to a whole block, or else another block.
func (c *CSV) fill(buf []byte) ([]byte, error) {
	if len(buf) < c.limits.Block {
		return c.fillBy(buf, c.limits.Block-len(buf))
	}
	return c.fillBy(buf, c.limits.Block)
}

// fillBy appends up to n bytes to buf and checks them.
func (c *CSV) fillBy(buf []byte, n int) ([]byte, error) {
	had := len(buf)
	want := had + n
	// One byte more is left for the line end that terminate may add.
	if cap(buf) < want+1 {
		buf = append(make([]byte, 0, want+want/8+1), buf...)
	}
	read, err := io.ReadFull(c.in, buf[had:want])
	buf = buf[:had+read]
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		c.eof = true
	case err != nil:
		return buf, err
	}
	return buf, c.check(buf, had)
}

// check refuses what can't be text among the bytes of buf from had on. A
// character may have been cut by the end of the last read.
func (c *CSV) check(buf []byte, had int) error {
	if i := bytes.IndexByte(buf[had:], 0); i >= 0 && !bytes.HasPrefix(buf, utf16LEBOM) && !bytes.HasPrefix(buf, utf16BEBOM) {
		return fail(CodeEncoding, "there is a NUL at byte %d", c.offset+int64(had+i)).
			Expecting("a text file").Advise("check that the file really is a CSV, saved as UTF-8")
	}
	if c.dialect.Latin1 {
		return nil
	}
	start := had
	for back := 1; back < utf8.UTFMax && had-back >= 0; back++ {
		if utf8.RuneStart(buf[had-back]) {
			start = had - back
			break
		}
	}
	tail := buf[start:]
	if !c.eof {
		tail = tail[:len(tail)-cut(tail)]
	}
	if utf8.Valid(tail) || bytes.HasPrefix(buf, utf16LEBOM) || bytes.HasPrefix(buf, utf16BEBOM) {
		return nil
	}
	if c.bom || bytes.HasPrefix(buf, utf8BOM) {
		return fail(CodeEncoding, "the file starts as UTF-8 but there are other bytes near byte %d", c.offset+int64(had)).
			Expecting("UTF-8 throughout").Advise("save the file again as CSV UTF-8")
	}
	return ErrNotUTF8
}

// cut returns how many bytes at the end of data are the start of a character
// whose end hasn't been read.
func cut(data []byte) int {
	for back := 1; back < utf8.UTFMax && back <= len(data); back++ {
		if c := data[len(data)-back]; utf8.RuneStart(c) {
			if !utf8.FullRune(data[len(data)-back:]) {
				return back
			}
			return 0
		}
	}
	return 0
}

func (c *CSV) unterminated(data []byte, line int) error {
	if len(data) == 0 {
		return nil
	}
	return fail(CodeQuote, "a quote opened in this record is never closed").
		At("", line, 0).Expecting("a closing quote before the end of the file").
		Advise("a quote inside a quoted cell is written twice")
}

func (c *CSV) tooLong(line int) error {
	return fail(CodeRecordTooLong, "the row takes more than %d bytes", c.limits.Record).At("", line, 0).
		Advise("check the delimiter, the line ends and the quotes of the file")
}

func terminate(data []byte) []byte {
	if n := len(data); n > 0 && data[n-1] != '\n' {
		return append(data, '\n')
	}
	return data
}
