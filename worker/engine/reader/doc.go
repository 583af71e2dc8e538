// Package reader turns files into chunks of cells, under limits: CSV, Excel and
// ZIP archives of them.
//
// Reading is two steps so that the second can run on several cores. Next, which
// is sequential, hands out a [Block] of whole records; Scan, which only touches
// its arguments, finds the cells of one. A file is never in memory as a whole.
//
// CSV has its own scanner because encoding/csv allocates every record and knows
// neither the physical lines of ragged rows nor Latin-1; a fuzz test holds the
// two to the same answers wherever encoding/csv has one.
package reader
