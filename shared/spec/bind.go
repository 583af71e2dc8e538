package spec

import "strings"

// bind puts arguments in the order of the signature and checks each of them. x is
// the receiver; when nil, the first argument takes its place.
func (c *checker) bind(pos Pos, name string, s *signature, x Expr, args []treeArg) Expr {
	if x == nil && s.takes != 0 {
		if len(args) == 0 || args[0].name != "" {
			return c.fail(ruleErrorf(pos, CodeRuleArgument, "%s got no argument", name).expecting("%s(value)", name))
		}
		if x = c.value(args[0].x); x == nil {
			return nil
		}
		args = args[1:]
	}
	slots, ok := c.slots(pos, name, s, args)
	if !ok {
		return nil
	}
	call := &Call{node: node{pos: pos}, Fn: s.fn}
	if x != nil {
		if !c.fits(x, s.takes, name, pos) {
			return nil
		}
		call.Args = append(call.Args, x)
	}
	for i, slot := range slots {
		arg := c.argument(pos, name, s.params[i], slot, x)
		if arg == nil {
			return nil
		}
		call.Args = append(call.Args, arg)
	}
	return c.finish(call, s)
}

// slots returns the tree given for each parameter, nil where the default stands in.
func (c *checker) slots(pos Pos, name string, s *signature, args []treeArg) ([]tree, bool) {
	slots := make([]tree, len(s.params))
	for i, arg := range args {
		at := i
		if arg.name != "" {
			at = paramIndex(s, arg.name)
		}
		switch {
		case at < 0:
			e := ruleErrorf(arg.x.at(), CodeRuleArgument, "%s has no argument %s", name, arg.name)
			c.fail(e.expecting("%s", usage(name, s)))
			return nil, false
		case at >= len(slots):
			c.fail(ruleErrorf(arg.x.at(), CodeRuleArgument, "%s got too many arguments", name).expecting("%s", usage(name, s)))
			return nil, false
		case slots[at] != nil:
			c.fail(ruleErrorf(arg.x.at(), CodeRuleArgument, "%s got the argument %s twice", name, s.params[at].name).expecting("it once"))
			return nil, false
		}
		slots[at] = arg.x
	}
	for i, slot := range slots {
		if _, required := s.params[i].fallback.(needed); required && slot == nil {
			c.fail(ruleErrorf(pos, CodeRuleArgument, "%s lacks the argument %s", name, s.params[i].name).expecting("%s", usage(name, s)))
			return nil, false
		}
	}
	return slots, true
}

func paramIndex(s *signature, name string) int {
	for i, p := range s.params {
		if p.name == name {
			return i
		}
	}
	return -1
}

// usage reads like "between(left, right, inclusive=…)".
func usage(name string, s *signature) string {
	var b strings.Builder
	b.WriteString(name + "(")
	for i, p := range s.params {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.name)
		if _, required := p.fallback.(needed); !required {
			b.WriteString("=…")
		}
	}
	b.WriteString(")")
	return b.String()
}

// argument checks one argument; x is the receiver, for the types that follow from it.
func (c *checker) argument(pos Pos, name string, p param, t tree, x Expr) Expr {
	if t == nil {
		if p.want == wantNames {
			return c.allColumns(pos, x)
		}
		return literal(pos, p.fallback)
	}
	switch p.want {
	case wantLambda:
		given := Type{Kind: Scalar, Elem: x.Type().Elem}
		if x.Type().Kind == Frame {
			given = Type{Kind: Record, Catalog: x.Type().Catalog}
		}
		return c.lambda(t, given)
	case wantDict:
		return c.dictArgument(t, name)
	case wantNames:
		return c.columnNames(t, x)
	case wantValues:
		return c.values(t, name, x)
	case constText, constInt, constBool, constAny:
		return c.constant(t, name, p)
	}
	arg := c.value(t)
	if arg == nil || !c.fits(arg, p.want, name+"'s "+p.name, t.at()) {
		return nil
	}
	if x != nil && p.want == wantValue {
		arg = harmonise(arg, x)
		if !comparableTypes(x.Type().Elem, arg.Type().Elem) {
			return c.fail(ruleErrorf(t.at(), CodeRuleType, "%s of %s got %s", name, x.Type(), arg.Type()).
				expecting("%s", x.Type().Elem).advise("%s", conversionAdvice(x.Type().Elem, arg.Type().Elem)))
		}
	}
	return arg
}

