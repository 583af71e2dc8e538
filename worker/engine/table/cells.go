package table

// Cells is a chunk of rows before their values have a type: every cell is a
// span of Data, and an empty one is null.
type Cells struct {
	Data    []byte
	Columns [][]Span // by column, then by row; all of one length
	Lines   []uint32 // of each row, counted from FirstLine
	Ragged  []Ragged // rows with more or fewer cells than columns

	FirstLine int // the physical line, from 1, that Lines counts from

	slab []Span // of all columns after Grow
}

// Ragged is a row that doesn't have one cell for each column of its file. Its
// surplus cells are dropped and its missing ones are empty.
type Ragged struct {
	Row       int  // in the chunk, from 0
	Surplus   int  // cells more than columns; negative for too few
	LastEmpty bool // the last cell is empty: perhaps only a trailing delimiter
}

// Reset empties c for rows of that many columns.
func (c *Cells) Reset(columns int) {
	c.Columns = resize(c.Columns, columns)
	for i := range c.Columns {
		c.Columns[i] = c.Columns[i][:0]
	}
	c.Lines = c.Lines[:0]
	c.Ragged = c.Ragged[:0]
}

// Grow makes room for n rows in all columns, whose cells may then be set by
// index. Those that aren't set have no meaning.
func (c *Cells) Grow(n int) {
	stride := n
	if n >= page {
		stride = (n+page-1)/page*page + skew
	}
	if need := stride * len(c.Columns); cap(c.slab) < need {
		c.slab = make([]Span, need+need/8)
	}
	for i := range c.Columns {
		c.Columns[i] = c.slab[i*stride:][:n:stride]
	}
}

// A row is written to all columns at once. Were they a multiple of a page apart,
// all their cells of one row would compete for the same few places of the cache.
const (
	page = 4096 / 8 // spans
	skew = 7 * 64 / 8
)

// Trim cuts the columns to the rows there are.
func (c *Cells) Trim() {
	for i := range c.Columns {
		c.Columns[i] = c.Columns[i][:c.Rows()]
	}
}

// Rows returns how many rows c has.
func (c *Cells) Rows() int { return len(c.Lines) }

// Line returns the physical line of a row, from 1.
func (c *Cells) Line(row int) int { return c.FirstLine + int(c.Lines[row]) }
