package simulate

import "math"

// random is splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom
// number generators", OOPSLA 2014): the same numbers in any language.
type random uint64

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// uniform is in (0, 1).
func (r *random) uniform() float64 { return (float64(r.next()>>11) + 0.5) / (1 << 53) }

// exp has the mean given.
func (r *random) exp(mean float64) float64 { return -mean * math.Log(r.uniform()) }

// normal is standard, by Box and Muller's cosine: two draws.
func (r *random) normal() float64 {
	radius := math.Sqrt(-2 * math.Log(r.uniform()))
	return radius * math.Cos(2*math.Pi*r.uniform())
}
