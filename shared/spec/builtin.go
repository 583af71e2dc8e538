package spec

import (
	"slices"
	"strings"
)

// builtin checks a call of a function by its name. pos is that of the name.
func (c *checker) builtin(t *treeCall, name string, pos Pos) Expr {
	switch name {
	case "len":
		return c.length(t)
	case "min", "max":
		return c.extreme(t, name)
	case "str", "int", "float", "bool":
		return c.convert(t, name)
	case "np.where":
		return c.npWhere(t)
	case "pd.Timedelta":
		return c.timedelta(t, pos)
	}
	s := functions[name]
	if s == nil {
		return c.unknownFunction(pos, name)
	}
	return c.bind(pos, name, s, nil, t.args)
}

// plain reports whether a call has n arguments without names, and notes it when not.
func (c *checker) plain(t *treeCall, name string, n int) bool {
	named := slices.ContainsFunc(t.args, func(a treeArg) bool { return a.name != "" })
	if len(t.args) == n && !named {
		return true
	}
	c.fail(ruleErrorf(t.pos, CodeRuleArgument, "%s got %d arguments", name, len(t.args)).
		expecting("%d, without names", n))
	return false
}

// length checks len, of anything that has one.
func (c *checker) length(t *treeCall) Expr {
	if !c.plain(t, "len", 1) {
		return nil
	}
	arg := t.args[0].x
	var x Expr
	if list, ok := arg.(*treeList); ok {
		x = c.list(list)
	} else {
		x = c.expr(arg)
	}
	if x == nil {
		return nil
	}
	typ := x.Type()
	switch {
	case typ.Kind == Frame, typ.Kind.columnar():
		return c.count(t.pos, x)
	case typ.Kind == ListOf:
		return literal(t.pos, int64(len(x.(*List).Items)))
	case typ.Kind == Scalar && (typ.Elem == TextElem || typ.Elem == Unknown):
		return withDefaults(t.pos, strMethods["len"], Type{Kind: Scalar, Elem: IntElem}, x)
	default:
		return c.fail(ruleErrorf(arg.at(), CodeRuleType, "a %s has no length", typ).expecting("a table, a column or a text"))
	}
}

// count makes the number of rows or elements of x.
func (c *checker) count(pos Pos, x Expr) Expr {
	number := Type{Kind: Scalar, Elem: IntElem}
	switch x := x.(type) {
	case *filtered:
		return &Call{node: node{pos, number}, Fn: "sum", Args: []Expr{x.mask}}
	case *Index:
		if x.Value == nil {
			return &Call{node: node{pos, number}, Fn: "len", Args: []Expr{x.Key}}
		}
	}
	return &Call{node: node{pos, number}, Fn: "len", Args: []Expr{x}}
}

// extreme checks min and max: of a column, or of several values.
func (c *checker) extreme(t *treeCall, name string) Expr {
	if len(t.args) < 2 {
		return c.bind(t.pos, name, methods[name], nil, t.args)
	}
	if !c.plain(t, name, len(t.args)) {
		return nil
	}
	call := &Call{node: node{pos: t.pos, typ: Type{Kind: Scalar, Elem: NullElem}}, Fn: extremes[name].fn}
	for _, arg := range t.args {
		x := c.value(arg.x)
		if x == nil || !c.fits(x, wantScalar, name, arg.x.at()) {
			return nil
		}
		elem, ok := unify(call.typ.Elem, x.Type().Elem)
		if !ok {
			return c.fail(ruleErrorf(arg.x.at(), CodeRuleType, "%s compares %s with %s", name, call.typ.Elem, x.Type()).
				expecting("values of one type"))
		}
		call.typ.Elem = elem
		call.Args = append(call.Args, x)
	}
	return call
}

// convert checks str, int, float and bool, which Python defines for one value.
func (c *checker) convert(t *treeCall, name string) Expr {
	if !c.plain(t, name, 1) {
		return nil
	}
	x := c.value(t.args[0].x)
	if x == nil {
		return nil
	}
	if x.Type().Kind != Scalar {
		return c.fail(ruleErrorf(t.args[0].x.at(), CodeRuleType, "%s() takes one value and got a %s", name, x.Type()).
			expecting("column.astype(%s)", name))
	}
	return c.bind(t.pos, name, conversions[name], x, nil)
}

// astype checks x.astype(type), where the type is a name or a text.
func (c *checker) astype(t *treeCall, x Expr) Expr {
	if len(t.args) == 0 {
		return c.fail(ruleErrorf(t.pos, CodeRuleArgument, "astype got no type").expecting("astype(str), int, float or bool"))
	}
	arg := t.args[0].x
	var name string
	switch arg := arg.(type) {
	case *treeName:
		name = arg.name
	case *treeLiteral:
		name, _ = arg.value.(string)
	case *treeAttr:
		name = strings.TrimPrefix(dotted(arg), "np.")
	}
	family := strings.ToLower(strings.TrimRight(strings.TrimSuffix(name, "[ns]"), "0123456789_"))
	switch family {
	case "string", "object":
		family = "str"
	case "boolean":
		family = "bool"
	case "datetime":
		family = "date"
	}
	s := conversions[family]
	if s == nil || family == "date" && !strings.HasPrefix(name, "datetime") {
		return c.fail(ruleErrorf(arg.at(), CodeRuleArgument, "astype doesn't know the type %s", name).
			expecting("str, int, float or bool"))
	}
	if !c.plain(t, "astype", 1) {
		return nil
	}
	return c.bind(t.pos, "astype", s, x, nil)
}

// npWhere checks np.where(test, a, b), which is a conditional expression per row.
func (c *checker) npWhere(t *treeCall) Expr {
	if !c.plain(t, "np.where", 3) {
		return nil
	}
	test, then, other := c.boolean(t.args[0].x), c.value(t.args[1].x), c.value(t.args[2].x)
	if test == nil || then == nil || other == nil {
		return nil
	}
	return c.choice(t.pos, test, then, other)
}

// timedelta also takes the unit as the name of the argument: days=30.
func (c *checker) timedelta(t *treeCall, pos Pos) Expr {
	s := functions["pd.Timedelta"]
	args := t.args
	if len(args) == 1 && args[0].name != "" && args[0].name != "unit" {
		if !slices.Contains(timeUnits, args[0].name) {
			return c.fail(ruleErrorf(args[0].x.at(), CodeRuleArgument, "pd.Timedelta has no argument %s", args[0].name).
				expecting("one of %s", strings.Join(timeUnits, ", ")))
		}
		unit := &treeLiteral{treeBase{args[0].x.at()}, args[0].name}
		args = []treeArg{{x: args[0].x}, {x: unit}}
	}
	return c.bind(pos, "pd.Timedelta", s, nil, args)
}

// timeUnits are the keywords of pd.Timedelta.
var timeUnits = []string{"weeks", "days", "hours", "minutes", "seconds", "milliseconds", "microseconds"}
