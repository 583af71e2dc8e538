package spec

import (
	"maps"
	"slices"
	"strings"
)

// call checks f(…), x.method(…), x.str.method(…) and the like.
func (c *checker) call(t *treeCall) Expr {
	switch fn := t.fn.(type) {
	case *treeName:
		return c.builtin(t, fn.name, fn.pos)
	case *treeAttr:
		if path := dotted(fn); path != "" {
			return c.builtin(t, path, fn.pos)
		}
		return c.method(t, fn)
	default:
		return c.fail(ruleErrorf(t.pos, CodeRuleUnsupported, "what is called is neither a function nor a method").
			expecting("a name before the parenthesis"))
	}
}

// dotted returns "pd.Timestamp.now" for such a chain, "" for any other.
func dotted(t tree) string {
	switch t := t.(type) {
	case *treeName:
		if t.name == "pd" || t.name == "np" {
			return t.name
		}
	case *treeAttr:
		if path := dotted(t.x); path != "" {
			return path + "." + t.name
		}
	}
	return ""
}

// attribute checks x.name without parentheses.
func (c *checker) attribute(t *treeAttr) Expr {
	if path := dotted(t); path != "" {
		if path == "np.nan" || path == "pd.NA" || path == "pd.NaT" {
			return literal(t.pos, nil)
		}
		if functions[path] != nil {
			return c.fail(ruleErrorf(t.pos, CodeRuleSyntax, "the function %s is not called", path).expecting("%s(…)", path))
		}
		return c.unknownFunction(t.pos, path)
	}
	return c.method(nil, t)
}

// method checks a method call, or an attribute when call is nil.
func (c *checker) method(call *treeCall, t *treeAttr) Expr {
	if accessor, ok := t.x.(*treeAttr); ok && (accessor.name == "str" || accessor.name == "dt") {
		x := c.value(accessor.x)
		if x == nil {
			return nil
		}
		table := strMethods
		if accessor.name == "dt" {
			table = dtMethods
		}
		return c.invoke(call, t, table, x)
	}
	x := c.expr(t.x)
	if x == nil {
		return nil
	}
	switch x.Type().Kind {
	case Frame:
		return c.tableMethod(call, t, x)
	case Grouped:
		return c.invoke(call, t, groupMethods, x)
	case Scalar:
		return c.scalarMethod(call, t, x)
	case Series, Array, Keyed:
		return c.columnMethod(call, t, x)
	case Record:
		return c.unknownMethod(t, x, nil, "a row has no methods; its values are %s['column']", x.(*Param).Name)
	case Tables:
		return c.unknownMethod(t, x, nil, "choose a catalog first: df['catalog']")
	default:
		return c.unknownMethod(t, x, nil, "a %s has no methods", x.Type().Kind)
	}
}

// scalarMethod looks among Python's own methods: what .str and .dt do to columns
// they do to a value.
func (c *checker) scalarMethod(call *treeCall, t *treeAttr, x Expr) Expr {
	elem := x.Type().Elem
	if s := strMethods[t.name]; s != nil && (elem == TextElem || elem == Unknown) && methods[t.name] == nil || elem == TextElem && t.name == "count" {
		return c.invoke(call, t, strMethods, x)
	}
	if dtMethods[t.name] != nil && (elem == TimeElem || elem == SpanElem || elem == Unknown) {
		if t.name == "weekday" && call != nil {
			call = nil // a method of a Timestamp, an attribute of .dt
		}
		return c.invoke(call, t, dtMethods, x)
	}
	return c.columnMethod(call, t, x)
}

// columnMethod checks the methods of anything with elements.
func (c *checker) columnMethod(call *treeCall, t *treeAttr, x Expr) Expr {
	switch t.name {
	case "astype":
		if call != nil {
			return c.astype(call, x)
		}
	case "values":
		if call == nil {
			return c.bare(t.pos, x)
		}
	case "to_numpy", "tolist", "to_list", "copy":
		if call != nil && len(call.args) == 0 {
			return c.bare(t.pos, x)
		}
	case "groupby":
		if call != nil {
			return c.groupColumn(call, x)
		}
	case "str", "dt", "loc", "iloc":
		return c.fail(ruleErrorf(t.pos, CodeRuleSyntax, "nothing follows .%s", t.name).expecting("a method, such as .str.len()"))
	}
	if op, ok := operatorMethods[t.name]; ok && call != nil {
		return c.operatorMethod(call, t, op, x)
	}
	return c.invoke(call, t, methods, x)
}

