package differential

import (
	"math"
	"math/big"
	"slices"
	"time"

	"github.com/sagefleet/sagefleet/shared/spec"
)

// identity is a map key that two cells share exactly when they are the same
// value; numbers of different types can be. Null is one value.
func identity(v any) any {
	switch v := v.(type) {
	case time.Time:
		return [1]int64{v.UnixNano()}
	case bool:
		return identity(integer(v))
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v)
		}
	}
	return v
}

func present(values []any) []any {
	return slices.DeleteFunc(slices.Clone(values), func(v any) bool { return v == nil })
}

// distinct returns the values without repetition, in order.
func distinct(values []any) []any {
	seen := map[any]bool{}
	var out []any
	for _, v := range values {
		if id := identity(v); !seen[id] {
			seen[id] = true
			out = append(out, v)
		}
	}
	return out
}

// aggregate is the summary of a column; nulls are left out. elem is the type of
// the column, which decides what the sum of nothing is.
func aggregate(name string, values []any, elem spec.Elem, ddof int64) any {
	filled := present(values)
	switch name {
	case "size":
		return int64(len(values))
	case "count":
		return int64(len(filled))
	case "nunique":
		return int64(len(distinct(filled)))
	case "sum":
		return sum(filled, elem)
	case "min", "max":
		return extreme(filled, name == "max")
	}
	if len(filled) == 0 {
		return nil
	}
	numbers := make([]float64, len(filled))
	for i, v := range filled {
		numbers[i], _ = float(v)
	}
	switch name {
	case "mean":
		return boxed(total(numbers) / float64(len(numbers)))
	case "median":
		slices.Sort(numbers)
		middle := len(numbers) / 2
		if len(numbers)%2 == 1 {
			return numbers[middle]
		}
		return boxed((numbers[middle-1] + numbers[middle]) / 2)
	default:
		return deviation(numbers, float64(ddof))
	}
}

func sum(filled []any, elem spec.Elem) any {
	switch elem {
	case spec.FloatElem:
		numbers := make([]float64, len(filled))
		for i, v := range filled {
			numbers[i], _ = float(v)
		}
		return boxed(total(numbers))
	case spec.SpanElem:
		var sum time.Duration
		for _, v := range filled {
			sum += v.(time.Duration)
		}
		return sum
	default:
		var sum int64
		for _, v := range filled {
			sum += integer(v)
		}
		return sum
	}
}

// total is the exact sum, rounded once: what numpy's pairwise sum and the
// engine's compensated one come close to.
func total(numbers []float64) float64 {
	const exact = 2200 // bits from the largest float64 to the smallest
	sum := new(big.Float).SetPrec(exact)
	var plain float64
	for _, v := range numbers {
		if plain += v; math.IsInf(plain, 0) || math.IsNaN(plain) {
			continue
		}
		sum.Add(sum, big.NewFloat(v))
	}
	if math.IsInf(plain, 0) || math.IsNaN(plain) {
		return plain
	}
	f, _ := sum.Float64()
	return f
}

func deviation(numbers []float64, ddof float64) any {
	n := float64(len(numbers))
	if n <= ddof {
		return nil
	}
	mean := total(numbers) / n
	squares := make([]float64, len(numbers))
	for i, v := range numbers {
		squares[i] = (v - mean) * (v - mean)
	}
	return boxed(math.Sqrt(total(squares) / (n - ddof)))
}

func extreme(filled []any, largest bool) any {
	var best any
	for _, v := range filled {
		c, _ := order(v, best)
		if best == nil || largest && c > 0 || !largest && c < 0 {
			best = v
		}
	}
	return best
}

func duplicated(ids []any, keep any) []any {
	count, seen := map[any]int{}, map[any]int{}
	for _, id := range ids {
		count[id]++
	}
	out := make([]any, len(ids))
	for i, id := range ids {
		seen[id]++
		switch keep {
		case false:
			out[i] = count[id] > 1
		case "last":
			out[i] = seen[id] < count[id]
		default:
			out[i] = seen[id] > 1
		}
	}
	return out
}
