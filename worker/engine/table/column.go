package table

import (
	"math"
	"time"
)

// Kind is what the values of a column are.
type Kind uint8

// The kinds of columns.
const (
	Text     Kind = iota + 1 // Data and Spans, nulls in Nulls
	Decimal                  // Floats, a null is NaN
	Integer                  // Ints, nulls in Nulls
	Date                     // Ints: nanoseconds since 1970 in UTC, a null is NaT
	Duration                 // Ints: nanoseconds, a null is NaT
	Bool                     // Bits, nulls in Nulls
)

// NaT is the date and the duration that are null, as in pandas.
const NaT = math.MinInt64

// NaN is the decimal that is null.
var NaN = math.NaN()

// Span is the place of one text in the bytes of its column.
type Span struct{ Start, End uint32 }

// Column is the values of one kind, one for each row. Only the slices that its
// kind names mean anything; the others are kept for their memory.
type Column struct {
	Kind   Kind
	Len    int
	Nulls  Bitmap // a set bit is a null; nil says that there is none
	Floats []float64
	Ints   []int64
	Bits   Bitmap
	Spans  []Span
	Data   []byte
}

// Reset makes c a column of n values of that kind. The values are not cleared,
// but there is no null.
func (c *Column) Reset(kind Kind, n int) {
	c.Kind, c.Len, c.Nulls = kind, n, c.Nulls[:0]
	switch kind {
	case Text:
		c.Spans = resize(c.Spans, n)
	case Decimal:
		c.Floats = resize(c.Floats, n)
	case Integer, Date, Duration:
		c.Ints = resize(c.Ints, n)
	case Bool:
		c.Bits = c.Bits.Resize(n)
	}
}

// Share makes c a column of texts that lie in data, without a copy: spans and data
// are the column's from now on.
func (c *Column) Share(spans []Span, data []byte) {
	c.Kind, c.Len, c.Nulls = Text, len(spans), c.Nulls[:0]
	c.Spans, c.Data = spans, data
}

// SetNull makes value i null.
func (c *Column) SetNull(i int) {
	switch c.Kind {
	case Decimal:
		c.Floats[i] = NaN
		return
	case Date, Duration:
		c.Ints[i] = NaT
		return
	case Integer:
		c.Ints[i] = 0
	case Text:
		c.Spans[i] = Span{}
	}
	if len(c.Nulls) == 0 {
		c.Nulls = c.Nulls.Resize(c.Len)
	}
	c.Nulls.Set(i)
}

// Null reports whether value i is null.
func (c *Column) Null(i int) bool {
	switch c.Kind {
	case Decimal:
		return c.Floats[i] != c.Floats[i]
	case Date, Duration:
		return c.Ints[i] == NaT
	}
	return c.Nulls.Get(i)
}

// NullMask stores in dst which values are null and returns it.
func (c *Column) NullMask(dst Bitmap) Bitmap {
	dst = dst.Resize(c.Len)
	switch c.Kind {
	case Decimal:
		for i, v := range c.Floats[:c.Len] {
			if v != v {
				dst.Set(i)
			}
		}
	case Date, Duration:
		for i, v := range c.Ints[:c.Len] {
			if v == NaT {
				dst.Set(i)
			}
		}
	default:
		dst.Or(c.Nulls)
	}
	return dst
}

// Text returns the bytes of text i. They are the column's: valid until its next
// Reset, not to be changed.
func (c *Column) Text(i int) []byte {
	s := c.Spans[i]
	return c.Data[s.Start:s.End]
}

// SetText appends text to the column's own bytes as value i.
func (c *Column) SetText(i int, text []byte) {
	start := len(c.Data)
	c.Data = append(c.Data, text...)
	c.Spans[i] = Span{uint32(start), uint32(len(c.Data))}
}

// Time returns date i.
func (c *Column) Time(i int) time.Time { return time.Unix(0, c.Ints[i]).UTC() }

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/4)
	}
	return s[:n]
}
