// Package kernel turns checked rule expressions into functions over columns.
//
// An expression is compiled once and evaluated for every chunk of rows, or once
// over a whole table when one of its values depends on several rows. Each node
// writes to a column of its own in the [Frame], so that evaluating allocates
// nothing after the first chunk, and one Rule serves any number of frames.
//
// Answers are those of pandas with one rule of our own for nulls, which pandas
// has several for: null stays null through arithmetic, text and conversions, and
// whatever asks a question about it (a comparison, str.match, isin) answers
// false; only != answers true. There is no third truth value.
//
// A lambda isn't called for each row: its body is compiled with the parameter
// bound to the whole column, which the checker has made sure means the same. The
// branches of a condition are evaluated with the other rows masked, so that a
// conversion only fails on rows it is meant for.
package kernel

import (
	"fmt"
	"slices"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine/table"
)

// Codes of rules that can't be evaluated on the rows they meet.
const (
	CodeValue    fault.Code = "RULE_VALUE"          // a value that can't be converted
	CodeLength   fault.Code = "RULE_LENGTH"         // columns of different lengths, combined row by row
	CodeCompile  fault.Code = "RULE_NOT_COMPILED"   // a construct without a kernel
	CodeRange    fault.Code = "RULE_DATE_RANGE"     // dates or durations beyond 64 bits of nanoseconds
	CodeTooLarge fault.Code = "RULE_TEXT_TOO_LARGE" // texts that grow past any use
)

// RowError says on which row an expression could not be evaluated.
type RowError struct {
	Row int // in the rows of the frame, from 0
	Err *fault.Error
}

func (e *RowError) Error() string { return fmt.Sprintf("row %d: %v", e.Row, e.Err) }
func (e *RowError) Unwrap() error { return e.Err }

// Table is the rows of one catalog that an expression sees: a chunk or all.
type Table struct {
	Len     int
	Columns []*table.Column // by field; nil for those that no rule uses
	Names   []string        // the columns of the file
}

// Column names a column that an expression reads.
type Column struct {
	Catalog string
	Index   int // in the catalog's fields
}

// Frame is what expressions are evaluated on, and the memory they use for it.
// One goroutine uses a frame at a time.
type Frame struct {
	Tables func(catalog string) *Table
	Active table.Bitmap // the rows that count; nil is all
	Now    int64        // nanoseconds since 1970

	// MaxTexts bounds the bytes of all texts that one evaluation makes; 0 is 64 MiB.
	MaxTexts int

	made    int  // bytes of texts so far
	idle    bool // no row counts, and no single value either
	slots   []*table.Column
	pass    table.Bitmap
	scratch table.Bitmap
}

// Scratch returns a clear bitmap of n bits for the caller to make Active from. It
// is valid until the next call.
func (f *Frame) Scratch(n int) table.Bitmap {
	f.scratch = f.scratch.Resize(n)
	return f.scratch
}

func (f *Frame) slot(i int) *table.Column {
	for len(f.slots) <= i {
		f.slots = append(f.slots, &table.Column{})
	}
	return f.slots[i]
}

// counts reports whether an error matters in row i, or in a single value, which
// is in no row.
func (f *Frame) counts(i int, vector bool) bool {
	return !f.idle && (!vector || f.Active == nil || f.Active.Get(i))
}

// Rule is a compiled expression. It is immutable.
type Rule struct {
	Local bool     // each row's answer depends on that row only
	Uses  []Column // what Frame.Tables has to hold
	Reads []string // the catalogs it looks at, whatever it reads of them
	root  operand
}

// Result is the answer of a rule.
type Result struct {
	Scalar bool         // one answer for all rows: bit 0 of Pass
	Len    int          // how many answers
	Pass   table.Bitmap // valid until the frame is used again
}

// Compile builds the functions of a checked expression.
func Compile(expr spec.Expr) (rule *Rule, err error) {
	c := &compiler{uses: map[Column]bool{}}
	root := c.expr(expr)
	if c.err == nil && root.kind != table.Bool {
		root = c.toBool(root)
	}
	if c.err != nil {
		return nil, c.err
	}
	return &Rule{Local: root.local, Uses: c.columns, Reads: c.reads, root: root}, nil
}

// Scalar reports whether the rule has one answer for all rows.
func (r *Rule) Scalar() bool { return !r.root.vector }

// Eval answers the rule for the rows of f.
func (r *Rule) Eval(f *Frame) (Result, error) {
	f.made = 0
	col, err := r.root.eval(f)
	if err != nil {
		return Result{}, err
	}
	// The column may be the table's own; the nulls of a boolean fail.
	f.pass = append(f.pass[:0], col.Bits...)
	f.pass.AndNot(col.Nulls)
	return Result{Scalar: !r.root.vector, Len: col.Len, Pass: f.pass}, nil
}

