package differential

import (
	"cmp"
	"math"
	"math/big"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/shared/spec"
)

func integer(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case bool:
		if v {
			return 1
		}
	}
	return 0
}

// float is the value of a number or truth value.
func float(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int64, bool:
		return float64(integer(v)), true
	default:
		return 0, false
	}
}

func whole(v any) bool {
	switch v.(type) {
	case int64, bool:
		return true
	default:
		return false
	}
}

func negated(v any) any {
	switch v := v.(type) {
	case float64:
		return -v
	case time.Duration:
		return -v
	case int64, bool:
		return -integer(v)
	default:
		return nil
	}
}

// order compares two values that are no nulls. It isn't ok for those of
// different kinds, which are neither equal nor ordered.
func order(a, b any) (c int, ok bool) {
	switch x := a.(type) {
	case string:
		y, ok := b.(string)
		return strings.Compare(x, y), ok
	case time.Time:
		y, ok := b.(time.Time)
		return x.Compare(y), ok
	case time.Duration:
		y, ok := b.(time.Duration)
		return cmp.Compare(x, y), ok
	}
	if whole(a) && whole(b) {
		return cmp.Compare(integer(a), integer(b)), true
	}
	x, ok := float(a)
	y, ok2 := float(b)
	return cmp.Compare(x, y), ok && ok2
}

// compared is a comparison. With null it is false, but for !=.
func compared(op spec.Op, a, b any) bool {
	c, ok := order(a, b)
	switch op {
	case spec.Eq:
		return ok && c == 0
	case spec.Ne:
		return !ok || c != 0
	case spec.Lt:
		return ok && c < 0
	case spec.Le:
		return ok && c <= 0
	case spec.Gt:
		return ok && c > 0
	default:
		return ok && c >= 0
	}
}

// arithmetic is + - * / // % and **. Null stays null, but for the two cases in
// which pandas has an answer whatever the missing number: null**0 and 1**null.
func arithmetic(op spec.Op, a, b any) (any, error) {
	if op == spec.Pow {
		return power(a, b), nil
	}
	if a == nil || b == nil {
		return nil, nil
	}
	if timed(a) || timed(b) {
		return times(op, a, b)
	}
	if x, ok := a.(string); ok {
		return x + b.(string), nil // the checker lets no other pair through
	}
	if whole(a) && whole(b) && op != spec.Div {
		return integers(op, integer(a), integer(b)), nil
	}
	x, _ := float(a)
	y, _ := float(b)
	switch op {
	case spec.Add:
		return boxed(x + y), nil
	case spec.Sub:
		return boxed(x - y), nil
	case spec.Mul:
		return boxed(x * y), nil
	case spec.Div:
		return boxed(x / y), nil
	}
	quotient, rest := floorDivided(x, y)
	if op == spec.Mod {
		return boxed(rest), nil
	}
	return boxed(quotient), nil
}

func power(a, b any) any {
	x, ok := float(a)
	if !ok {
		x = math.NaN()
	}
	y, ok := float(b)
	if !ok {
		y = math.NaN()
	}
	return boxed(math.Pow(x, y))
}

// integers wraps as int64 does. pandas turns a column that is divided by zero
// into floats and answers infinity; here the column stays of integers, and the
// quotient is null.
func integers(op spec.Op, x, y int64) any {
	var v big.Int
	a, b := big.NewInt(x), big.NewInt(y)
	switch op {
	case spec.Add:
		v.Add(a, b)
	case spec.Sub:
		v.Sub(a, b)
	case spec.Mul:
		v.Mul(a, b)
	default:
		if y == 0 {
			return nil
		}
		var rest big.Int
		v.QuoRem(a, b, &rest)
		if rest.Sign()*b.Sign() < 0 {
			v.Sub(&v, big.NewInt(1))
			rest.Add(&rest, b)
		}
		if op == spec.Mod {
			v.Set(&rest)
		}
	}
	low := new(big.Int).And(&v, new(big.Int).SetUint64(math.MaxUint64))
	return int64(low.Uint64())
}

// floorDivided is Python's divmod of floats: the quotient follows from the exact
// remainder, so that 1.0 // 0.1 is 9.
func floorDivided(x, y float64) (quotient, rest float64) {
	rest = math.Mod(x, y)
	if y == 0 {
		return x / y, rest
	}
	quotient = (x - rest) / y
	if rest != 0 && (rest < 0) != (y < 0) {
		rest += y
		quotient--
	}
	floor := math.Floor(quotient)
	if quotient-floor > 0.5 {
		floor++
	}
	return floor, rest
}

func timed(v any) bool {
	switch v.(type) {
	case time.Time, time.Duration:
		return true
	default:
		return false
	}
}

// times is what dates and durations allow. pandas raises an error when the
// result is out of the reach of 64 bits of nanoseconds.
func times(op spec.Op, a, b any) (any, error) {
	if op == spec.Mul || op == spec.Div {
		return scaled(op, a, b)
	}
	_, dateA := a.(time.Time)
	_, dateB := b.(time.Time)
	x, y := nanoseconds(a), nanoseconds(b)
	if op == spec.Sub {
		x.Sub(x, y)
	} else {
		x.Add(x, y)
	}
	if !x.IsInt64() || x.Int64() == math.MinInt64 {
		return nil, cannot("%v %s %v is out of range", a, op, b)
	}
	if dateA != dateB {
		return time.Unix(0, x.Int64()).UTC(), nil
	}
	return time.Duration(x.Int64()), nil
}

func nanoseconds(v any) *big.Int {
	if t, ok := v.(time.Time); ok {
		return big.NewInt(t.UnixNano())
	}
	d, _ := v.(time.Duration)
	return big.NewInt(int64(d))
}

func scaled(op spec.Op, a, b any) (any, error) {
	x, long := a.(time.Duration)
	y, other := b.(time.Duration)
	if long && other {
		return boxed(float64(x) / float64(y)), nil
	}
	if !long {
		x, a, b = y, b, a
	}
	factor, _ := float(b)
	product := float64(x) * factor
	if op == spec.Div {
		product = float64(x) / factor
	}
	if math.IsNaN(product) || math.IsInf(product, 0) { // divided by zero
		return nil, nil
	}
	if math.Abs(product) >= math.MaxInt64 {
		return nil, cannot("%v %s %v is out of range", a, op, b)
	}
	return time.Duration(product), nil
}
