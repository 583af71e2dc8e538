package speed

// mersenne is Python's generator of random numbers, MT19937, with what its
// random module makes of it: the published workload was written with that.
type mersenne struct {
	state [624]uint32
	at    int
}

// newMersenne seeds like random.seed(seed), for one word of seed.
func newMersenne(seed uint32) *mersenne {
	m := &mersenne{at: 624}
	s := &m.state
	s[0] = 19650218
	for i := range s[1:] {
		s[i+1] = 1812433253*(s[i]^s[i]>>30) + uint32(i+1)
	}
	i := 1
	for range s {
		s[i] = (s[i] ^ (s[i-1]^s[i-1]>>30)*1664525) + seed
		i = m.after(i)
	}
	for range s[1:] {
		s[i] = (s[i] ^ (s[i-1]^s[i-1]>>30)*1566083941) - uint32(i)
		i = m.after(i)
	}
	s[0] = 1 << 31
	return m
}

// after is the next place when seeding: the first word goes round with the last.
func (m *mersenne) after(i int) int {
	if i++; i == len(m.state) {
		m.state[0] = m.state[len(m.state)-1]
		i = 1
	}
	return i
}

func (m *mersenne) word() uint32 {
	if m.at == len(m.state) {
		m.twist()
	}
	y := m.state[m.at]
	m.at++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

func (m *mersenne) twist() {
	const half = 397
	s, n := &m.state, len(m.state)
	for i := range s {
		y := s[i]&(1<<31) | s[(i+1)%n]&(1<<31-1)
		s[i] = s[(i+half)%n] ^ y>>1 ^ y&1*0x9908b0df
	}
	m.at = 0
}

// below is random.randrange(n).
func (m *mersenne) below(n uint32) int {
	bits := 0
	for v := n; v > 0; v >>= 1 {
		bits++
	}
	for {
		if v := m.word() >> (32 - bits); v < n {
			return int(v)
		}
	}
}

// float is random.random().
func (m *mersenne) float() float64 {
	a, b := m.word()>>5, m.word()>>6
	return (float64(a)*(1<<26) + float64(b)) / (1 << 53)
}
