package kernel

import (
	"bytes"
	"cmp"
	"math"

	"github.com/sagefleet/sagefleet/worker/engine/table"
)

// setValue stores value j of src, which is of dst's kind, as value i of dst.
func setValue(dst *table.Column, i int, src *table.Column, j int) {
	if src.Null(j) {
		dst.SetNull(i)
		return
	}
	switch dst.Kind {
	case table.Decimal:
		dst.Floats[i] = src.Floats[j]
	case table.Text:
		dst.SetText(i, src.Text(j))
	case table.Bool:
		if src.Bits.Get(j) {
			dst.Bits.Set(i)
		} else {
			dst.Bits.Clear(i)
		}
	default:
		dst.Ints[i] = src.Ints[j]
	}
}

// order compares two values that aren't null, of columns of one kind.
func order(a *table.Column, i int, b *table.Column, j int) int {
	switch a.Kind {
	case table.Decimal:
		return cmp.Compare(a.Floats[i], b.Floats[j])
	case table.Text:
		return bytes.Compare(a.Text(i), b.Text(j))
	case table.Bool:
		return boolInt(a.Bits.Get(i)) - boolInt(b.Bits.Get(j))
	default:
		return cmp.Compare(a.Ints[i], b.Ints[j])
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// index numbers the distinct values of columns of one kind, in the order in
// which they come. Nulls have one number between them.
type index struct {
	ints   map[int64]int
	floats map[float64]int
	texts  map[string]int
	null   int // the number of null, or -1
	n      int
}

func newIndex() *index {
	return &index{ints: map[int64]int{}, floats: map[float64]int{}, texts: map[string]int{}, null: -1}
}

// add returns the number of value i of col, and whether it is a new one.
func (x *index) add(col *table.Column, i int) (id int, fresh bool) {
	if id = x.find(col, i); id >= 0 {
		return id, false
	}
	id = x.n
	x.n++
	switch {
	case col.Null(i):
		x.null = id
	case col.Kind == table.Decimal:
		x.floats[col.Floats[i]] = id
	case col.Kind == table.Text:
		x.texts[string(col.Text(i))] = id
	default:
		x.ints[integer(col, i)] = id
	}
	return id, true
}

// find returns the number of value i of col, or -1.
func (x *index) find(col *table.Column, i int) int {
	var id int
	var ok bool
	switch {
	case col.Null(i):
		return x.null
	case col.Kind == table.Decimal:
		id, ok = x.floats[col.Floats[i]]
	case col.Kind == table.Text:
		id, ok = x.texts[string(col.Text(i))]
	default:
		id, ok = x.ints[integer(col, i)]
	}
	if !ok {
		return -1
	}
	return id
}

func integer(col *table.Column, i int) int64 {
	if col.Kind == table.Bool {
		return int64(boolInt(col.Bits.Get(i)))
	}
	return col.Ints[i]
}

// appendKey encodes value i so that two values of a kind are equal exactly when
// their keys are, also when several keys follow one another.
func appendKey(key []byte, col *table.Column, i int) []byte {
	if col.Null(i) {
		return append(key, 0)
	}
	switch col.Kind {
	case table.Text:
		text := col.Text(i)
		key = appendUint(append(key, 1), uint64(len(text)))
		return append(key, text...)
	case table.Decimal:
		return appendUint(append(key, 1), math.Float64bits(col.Floats[i]+0)) // -0 is 0
	default:
		return appendUint(append(key, 1), uint64(integer(col, i)))
	}
}

func appendUint(b []byte, v uint64) []byte {
	return append(b, byte(v>>56), byte(v>>48), byte(v>>40), byte(v>>32), byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}