func (c *checker) dictArgument(t tree, name string) Expr {
	dict, ok := t.(*treeDict)
	if !ok {
		return c.fail(ruleErrorf(t.at(), CodeRuleArgument, "%s got something else than a dictionary", name).
			expecting("{'from': 'to', …}"))
	}
	return c.dict(dict)
}

// values checks what isin looks in.
func (c *checker) values(t tree, name string, x Expr) Expr {
	y := c.container(t)
	if y == nil {
		return nil
	}
	if y.Type().Kind == Scalar {
		return c.fail(ruleErrorf(t.at(), CodeRuleArgument, "%s got %s", name, y.Type()).expecting("a list or a column").
			advise("put a single value in brackets"))
	}
	if x == nil {
		return y
	}
	y = harmonise(y, x)
	if !comparableTypes(x.Type().Elem, y.Type().Elem) {
		c.warnNeverEqual(t.at(), x.Type(), y.Type())
	}
	return y
}

// container checks what may hold several values: a list as well as a column.
func (c *checker) container(t tree) Expr {
	if list, ok := t.(*treeList); ok {
		return c.list(list)
	}
	return c.value(t)
}

// constant checks an argument that has to be known before any row is read.
func (c *checker) constant(t tree, name string, p param) Expr {
	x := c.value(t)
	if x == nil {
		return nil
	}
	lit, ok := x.(*Literal)
	var fits bool
	if ok {
		switch lit.Value.(type) {
		case nil:
			_, required := p.fallback.(needed)
			fits = !required
		case string:
			fits = p.want == constText || p.want == constAny
		case int64:
			fits = p.want == constInt || p.want == constAny
		case bool:
			fits = p.want == constBool || p.want == constAny
		default:
			fits = p.want == constAny
		}
	}
	if fits {
		return lit
	}
	expected := map[want]string{constText: "a text", constInt: "an integer", constBool: "True or False", constAny: "a constant"}[p.want]
	return c.fail(ruleErrorf(t.at(), CodeRuleArgument, "%s's %s is not a constant of its type", name, p.name).expecting("%s", expected))
}

// fits reports whether x may be the first argument of a function, and notes it when not.
func (c *checker) fits(x Expr, w want, name string, pos Pos) bool {
	typ := x.Type()
	var ok bool
	var expected, hint string
	switch w {
	case wantValue:
		ok = true // c.value saw to it
	case wantScalar:
		ok, expected = typ.Kind == Scalar, "one value"
	case wantColumn:
		ok, expected = typ.Kind.columnar(), "a column"
	case wantRows:
		ok, expected = typ.Kind == Series, "a column with rows"
	case wantNumber:
		ok, expected, hint = typ.Elem.numeric() || typ.Elem == SpanElem, "numbers", ".astype(float) converts text"
	case wantText:
		ok, expected, hint = typ.Elem == TextElem, "text", ".astype(str) converts to text"
	case wantTime:
		ok, expected, hint = typ.Elem == TimeElem, "dates", "pd.to_datetime(…) converts text"
	case wantSpan:
		ok, expected, hint = typ.Elem == SpanElem, "a difference of dates", "subtract two dates first"
	case wantBool:
		ok, expected = typ.Elem == BoolElem, "true or false"
	case wantTable:
		_, ok = x.(*Table)
		expected = "all rows of a table"
	case wantGroup:
		ok = true
	}
	if ok || typ.Elem == Unknown && w >= wantNumber && w <= wantBool {
		return true
	}
	e := ruleErrorf(pos, CodeRuleType, "%s got a %s", name, typ).expecting("%s", expected)
	if hint != "" {
		e = e.advise("%s", hint)
	}
	c.fail(e)
	return false
}
