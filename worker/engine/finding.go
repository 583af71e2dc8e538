package engine

import (
	"slices"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine/kernel"
	"github.com/sagefleet/sagefleet/worker/engine/table"
)

// Kind says what a finding is about.
type Kind uint8

// The kinds of findings, in the order in which a file's findings are reported.
const (
	Unreadable  Kind = iota + 1 // the file or the configuration: nothing could be checked
	MissingFile                 // a file of a package isn't there
	EmptyFile                   // not even a header
	Columns                     // the columns aren't those of the configuration
	NearMiss                    // a column whose name differs in case or spaces
	Surplus                     // rows with more cells than columns
	Trailing                    // every row ends with a delimiter
	Type                        // a cell that isn't of its field's type
	Missing                     // an empty cell of a required field
	Duplicate                   // a second occurrence in a unique field
	FieldRule
	RowRule
	CatalogRule
	PackageRule
)

// Finding is one thing that is wrong, with how often and where.
type Finding struct {
	Kind      Kind
	Severity  spec.Severity
	Catalog   string // id; empty for package rules
	File      string
	Field     string
	FieldType spec.FieldType
	Rule      *spec.Rule // of the four kinds of rules

	Count   int         // what it counts as: rows, cells, or 1
	Rows    int         // the rows that fail a rule that counts as 1
	Details []Detail    // the first of them
	Columns *ColumnDiff // of Columns
	Found   string      // of NearMiss: the name in the file, for Field

	// Broken says why a rule could not be evaluated. It counts as 1.
	Broken *fault.Error
}

// ColumnDiff is how the columns of a file differ from the configuration.
type ColumnDiff struct {
	Expected, Found int
	Missing, Extra  []string // names that only the configuration, only the file has
}

// Detail is one row of a finding.
type Detail struct {
	Line  int // physical line of the file, or row of the sheet
	Row   int // from 1, among the rows of data
	Value Value
}

// Value is a cell in a report.
type Value struct {
	Text   string
	Null   bool // no value to show
	Number bool // Text is a JSON number
}

// maxDetails is how many rows of a finding are listed: all of them in a file of
// up to smallFile rows, the first listed otherwise.
const (
	smallFile = 30
	listed    = 10
)

// tally counts the rows of one finding and keeps the first.
type tally struct {
	count   int
	details []Detail
}

func (t *tally) reset() { t.count, t.details = 0, t.details[:0] }

// add counts a row, and keeps it when it is one of the first.
func (t *tally) add(d Detail) {
	t.count++
	if !t.full() {
		t.details = append(t.details, d)
	}
}

// full reports whether further rows are only counted.
func (t *tally) full() bool { return len(t.details) >= smallFile }

// merge adds what a later chunk found. first is the number of rows before it.
func (t *tally) merge(chunk *tally, first int) {
	t.count += chunk.count
	for _, d := range chunk.details {
		if t.full() {
			return
		}
		d.Row += first
		t.details = append(t.details, d)
	}
}

// join adds the rows of another tally of the same chunk or file, in their order.
func (t *tally) join(other *tally) {
	t.count += other.count
	t.details = slices.Concat(t.details, other.details)
	slices.SortFunc(t.details, func(a, b Detail) int { return a.Row - b.Row })
}

// shown returns the details that a file of that many rows lists.
func (t *tally) shown(rows int) []Detail {
	if rows > smallFile && len(t.details) > listed {
		return t.details[:listed]
	}
	return t.details
}

// NoteKind says what a note is about.
type NoteKind uint8

// The kinds of notes.
const (
	NoteLatin1     NoteKind = iota + 1 // the file isn't UTF-8 and was read as Latin-1
	NoteDateOrder                      // no date of Field tells day from month
	NoteShortRows                      // Count rows had missing cells, read as null
	NoteExtraFiles                     // Names are in the archive but in no catalog
)

// Note is information that counts as nothing.
type Note struct {
	Kind  NoteKind
	File  string
	Field string
	Count int
	Names []string
}

// FileStats are the counts of one file. As in the original, what is wrong with
// its columns or its presence counts for the whole execution only.
type FileStats struct {
	Name     string
	Catalog  string
	Records  int
	Errors   int
	Warnings int
}

// Result is all that one execution found.
type Result struct {
	Package  string // id, when a package was checked
	Files    []FileStats
	Findings []Finding
	Notes    []Note
	Records  int
	Errors   int
	Warnings int
}

// Add appends a finding and counts it.
func (r *Result) Add(f Finding) {
	r.Findings = append(r.Findings, f)
	var stats *FileStats
	for i := range r.Files {
		if r.Files[i].Catalog == f.Catalog && f.Catalog != "" && f.Kind != Columns {
			stats = &r.Files[i]
		}
	}
	switch f.Severity {
	case spec.Error:
		r.Errors += f.Count
		if stats != nil {
			stats.Errors += f.Count
		}
	case spec.Warning:
		r.Warnings += f.Count
		if stats != nil {
			stats.Warnings += f.Count
		}
	}
}

// valueOf is value i of col for a report.
func valueOf(col *table.Column, i int) Value {
	if col.Null(i) {
		return Value{Null: true}
	}
	number := col.Kind == table.Decimal || col.Kind == table.Integer
	return Value{Text: string(kernel.AppendText(nil, col, i)), Number: number}
}
