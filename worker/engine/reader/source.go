package reader

import "github.com/sagefleet/sagefleet/worker/engine/table"

// Source is one table of a file being read.
type Source interface {
	// First returns the cells of the first record. It is the column names of a
	// file with a header, and stays the first row of one without.
	First() []string

	// Next fills b with the next whole records. It returns io.EOF after the last.
	Next(b *Block) error

	// Scan finds the cells of b's records. It may run on several blocks at once.
	Scan(b *Block, layout Layout, cells *table.Cells) error

	// Close releases the file.
	Close() error
}

// Block is some whole records of a source. A caller keeps blocks and hands them
// back to Next, which reuses their memory.
type Block struct {
	Data []byte
	Line int // the physical line of the first byte, from 1

	rows sheetRows // instead of Data, from a source whose rows are no text
}

// Layout says which columns of a file are wanted, and where they go.
type Layout struct {
	Slots   []int  // by column of the file: the column of the cells, or -1
	Columns int    // how many columns the cells have
	Dates   []bool // by column of the cells: in a spreadsheet, its numbers are dates
}
