package spec

import "slices"

// Walk calls visit for x and everything below it, parents first. It doesn't go
// below an expression for which visit returns false.
func Walk(x Expr, visit func(Expr) bool) {
	if x == nil || !visit(x) {
		return
	}
	for _, child := range children(x) {
		Walk(child, visit)
	}
}

func children(x Expr) []Expr {
	switch x := x.(type) {
	case *List:
		return x.Items
	case *Dict:
		return slices.Concat(x.Keys, x.Values)
	case *Cell:
		return []Expr{x.Param, x.Column}
	case *Unary:
		return []Expr{x.X}
	case *Binary:
		return []Expr{x.X, x.Y}
	case *Cond:
		return []Expr{x.Test, x.Then, x.Else}
	case *Lambda:
		return []Expr{x.Param, x.Body}
	case *Call:
		return x.Args
	case *Group:
		if x.Value == nil {
			return x.Keys
		}
		return append(slices.Clone(x.Keys), x.Value)
	case *Index:
		if x.Value == nil {
			return []Expr{x.Key}
		}
		return []Expr{x.Key, x.Value}
	case *filtered:
		return []Expr{x.mask}
	default:
		return nil
	}
}

// uses reports whether x depends on the lambda's parameter.
func uses(x Expr, param string) bool {
	found := false
	Walk(x, func(x Expr) bool {
		if p, ok := x.(*Param); ok && p.Name == param {
			found = true
		}
		return !found
	})
	return found
}
