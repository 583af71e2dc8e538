package parse

import (
	"encoding/binary"
	"math/bits"
)

// word is a text of up to 8 bytes in one number, the last byte in the highest
// place and zeros, as digits, in front. Most cells are that short, and arithmetic
// on all bytes at once needs no loop whose end the processor would have to guess.
type word uint64

const (
	ones  = 0x0101010101010101 // times a byte is that byte eight times
	zeros = '0' * ones
	low7  = 0x7f * ones
	high  = 0x80 * ones
)

// eight isn't ok for a text that is longer, or at the end of its buffer: the
// bytes after the text are read with it, and dropped.
func eight(text []byte) (w word, ok bool) {
	n := len(text)
	if n > 8 || cap(text) < 8 {
		return 0, false
	}
	all := binary.LittleEndian.Uint64(text[:8])
	return word(all<<(64-8*n) | zeros>>(8*n)), true
}

// digits reports whether all bytes are.
func (w word) digits() bool {
	v := uint64(w) ^ zeros
	return (v+(0x7f-9)*ones|v)&high == 0
}

// number is the value of 8 digits: of pairs, of fours, of all.
func (w word) number() int64 {
	v := w.pairs()
	v = v * (100<<16 + 1) >> 16 & 0x0000ffff0000ffff
	return int64(v * (10000<<32 + 1) >> 32)
}

// pairs are the values of 2 digits each, in 16 bits each, the first in the lowest.
func (w word) pairs() uint64 {
	return (uint64(w) ^ zeros) * (10<<8 + 1) >> 8 & 0x00ff00ff00ff00ff
}

// cutPoint takes out the first point, and says how many bytes come after it. It
// is -1 when there is none.
func (w word) cutPoint() (digits word, after int) {
	v := uint64(w) ^ '.'*ones
	points := ^(v&low7 + low7 | v) & high
	if points == 0 {
		return w, -1
	}
	at := bits.TrailingZeros64(points) &^ 7
	before := uint64(w) & (1<<at - 1)
	rest := uint64(w) >> at >> 8 << at << 8
	return word(rest | before<<8 | '0'), 7 - at/8
}
