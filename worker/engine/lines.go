package engine

import "sort"

// lineIndex remembers the physical line of every row. Nearly always the next row
// is on the next line, so that only the exceptions take memory.
type lineIndex struct {
	rows  int
	first []lineRun
}

// lineRun is a row, on a line, after which rows and lines go on one by one.
type lineRun struct{ row, line int }

// add gives the next row its line.
func (x *lineIndex) add(line int) {
	if n := len(x.first); n == 0 || line-x.first[n-1].line != x.rows-x.first[n-1].row {
		x.first = append(x.first, lineRun{x.rows, line})
	}
	x.rows++
}

// at returns the line of a row, 0 for one that the file doesn't have.
func (x *lineIndex) at(row int) int {
	if row >= x.rows {
		return 0
	}
	run := x.first[sort.Search(len(x.first), func(i int) bool { return x.first[i].row > row })-1]
	return run.line + row - run.row
}
