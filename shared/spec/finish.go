package spec

// finish gives a call with checked arguments its type, and its pattern if it has one.
func (c *checker) finish(call *Call, s *signature) Expr {
	typ, ok := c.resultKind(call, s)
	if !ok {
		return nil
	}
	if typ.Elem, ok = c.resultElem(call, s); !ok {
		return nil
	}
	call.typ = typ
	if err := compilePattern(call); err != nil {
		return c.fail(err)
	}
	return call
}

func (c *checker) resultKind(call *Call, s *signature) (Type, bool) {
	if s.takes == 0 {
		return Type{Kind: Scalar}, true
	}
	first := call.Args[0]
	kind := first.Type().Kind
	if kind == Scalar && s.shape != each && s.takes != wantScalar {
		c.fail(ruleErrorf(call.pos, CodeRuleType, "%s got one value, %s", call.Fn, first.Type()).expecting("a column"))
		return Type{}, false
	}
	if c.param != nil && kind.columnar() && call.Fn != "lookup" {
		for _, arg := range call.Args {
			if uses(arg, c.param.Name) {
				c.fail(ruleErrorf(call.pos, CodeRuleUnsupported, "inside a lambda, a whole column is given the lambda's value").
					expecting("values of the same row"))
				return Type{}, false
			}
		}
	}
	switch s.shape {
	case one:
		return Type{Kind: Scalar}, true
	case some:
		return Type{Kind: Array}, true
	case keyed:
		return Type{Kind: Keyed}, true
	case rows:
		return Type{Kind: Series, Catalog: first.Type().Catalog}, true
	}
	operands := []Expr{first}
	switch call.Fn {
	case "isin": // what it looks in doesn't go row by row
	case "lookup":
		operands = call.Args[1:]
	default:
		for _, arg := range call.Args[1:] {
			if k := arg.Type().Kind; k == Scalar || k.columnar() {
				operands = append(operands, arg)
			}
		}
	}
	return c.join(call.pos, operands...)
}

func (c *checker) resultElem(call *Call, s *signature) (Elem, bool) {
	if s.takes == 0 {
		return s.elem, true
	}
	first := call.Args[0].Type().Elem
	switch call.Fn {
	case "map", "apply", "table.apply":
		return call.Args[1].Type().Elem, true
	case "fillna":
		return c.unified(call, first, call.Args[1])
	case "where":
		return c.unified(call, first, call.Args[2])
	case "sum", "cumsum", "abs", "group.sum":
		if first == BoolElem {
			return IntElem, true
		}
	case "diff":
		return c.difference(call, first)
	case "group.transform":
		return c.transform(call, first)
	}
	if s.elem == same {
		return first, true
	}
	return s.elem, true
}

func (c *checker) unified(call *Call, first Elem, other Expr) (Elem, bool) {
	elem, ok := unify(first, other.Type().Elem)
	if !ok {
		c.fail(ruleErrorf(other.Pos(), CodeRuleType, "%s of %s got %s", call.Fn, first, other.Type()).expecting("%s", first))
	}
	return elem, ok
}

func (c *checker) difference(call *Call, first Elem) (Elem, bool) {
	elem, ok := resultOf(Sub, first, first)
	if !ok {
		c.fail(ruleErrorf(call.pos, CodeRuleType, "diff got a column of %s", first).expecting("numbers or dates"))
	}
	return elem, ok
}

func (c *checker) transform(call *Call, first Elem) (Elem, bool) {
	lit := call.Args[1].(*Literal) // constText
	name, _ := lit.Value.(string)
	s := groupMethods[name]
	switch {
	case s == nil || name == "transform":
		e := ruleErrorf(lit.pos, CodeRuleArgument, "transform doesn't know %q", name).expecting("'sum', 'count', 'mean' or another aggregate")
		c.fail(e)
		return Unknown, false
	case !c.aggregable(call.pos, name, first):
		return Unknown, false
	case s.elem != same:
		return s.elem, true
	case name == "sum" && first == BoolElem:
		return IntElem, true
	default:
		return first, true
	}
}

// aggregable notes it when an aggregate of groups wants numbers and gets none.
func (c *checker) aggregable(pos Pos, name string, elem Elem) bool {
	switch name {
	case "sum", "mean", "median", "std":
		if !elem.numeric() && elem != SpanElem && elem != Unknown {
			c.fail(ruleErrorf(pos, CodeRuleType, "%s got a group of %s", name, elem).expecting("numbers"))
			return false
		}
	}
	return true
}

// withDefaults makes a call of x alone; the other arguments are the defaults.
func withDefaults(pos Pos, s *signature, typ Type, x Expr) *Call {
	call := &Call{node: node{pos, typ}, Fn: s.fn, Args: []Expr{x}}
	for _, p := range s.params {
		call.Args = append(call.Args, literal(pos, p.fallback))
	}
	return call
}
