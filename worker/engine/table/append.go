package table

import (
	"errors"
	"math"
)

// ErrTextTooLarge says that the texts of one column no longer fit in 4 GiB,
// which is as far as a Span reaches.
var ErrTextTooLarge = errors.New("the texts of one column take more than 4 GiB")

// Append adds the values of src, which is of the same kind, and copies its
// texts: src may be reused afterwards. A column without a kind takes src's.
func (c *Column) Append(src *Column) error {
	return c.AppendWhere(src, nil)
}

// AppendWhere is Append for the rows that are set in rows; nil is all of them.
func (c *Column) AppendWhere(src *Column, rows Bitmap) error {
	if c.Kind == 0 {
		c.Reset(src.Kind, 0)
	}
	if rows == nil {
		rows = make(Bitmap, Words(src.Len))
		rows.Fill(src.Len)
	}
	for i := range rows.Ones {
		if err := c.appendValue(src, i); err != nil {
			return err
		}
	}
	return nil
}

func (c *Column) appendValue(src *Column, i int) error {
	n := c.Len
	c.Len++
	switch c.Kind {
	case Decimal:
		c.Floats = append(c.Floats[:n], src.Floats[i])
		return nil
	case Date, Duration:
		c.Ints = append(c.Ints[:n], src.Ints[i])
		return nil
	case Integer:
		c.Ints = append(c.Ints[:n], src.Ints[i])
	case Bool:
		c.Bits = grow(c.Bits, c.Len)
		if src.Bits.Get(i) {
			c.Bits.Set(n)
		}
	case Text:
		text := src.Text(i)
		if uint64(len(c.Data))+uint64(len(text)) > math.MaxUint32 {
			return ErrTextTooLarge
		}
		c.Spans = append(c.Spans[:n], Span{})
		c.SetText(n, text)
	}
	if len(c.Nulls) > 0 || src.Nulls.Get(i) {
		c.Nulls = grow(c.Nulls, c.Len)
		if src.Nulls.Get(i) {
			c.Nulls.Set(n)
		}
	}
	return nil
}

// grow returns b with room for n bits, keeping those it has.
func grow(b Bitmap, n int) Bitmap {
	for len(b) < Words(n) {
		b = append(b, 0)
	}
	return b
}