// eval computes one node. Its result is the node's slot of f, or a column of the
// table, neither of which the caller may change.
type eval func(f *Frame) (*table.Column, error)

// operand is a compiled node.
type operand struct {
	eval   eval
	kind   table.Kind
	vector bool // one value per row, otherwise a single one
	local  bool // depends on its own row only
	keys   eval // of a keyed column, valid after eval; nil for others
	null   bool // the constant None
	fails  bool // some rows may have no answer at all
}

// compiler turns the nodes of one expression into operands.
type compiler struct {
	nslots  int
	uses    map[Column]bool
	columns []Column
	reads   []string
	param   operand // what a lambda's parameter stands for
	err     error
}

func (c *compiler) slot() int {
	c.nslots++
	return c.nslots - 1
}

// touch notes that the expression looks at a catalog.
func (c *compiler) touch(catalog string) {
	if !slices.Contains(c.reads, catalog) {
		c.reads = append(c.reads, catalog)
	}
}

// fail notes what can't be compiled. The checker refuses nearly all of it before.
func (c *compiler) fail(at spec.Expr, format string, args ...any) operand {
	if c.err == nil {
		err := fault.New(CodeCompile, format, args...).Permanent()
		c.err = err.At("", 1, int(at.Pos())+1)
	}
	return operand{kind: table.Bool, eval: func(*Frame) (*table.Column, error) { return nil, c.err }}
}

// map1 is a node with one operand whose elements it answers one by one.
func (c *compiler) map1(x operand, kind table.Kind, fn func(f *Frame, dst, src *table.Column) error) operand {
	slot := c.slot()
	out := operand{kind: kind, vector: x.vector, local: x.local, keys: x.keys, fails: x.fails}
	out.eval = func(f *Frame) (*table.Column, error) {
		src, err := x.eval(f)
		if err != nil {
			return nil, err
		}
		dst := f.slot(slot)
		reset(dst, kind, src.Len)
		return dst, fn(f, dst, src)
	}
	return out
}

// side is one operand of a two-sided function. A mask of 0 makes every index 0:
// that is how one value meets a whole column.
type side struct {
	*table.Column
	mask int
}

// map2 is a node with two operands that go together element by element.
func (c *compiler) map2(x, y operand, kind table.Kind, fn func(f *Frame, dst *table.Column, a, b side) error) operand {
	if x.keys != nil && y.keys != nil {
		y = c.align(y, x)
	}
	slot := c.slot()
	out := operand{kind: kind, vector: x.vector || y.vector, local: x.local && y.local, keys: x.keys, fails: x.fails || y.fails}
	if out.keys == nil {
		out.keys = y.keys
	}
	out.eval = func(f *Frame) (*table.Column, error) {
		a, err := x.eval(f)
		if err != nil {
			return nil, err
		}
		b, err := y.eval(f)
		if err != nil {
			return nil, err
		}
		n, err := common(a, b, x.vector, y.vector)
		if err != nil {
			return nil, err
		}
		dst := f.slot(slot)
		reset(dst, kind, n)
		return dst, fn(f, dst, side{a, mask(x.vector)}, side{b, mask(y.vector)})
	}
	return out
}

func mask(vector bool) int {
	if vector {
		return -1
	}
	return 0
}

func common(a, b *table.Column, va, vb bool) (int, error) {
	switch {
	case va && vb && a.Len != b.Len:
		return 0, fault.New(CodeLength, "a column of %d values meets one of %d", a.Len, b.Len).
			Expecting("columns of the same length").Advise("to look values up, use isin or set_index").Permanent()
	case va:
		return a.Len, nil
	default:
		return b.Len, nil
	}
}

func reset(dst *table.Column, kind table.Kind, n int) {
	dst.Reset(kind, n)
	dst.Data = dst.Data[:0]
}

// constant is a column of one value that is the same for every frame.
func (c *compiler) constant(col *table.Column) operand {
	return operand{kind: col.Kind, local: true, eval: func(*Frame) (*table.Column, error) { return col, nil }}
}

// copyNulls makes null in dst what is null in a or b. The kinds whose nulls are
// values need no call.
func copyNulls(dst *table.Column, a, b side) {
	for _, s := range [...]side{a, b} {
		if len(s.Nulls) == 0 {
			continue
		}
		if s.mask == 0 {
			if s.Nulls.Get(0) {
				dst.Nulls = dst.Nulls.Resize(dst.Len)
				dst.Nulls.Fill(dst.Len)
			}
			continue
		}
		if len(dst.Nulls) == 0 {
			dst.Nulls = dst.Nulls.Resize(dst.Len)
		}
		dst.Nulls.Or(s.Nulls)
	}
}

// only returns a side that has nothing to add in copyNulls.
func only(col *table.Column) (a, b side) { return side{col, -1}, side{&table.Column{}, -1} }
