package differential

import (
	"slices"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/shared/spec"
)

// acrossRows are the functions whose value at one position depends on others.
var acrossRows = map[spec.Fn]bool{
	"sum": true, "mean": true, "median": true, "std": true, "min": true, "max": true, "count": true, "nunique": true,
	"is_unique": true, "any": true, "all": true, "len": true, "empty": true, "columns": true, "shift": true, "diff": true,
	"cumsum": true, "duplicated": true, "table.duplicated": true, "unique": true, "dropna": true, "filter": true, "value_counts": true,
}

func elementwise(x *spec.Call) bool {
	return !acrossRows[x.Fn] && !strings.HasPrefix(string(x.Fn), "group.")
}

// operands are the arguments that go together position by position.
func operands(x *spec.Call) []spec.Expr {
	switch x.Fn {
	case "isin":
		return x.Args[:1]
	case "lookup":
		return x.Args[1:]
	}
	return slices.DeleteFunc(slices.Clone(x.Args), func(arg spec.Expr) bool {
		switch arg.Type().Kind {
		case spec.Scalar, spec.Series, spec.Array, spec.Keyed:
			return false
		default:
			return true
		}
	})
}

func constant[T any](x spec.Expr) T {
	value, _ := x.(*spec.Literal).Value.(T)
	return value
}

// element answers a function of one position.
func (e *evaluator) element(x *spec.Call, i int) (any, error) {
	switch x.Fn {
	case "apply", "table.apply":
		return e.apply(x, i)
	case "map":
		return e.mapped(x, i)
	case "isin":
		v, err := e.at(x.Args[0], i)
		if err != nil {
			return nil, err
		}
		return e.among(v, x.Args[0].Type().Elem, x.Args[1], i)
	case "lookup":
		key, err := e.at(x.Args[1], i)
		if err != nil {
			return nil, err
		}
		return e.lookup(x.Args[0], key)
	case "now":
		return nil, cannot("the time is not asked for in differential tests")
	}
	var args []any
	for _, operand := range operands(x) {
		v, err := e.at(operand, i)
		if err != nil {
			return nil, err
		}
		args = append(args, v)
	}
	switch name := string(x.Fn); {
	case strings.HasPrefix(name, "str."):
		return textual(x, args[0]), nil
	case strings.HasPrefix(name, "dt."):
		return datePart(x.Fn, args[0]), nil
	case strings.HasPrefix(name, "astype."), strings.HasPrefix(name, "to_"), name == "timedelta":
		return converted(x, args[0])
	default:
		return chosen(x, args)
	}
}

// chosen answers the functions that ask for or replace null, and the arithmetic
// ones without an operator.
func chosen(x *spec.Call, args []any) (any, error) {
	v, elem := args[0], x.Type().Elem
	switch x.Fn {
	case "isna":
		return v == nil, nil
	case "notna":
		return v != nil, nil
	case "fillna":
		if v == nil {
			v = args[1]
		}
		return widened(v, elem), nil
	case "where":
		if !truth(args[1]) {
			v = args[2]
		}
		return widened(v, elem), nil
	case "between":
		low, high := spec.Ge, spec.Le
		switch inclusive := constant[string](x.Args[3]); inclusive {
		case "neither", "right":
			low = spec.Gt
			if inclusive == "neither" {
				high = spec.Lt
			}
		case "left":
			high = spec.Lt
		}
		return compared(low, v, args[1]) && compared(high, v, args[2]), nil
	case "abs":
		if c, ok := order(v, zeroOf(v)); ok && c < 0 || v == false || v == true {
			return absolute(v), nil
		}
		return v, nil
	case "round":
		return rounded(v, constant[int64](x.Args[1])), nil
	case "least", "greatest":
		best := extreme(present(args), x.Fn == "greatest")
		return widened(best, elem), nil
	case "values":
		return v, nil
	default:
		return nil, cannot("the evaluator doesn't know %s", x.Fn)
	}
}

func zeroOf(v any) any {
	if _, ok := v.(time.Duration); ok {
		return time.Duration(0)
	}
	return int64(0)
}

