package spec

import "regexp"

// Pos is a place in an expression: a 0-based offset in bytes. [Rule.Position]
// turns it into a line and column of the file.
type Pos int

// Expr is a node of a checked expression. The implementations are Literal, List,
// Dict, Column, Table, Param, Cell, Unary, Binary, Cond, Lambda, Call, Group and
// Index: a switch over these is complete.
type Expr interface {
	Pos() Pos
	Type() Type
}

// node is what all expressions have in common.
type node struct {
	pos Pos
	typ Type
}

func (n node) Pos() Pos   { return n.pos }
func (n node) Type() Type { return n.typ }

type (
	// Literal is a constant: nil, bool, int64, float64 or string.
	Literal struct {
		node
		Value any
	}

	// List is a list, tuple or set. Its items are scalars.
	List struct {
		node
		Items []Expr
	}

	// Dict maps scalars to scalars: the argument of map.
	Dict struct {
		node
		Keys, Values []Expr
	}

	// Table is all rows of a catalog: df, or df['catalog'] in a package rule.
	Table struct {
		node
		Catalog string
	}

	// Column is a column of a catalog: df['name'], or df['catalog']['name'].
	Column struct {
		node
		Catalog string
		Name    string
		Index   int // in the catalog's Fields
	}

	// Param is the use of a lambda's parameter. When its type is Record it stands
	// for a row of a catalog, and is only ever used through Cell.
	Param struct {
		node
		Name string
	}

	// Cell is one value of the row a lambda received: x['name'].
	Cell struct {
		node
		Param  *Param
		Column *Column
	}

	// Unary is -x or not x.
	Unary struct {
		node
		Op Op // Neg or Not
		X  Expr
	}

	// Binary is an operator with two operands. Two Series are combined row by
	// row, two Keyed by their keys; a Scalar goes with every element.
	Binary struct {
		node
		Op   Op
		X, Y Expr
	}

	// Cond is `Then if Test else Else`, or np.where(Test, Then, Else), whose Test
	// may be a Series. A null Test chooses Else.
	Cond struct {
		node
		Test, Then, Else Expr
	}

	// Lambda is the argument of apply. Its body is typed for the value it gets,
	// so evaluating it over whole columns gives the same answers.
	Lambda struct {
		node
		Param *Param
		Body  Expr
	}

	// Call is a function, method or attribute: they differ in spelling only.
	// pd.isna(x), x.isna() and x.isnull() are all Fn "isna" of x.
	Call struct {
		node
		Fn   Fn
		Args []Expr // the receiver, if any, first; then every parameter of the signature, defaults filled in

		// Pattern is the compiled expression of the str functions that search for
		// one, with case and flags taken in; nil when the text is sought as it stands. For
		// str.match it begins with \A, for str.fullmatch it also ends with \z. With
		// it, the replacement of str.replace is a template of package regexp.
		Pattern *regexp.Regexp
	}

	// Group is x.groupby(keys)[value], the first argument of the group functions.
	Group struct {
		node
		Keys  []Expr // Series of the same rows as Value
		Value Expr   // Series; nil in groupby(…).size()
	}

	// Index is table.set_index(key)[value]: a Keyed, or the first argument of loc.
	Index struct {
		node
		Key, Value *Column
	}
)

// Op is an operator.
type Op uint8

// The operators. And, Or and Not are & | ~ on booleans and also and, or, not:
// operands are boolean by the time they are nodes.
const (
	Add Op = iota + 1
	Sub
	Mul
	Div      // true division, always a float
	FloorDiv // rounds towards minus infinity
	Mod      // has the sign of the divisor
	Pow
	Eq
	Ne
	Lt
	Le
	Gt
	Ge
	In    // X is a scalar; Y a List, something with elements, or a text that may contain X
	NotIn // as In
	And
	Or
	Not
	Neg
)

var opNames = [...]string{
	Add: "+", Sub: "-", Mul: "*", Div: "/", FloorDiv: "//", Mod: "%", Pow: "**",
	Eq: "==", Ne: "!=", Lt: "<", Le: "<=", Gt: ">", Ge: ">=", In: "in", NotIn: "not in",
	And: "&", Or: "|", Not: "~", Neg: "-",
}

func (o Op) String() string { return nameOf(opNames[:], int(o)) }

// Fn is the canonical name of a function: "isna", "str.match", "dt.year",
// "group.sum". [Functions] lists them all.
type Fn string
