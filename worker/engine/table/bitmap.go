package table

import "math/bits"

// WordBits is how many rows one word of a [Bitmap] covers.
const WordBits = 64

// Bitmap is one bit for each row. The bits past the last row are zero, which is
// what lets Count and the word-wise operations ignore the length.
type Bitmap []uint64

// Words returns how many words n bits take.
func Words(n int) int { return (n + WordBits - 1) / WordBits }

// Resize returns b with room for n bits, all clear, in the same memory when it
// is large enough.
func (b Bitmap) Resize(n int) Bitmap {
	w := Words(n)
	if cap(b) < w {
		return make(Bitmap, w, w+w/4)
	}
	b = b[:w]
	clear(b)
	return b
}

// Get reports bit i. A nil bitmap has no bit set.
func (b Bitmap) Get(i int) bool {
	w := i / WordBits
	return w < len(b) && b[w]&(1<<(i%WordBits)) != 0
}

// Set sets bit i.
func (b Bitmap) Set(i int) { b[i/WordBits] |= 1 << (i % WordBits) }

// Clear clears bit i.
func (b Bitmap) Clear(i int) { b[i/WordBits] &^= 1 << (i % WordBits) }

// Any reports whether a bit is set.
func (b Bitmap) Any() bool {
	for _, w := range b {
		if w != 0 {
			return true
		}
	}
	return false
}

// Count returns how many bits are set.
func (b Bitmap) Count() int {
	n := 0
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// Fill sets the first n bits.
func (b Bitmap) Fill(n int) {
	for i := range b {
		b[i] = ^uint64(0)
	}
	b.trim(n)
}

// Not stores the complement of a, over n bits, in b.
func (b Bitmap) Not(a Bitmap, n int) {
	for i := range b {
		var w uint64
		if i < len(a) {
			w = a[i]
		}
		b[i] = ^w
	}
	b.trim(n)
}

// Or sets in b what is set in a, which may be nil.
func (b Bitmap) Or(a Bitmap) {
	for i, w := range a {
		b[i] |= w
	}
}

// And clears in b what is clear in a.
func (b Bitmap) And(a Bitmap) {
	for i := range b {
		b[i] &= a[i]
	}
}

// AndNot clears in b what is set in a, which may be nil.
func (b Bitmap) AndNot(a Bitmap) {
	for i, w := range a {
		b[i] &^= w
	}
}

// Ones calls yield with the index of every set bit, in order, until it returns
// false.
func (b Bitmap) Ones(yield func(int) bool) {
	for i, w := range b {
		for ; w != 0; w &= w - 1 {
			if !yield(i*WordBits + bits.TrailingZeros64(w)) {
				return
			}
		}
	}
}

func (b Bitmap) trim(n int) {
	if n%WordBits != 0 && len(b) > 0 {
		b[len(b)-1] &= 1<<(n%WordBits) - 1
	}
}