func (c *checker) operatorMethod(call *treeCall, t *treeAttr, op Op, x Expr) Expr {
	if len(call.args) != 1 || call.args[0].name != "" {
		return c.fail(ruleErrorf(call.pos, CodeRuleArgument, "%s got %d arguments", t.name, len(call.args)).
			expecting("one").advise("or write the operator %s", op))
	}
	y := c.value(call.args[0].x)
	switch {
	case y == nil:
		return nil
	case op >= Eq:
		return c.compare(t.pos, op, x, y)
	default:
		return c.arithmetic(t.pos, op, x, y)
	}
}

// bare drops the labels of a column: rows stay rows, keys are lost.
func (c *checker) bare(pos Pos, x Expr) Expr {
	if x.Type().Kind != Keyed {
		return x
	}
	return &Call{node: node{pos, Type{Kind: Array, Elem: x.Type().Elem}}, Fn: "values", Args: []Expr{x}}
}

// invoke looks a method up and checks its arguments.
func (c *checker) invoke(call *treeCall, t *treeAttr, table map[string]*signature, x Expr) Expr {
	s := table[t.name]
	switch {
	case s == nil:
		return c.unknownMethod(t, x, table, "")
	case s.attr && call != nil:
		return c.fail(ruleErrorf(call.pos, CodeRuleSyntax, "%s is called", t.name).expecting("it without parentheses"))
	case !s.attr && call == nil:
		return c.fail(ruleErrorf(t.pos, CodeRuleSyntax, "%s is not called", t.name).expecting("%s(…)", t.name))
	}
	var args []treeArg
	if call != nil {
		args = call.args
	}
	return c.bind(t.pos, t.name, s, x, args)
}

// unknownMethod reports a method that x doesn't have. hint says why, or else the
// nearest of the table is offered.
func (c *checker) unknownMethod(t *treeAttr, x Expr, table map[string]*signature, hint string, args ...any) Expr {
	e := ruleErrorf(t.pos, CodeRuleMethod, "a %s has no method %s", x.Type(), t.name)
	if strings.HasPrefix(t.name, "__") {
		return c.fail(e.expecting("a method of the rule language"))
	}
	if hint != "" {
		return c.fail(e.advise(hint, args...))
	}
	if near := nearest(t.name, slices.Sorted(maps.Keys(table))); near != "" {
		return c.fail(e.expecting(".%s", near))
	}
	switch {
	case strMethods[t.name] != nil:
		return c.fail(e.expecting(".str.%s", t.name))
	case dtMethods[t.name] != nil:
		return c.fail(e.expecting(".dt.%s", t.name))
	}
	return c.fail(e.expecting("one of %s", strings.Join(slices.Sorted(maps.Keys(table)), ", ")))
}

func (c *checker) unknownFunction(pos Pos, name string) Expr {
	e := ruleErrorf(pos, CodeRuleFunction, "the function %s is not known", name)
	if strings.HasPrefix(name, "__") || name == "eval" || name == "exec" || name == "open" {
		return c.fail(e.advise("rules can't run programs"))
	}
	if near := nearest(name, functionNames); near != "" {
		return c.fail(e.expecting("%s", near))
	}
	return c.fail(e.expecting("one of %s", strings.Join(functionNames, ", ")))
}

// special are the functions that builtin checks by hand.
var special = []string{"len", "min", "max", "str", "int", "float", "bool", "np.where"}

// functionNames are all names that can be called, sorted.
var functionNames = slices.Sorted(slices.Values(slices.Concat(slices.Collect(maps.Keys(functions)), special)))
