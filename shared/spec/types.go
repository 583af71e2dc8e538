package spec

// Type is what is known about a value before any row is read.
type Type struct {
	Kind Kind
	Elem Elem

	// Catalog is the catalog whose rows a Series, Frame, Row or Grouped follows
	// one for one. It is empty when the rows follow none, as in the comparison of
	// columns of two catalogs: whether their lengths agree is seen at run time.
	Catalog string
}

// Kind is the shape of a value.
type Kind uint8

// The shapes of values.
const (
	Scalar  Kind = iota + 1 // one value
	Series                  // one value per row
	Array                   // values without rows: unique(), columns
	Keyed                   // one value per distinct key: groupby(…).sum(), set_index(…)
	Frame                   // a table
	Tables                  // df of a package rule, before a catalog is chosen
	Grouped                 // groupby(…) before an aggregate
	Record                  // the row a lambda receives from apply(…, axis=1)
	ListOf                  // a list, tuple or set of scalars
	DictOf                  // a dictionary from scalars to scalars
	Func                    // a lambda
)

// Elem is the type of a value's elements. Any element may be null.
type Elem uint8

// The types of elements.
const (
	Unknown   Elem = iota // not known before the rule runs
	TextElem              // string
	IntElem               // int64
	FloatElem             // float64
	BoolElem              // bool
	TimeElem              // a moment, without a zone
	SpanElem              // the difference of two moments
	NullElem              // None, nothing else
)

var (
	kindNames = [...]string{
		Scalar: "scalar", Series: "column", Array: "array", Keyed: "keyed column", Frame: "table", Tables: "catalogs",
		Grouped: "group", Record: "row", ListOf: "list", DictOf: "dictionary", Func: "lambda",
	}
	elemNames = [...]string{
		Unknown: "unknown", TextElem: "text", IntElem: "integer", FloatElem: "decimal", BoolElem: "boolean",
		TimeElem: "date", SpanElem: "duration", NullElem: "null",
	}
)

func (k Kind) String() string { return nameOf(kindNames[:], int(k)) }
func (e Elem) String() string { return nameOf(elemNames[:], int(e)) }

// String reads as in a message: "column of text", "table".
func (t Type) String() string {
	switch t.Kind {
	case Series, Array, Keyed, ListOf:
		if t.Elem == Unknown {
			return t.Kind.String()
		}
		return t.Kind.String() + " of " + t.Elem.String()
	case Scalar:
		if t.Elem == Unknown {
			return "value"
		}
		return t.Elem.String()
	default:
		return t.Kind.String()
	}
}

// numeric says whether arithmetic is defined; booleans count as 0 and 1.
func (e Elem) numeric() bool { return e == IntElem || e == FloatElem || e == BoolElem }

// columnar says whether the value holds many elements on which operators work one by one.
func (k Kind) columnar() bool { return k == Series || k == Array || k == Keyed }

// elemOf is what cells of a field hold once they are read.
func elemOf(t FieldType) Elem {
	switch t {
	case Text:
		return TextElem
	case Decimal:
		return FloatElem
	case Integer:
		return IntElem
	case Date:
		return TimeElem
	case Boolean:
		return BoolElem
	default:
		return Unknown
	}
}
