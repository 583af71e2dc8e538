package engine

import (
	"bytes"
	"hash/maphash"
	"math"

	"github.com/sagefleet/sagefleet/worker/engine/table"
)

// uniqueSet remembers the values of a unique field over all chunks, exactly. A
// million of them take 8 bytes each when they are numbers, and nothing when they
// count up by one, as identifiers tend to.
type uniqueSet struct {
	low, high int64 // the run of consecutive integers that is in the set
	run       bool
	ints      intSet
	texts     textSet
}

// add reports whether value i of col, which isn't null, is new.
func (s *uniqueSet) add(col *table.Column, i int) bool {
	switch col.Kind {
	case table.Text:
		return s.texts.add(col.Text(i))
	case table.Decimal:
		return s.ints.add(int64(math.Float64bits(col.Floats[i] + 0))) // -0 is 0
	case table.Bool:
		return s.addInt(boolInt(col.Bits.Get(i)))
	default:
		return s.addInt(col.Ints[i])
	}
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func (s *uniqueSet) addInt(v int64) bool {
	switch {
	case !s.run:
		s.low, s.high, s.run = v, v, true
		return true
	case v >= s.low && v <= s.high:
		return false
	case v == s.high+1 && !s.ints.has(v):
		s.high = v
		return true
	default:
		return s.ints.add(v)
	}
}

// intSet is a hash set with linear probing. Zero marks a free place, so the
// number zero is kept aside.
type intSet struct {
	places []int64
	n      int
	zero   bool
}

func (s *intSet) has(v int64) bool {
	if v == 0 || s.n == 0 {
		return v == 0 && s.zero
	}
	return s.places[s.place(v)] == v
}

func (s *intSet) add(v int64) bool {
	if v == 0 {
		fresh := !s.zero
		s.zero = true
		return fresh
	}
	if s.n >= len(s.places)/4*3 {
		s.grow()
	}
	at := s.place(v)
	if s.places[at] == v {
		return false
	}
	s.places[at] = v
	s.n++
	return true
}

// place is where v is, or where it would go.
func (s *intSet) place(v int64) int {
	mask := len(s.places) - 1
	at := int(mix(uint64(v))) & mask
	for s.places[at] != 0 && s.places[at] != v {
		at = (at + 1) & mask
	}
	return at
}

func (s *intSet) grow() {
	old := s.places
	s.places = make([]int64, max(64, 2*len(old)))
	for _, v := range old {
		if v != 0 {
			s.places[s.place(v)] = v
		}
	}
}

// mix spreads a number over all bits (the finaliser of MurmurHash3).
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// textSet keeps its texts one after the other in pages, and their places in a
// table with linear probing.
type textSet struct {
	seed   maphash.Seed
	places []uint64 // hash in the upper half, number of the text + 1 in the lower
	texts  [][]byte
	page   []byte
}

// Pages double from the first to the last size: most files are small, and clearing
// a large page for each of their fields would cost more than checking them.
const (
	firstPage = 1 << 10
	lastPage  = 256 << 10
)

func (s *textSet) add(text []byte) bool {
	if s.places == nil {
		s.seed = maphash.MakeSeed()
	}
	if len(s.texts) >= len(s.places)/4*3 {
		s.grow()
	}
	hash := maphash.Bytes(s.seed, text)
	mask := len(s.places) - 1
	for at := int(hash) & mask; ; at = (at + 1) & mask {
		place := s.places[at]
		if place == 0 {
			s.texts = append(s.texts, s.keep(text))
			s.places[at] = hash&^math.MaxUint32 | uint64(len(s.texts))
			return true
		}
		if place>>32 == hash>>32 && bytes.Equal(s.texts[uint32(place)-1], text) {
			return false
		}
	}
}

func (s *textSet) keep(text []byte) []byte {
	if len(s.page)+len(text) > cap(s.page) {
		s.page = make([]byte, 0, max(min(2*cap(s.page), lastPage), firstPage, len(text)))
	}
	start := len(s.page)
	s.page = append(s.page, text...)
	return s.page[start:len(s.page):len(s.page)]
}

func (s *textSet) grow() {
	s.places = make([]uint64, max(64, 2*len(s.places)))
	mask := len(s.places) - 1
	for i, text := range s.texts {
		hash := maphash.Bytes(s.seed, text)
		at := int(hash) & mask
		for s.places[at] != 0 {
			at = (at + 1) & mask
		}
		s.places[at] = hash&^math.MaxUint32 | uint64(i+1)
	}
}