func absolute(v any) any {
	if b, ok := v.(bool); ok {
		return integer(b)
	}
	return negated(v)
}

func (e *evaluator) apply(x *spec.Call, i int) (any, error) {
	outer := e.param
	defer func() { e.param = outer }()
	e.param = x.Args[0]
	return e.at(x.Args[1].(*spec.Lambda).Body, i)
}

// mapped is null for what isn't in the dictionary. Of two equal keys the later
// one counts, as in Python.
func (e *evaluator) mapped(x *spec.Call, i int) (any, error) {
	v, err := e.at(x.Args[0], i)
	if err != nil {
		return nil, err
	}
	dict := x.Args[1].(*spec.Dict)
	var found any
	for j, key := range dict.Keys {
		k, err := e.at(key, i)
		if err != nil {
			return nil, err
		}
		if compared(spec.Eq, v, k) {
			if found, err = e.at(dict.Values[j], i); err != nil {
				return nil, err
			}
		}
	}
	return widened(found, dict.Type().Elem), nil
}

func (e *evaluator) in(x *spec.Binary, i int) (bool, error) {
	v, err := e.at(x.X, i)
	if err != nil {
		return false, err
	}
	if x.Y.Type().Kind != spec.Scalar {
		return e.among(v, x.X.Type().Elem, x.Y, i)
	}
	text, err := e.at(x.Y, i)
	whole, ok := text.(string)
	part, ok2 := v.(string)
	return ok && ok2 && strings.Contains(whole, part), err
}

// among reports whether v is one of the values. Unlike in comparisons, null is
// among values that contain null, as in pandas.
func (e *evaluator) among(v any, elem spec.Elem, values spec.Expr, i int) (bool, error) {
	var all []any
	list, ok := values.(*spec.List)
	if ok {
		for _, item := range list.Items {
			w, err := e.at(item, i)
			if err != nil {
				return false, err
			}
			all = append(all, w)
		}
	} else {
		var err error
		if all, err = e.remembered(values); err != nil {
			return false, err
		}
	}
	// Like numpy, integers that meet a column of decimals become decimals.
	decimals := elem == spec.FloatElem || values.Type().Elem == spec.FloatElem
	return slices.ContainsFunc(all, func(w any) bool {
		if v == nil || w == nil {
			return v == nil && w == nil
		}
		if a, ok := float(v); ok && decimals {
			b, ok := float(w)
			return ok && a == b
		}
		return compared(spec.Eq, v, w)
	}), nil
}

// remembered is all elements of x, which depends on no lambda's parameter.
func (e *evaluator) remembered(x spec.Expr) ([]any, error) {
	if values, ok := e.known[x]; ok {
		return values, nil
	}
	values, err := e.all(x)
	if err == nil {
		e.known[x] = values
	}
	return values, err
}

// lookup is the element of a Keyed with that key: the first one, or null.
func (e *evaluator) lookup(x spec.Expr, key any) (any, error) {
	names, err := e.keys(x)
	if err != nil || key == nil {
		return nil, err
	}
	at := slices.IndexFunc(names, func(name any) bool { return name != nil && identity(name) == identity(key) })
	if at < 0 {
		return nil, nil
	}
	return e.at(x, at)
}

// keys are those of a Keyed, in order.
func (e *evaluator) keys(x spec.Expr) ([]any, error) {
	switch x := x.(type) {
	case *spec.Index:
		return e.remembered(x.Key)
	case *spec.Unary:
		return e.keys(x.X)
	case *spec.Binary:
		if x.X.Type().Kind == spec.Keyed {
			return e.keys(x.X)
		}
		return e.keys(x.Y)
	case *spec.Call:
		if !elementwise(x) {
			groups, err := e.groups(x)
			names := make([]any, len(groups))
			for i, g := range groups {
				names[i] = g.key
			}
			return names, err
		}
		return e.keys(x.Args[0])
	}
	return nil, cannot("%T has no keys", x)
}
