package reader

import "encoding/binary"

const (
	window = 64                 // bytes at a time
	spread = 0x0101010101010101 // times a byte is that byte eight times
	low7   = 0x7f * spread
	high   = 0x80 * spread
	gather = 0x0002040810204081 // times the top bits of 8 bytes has those in its top byte
)

// separators sets a bit for every delimiter and line end among the first bytes
// of data. Cells are short and of any length: the end of each is a wrong guess of
// the processor in a loop over bytes, and one bit of 64 here.
func separators(data []byte, delimiter byte) (mask uint64) {
	if len(data) < window {
		var padded [window]byte // with zeros, which are no separators
		copy(padded[:], data)
		data = padded[:]
	}
	d := uint64(delimiter) * spread
	return eight(data, d)>>56 |
		eight(data[8:], d)>>56<<8 |
		eight(data[16:], d)>>56<<16 |
		eight(data[24:], d)>>56<<24 |
		eight(data[32:], d)>>56<<32 |
		eight(data[40:], d)>>56<<40 |
		eight(data[48:], d)>>56<<48 |
		eight(data[56:], d)>>56<<56
}

// eight has the bits of the first 8 bytes in its top byte. A byte differs from
// another one of seven bits when the sum of their difference and 0x7f has its top
// bit set; no sum carries into the next byte.
func eight(data []byte, delimiter uint64) uint64 {
	word := binary.LittleEndian.Uint64(data)
	ascii := word & low7
	others := (ascii^delimiter+low7)&(ascii^('\n'*spread)+low7) | word
	return (^others & high) * gather
}
