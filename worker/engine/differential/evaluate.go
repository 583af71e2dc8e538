package differential

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/sagefleet/sagefleet/shared/spec"
)

// Answer is what a rule says of the rows it sees.
type Answer struct {
	Scalar bool   // one answer for all rows: Pass has one element
	Pass   []bool // null has become false
}

// errRule is a rule that can't be evaluated on its rows.
var errRule = errors.New("the rule can't be evaluated")

func cannot(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errRule, fmt.Sprintf(format, args...))
}

// Evaluate answers a checked expression over tables by the id of their catalog.
// Any error means that the rule is one rule error.
func Evaluate(x spec.Expr, tables map[string]*Table) (Answer, error) {
	e := &evaluator{tables: tables, known: map[spec.Expr][]any{}}
	values, err := e.all(x)
	if err != nil {
		return Answer{}, err
	}
	answer := Answer{Scalar: x.Type().Kind == spec.Scalar}
	for _, v := range values {
		answer.Pass = append(answer.Pass, truth(v))
	}
	return answer, nil
}

// evaluator answers expressions at one position at a time: a row of a Series, a
// place in an Array, a key of a Keyed. Only what depends on several rows asks for
// all positions, and is then remembered.
type evaluator struct {
	tables map[string]*Table
	known  map[spec.Expr][]any
	param  spec.Expr // what the parameter of the lambda around is an element of
}

// all returns the elements of x, or the single value of a scalar.
func (e *evaluator) all(x spec.Expr) ([]any, error) {
	n, err := e.length(x)
	if err != nil {
		return nil, err
	}
	values := make([]any, n)
	for i := range values {
		if values[i], err = e.at(x, i); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// length is the number of elements of x, 1 for a scalar.
func (e *evaluator) length(x spec.Expr) (int, error) {
	if x.Type().Kind == spec.Scalar {
		return 1, nil
	}
	switch x := x.(type) {
	case *spec.Column:
		return len(e.tables[x.Catalog].Rows), nil
	case *spec.Index:
		return len(e.tables[x.Value.Catalog].Rows), nil
	case *spec.Unary:
		return e.length(x.X)
	case *spec.Binary:
		if x.X.Type().Kind == spec.Keyed && x.Y.Type().Kind == spec.Keyed {
			return e.length(x.X) // Y is looked up by the keys of X
		}
		return e.common(x.X, x.Y)
	case *spec.Cond:
		return e.common(x.Test, x.Then, x.Else)
	case *spec.Call:
		if x.Fn == "table.apply" {
			return len(e.tables[x.Args[0].Type().Catalog].Rows), nil
		}
		if elementwise(x) {
			return e.common(operands(x)...)
		}
		values, err := e.whole(x)
		return len(values), err
	}
	return 0, cannot("%T has no length", x)
}

// common is the length of what goes together position by position.
func (e *evaluator) common(xs ...spec.Expr) (int, error) {
	length := -1
	for _, x := range xs {
		if x.Type().Kind == spec.Scalar || x.Type().Kind == spec.ListOf {
			continue
		}
		n, err := e.length(x)
		if err != nil {
			return 0, err
		}
		if length >= 0 && n != length {
			return 0, cannot("%d rows meet %d", length, n)
		}
		length = n
	}
	return max(length, 0), nil
}

// at is the element of x at position i; a scalar has the same one at all.
func (e *evaluator) at(x spec.Expr, i int) (any, error) {
	switch x := x.(type) {
	case *spec.Literal:
		return x.Value, nil
	case *spec.Column:
		return e.tables[x.Catalog].Rows[i][x.Index], nil
	case *spec.Cell:
		return e.at(x.Column, i)
	case *spec.Param:
		return e.at(e.param, i)
	case *spec.Index:
		return e.at(x.Value, i)
	case *spec.Unary:
		return e.unary(x, i)
	case *spec.Binary:
		return e.binary(x, i)
	case *spec.Cond:
		return e.cond(x, i)
	case *spec.Call:
		if elementwise(x) {
			return e.element(x, i)
		}
		values, err := e.whole(x)
		if err != nil {
			return nil, err
		}
		if x.Type().Kind == spec.Scalar {
			i = 0
		}
		return values[i], nil
	}
	return nil, cannot("%T has no value", x)
}

func (e *evaluator) unary(x *spec.Unary, i int) (any, error) {
	v, err := e.at(x.X, i)
	if err != nil {
		return nil, err
	}
	if x.Op == spec.Not {
		// ~null is false: pandas has no answer for it in an object column.
		return v != nil && !truth(v), nil
	}
	return negated(v), nil
}

func (e *evaluator) binary(x *spec.Binary, i int) (any, error) {
	switch x.Op {
	case spec.And, spec.Or:
		return e.logic(x, i)
	case spec.In, spec.NotIn:
		found, err := e.in(x, i)
		return found == (x.Op == spec.In), err
	}
	a, err := e.at(x.X, i)
	if err != nil {
		return nil, err
	}
	b, err := e.beside(x, i)
	if err != nil {
		return nil, err
	}
	if x.Op >= spec.Eq {
		return compared(x.Op, a, b), nil
	}
	return arithmetic(x.Op, a, b)
}

// beside is the element of Y that goes with position i of X: by key when both
// have keys. Of a key that is there twice the first one counts, and what isn't
// there is null.
func (e *evaluator) beside(x *spec.Binary, i int) (any, error) {
	if x.X.Type().Kind != spec.Keyed || x.Y.Type().Kind != spec.Keyed {
		return e.at(x.Y, i)
	}
	own, err := e.keys(x.X)
	if err != nil {
		return nil, err
	}
	return e.lookup(x.Y, own[i])
}

// logic takes the right side only where the left one leaves the question open,
// also for & and |, on which pandas would fail.
func (e *evaluator) logic(x *spec.Binary, i int) (any, error) {
	a, err := e.at(x.X, i)
	if err != nil || truth(a) == (x.Op == spec.Or) {
		return truth(a), err
	}
	b, err := e.beside(x, i)
	return truth(b), err
}

func (e *evaluator) cond(x *spec.Cond, i int) (any, error) {
	test, err := e.at(x.Test, i)
	if err != nil {
		return nil, err
	}
	branch := x.Else
	if truth(test) {
		branch = x.Then
	}
	v, err := e.at(branch, i)
	return widened(v, x.Type().Elem), err
}

// truth is Python's, but for null and NaN, which aren't true.
func truth(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case time.Duration:
		return v != 0
	case time.Time:
		return true
	default:
		return false
	}
}

// widened gives v the type that it shares a column with.
func widened(v any, elem spec.Elem) any {
	switch elem {
	case spec.FloatElem:
		if f, ok := float(v); ok {
			return boxed(f)
		}
	case spec.IntElem:
		if b, ok := v.(bool); ok {
			return integer(b)
		}
	}
	return v
}

// boxed is a float as a cell: NaN is null.
func boxed(f float64) any {
	if math.IsNaN(f) {
		return nil
	}
	return f
}
