package spec

import "unicode/utf8"

// Compile checks one expression against the catalogs that a rule of that scope
// sees: exactly one, except for ScopePackage. It returns a nil Expr when one of
// the issues is an error. Their places are those in the source, from line 1.
func Compile(source string, scope Scope, catalogs ...*Catalog) (Expr, Issues) {
	x, errs, warnings := compile(source, scope, catalogs)
	var issues Issues
	for _, e := range errs {
		line, column := lineColumn(source, int(e.pos))
		issues = append(issues, Issue{Error: e.Error.At("", line, column), Severity: Error})
	}
	for _, w := range warnings {
		line, column := lineColumn(source, int(w.pos))
		issues = append(issues, Issue{Error: w.Error.At("", line, column), Severity: Warning})
	}
	return x, issues
}

func compile(source string, scope Scope, catalogs []*Catalog) (x Expr, errs, warnings []*ruleError) {
	t, err := parseRule(source)
	if err != nil {
		return nil, []*ruleError{err}, nil
	}
	if len(catalogs) == 0 && scope != ScopePackage {
		catalogs = []*Catalog{{}} // df without columns
	}
	c := &checker{scope: scope, catalogs: catalogs}
	if x = c.value(t); x != nil {
		x = c.verdict(x)
	}
	if len(c.errs) > 0 {
		return nil, c.errs, c.warnings
	}
	return x, nil, c.warnings
}

// verdict sees to it that what a rule gives says which rows pass.
func (c *checker) verdict(x Expr) Expr {
	typ := x.Type()
	perRow := c.scope == ScopeField || c.scope == ScopeRow
	switch {
	case typ.Kind == Array && perRow, typ.Kind == Keyed && perRow:
		return c.fail(ruleErrorf(x.Pos(), CodeRuleRows, "the rule gives a %s, which has no value for each row", typ).
			expecting("a column of the catalog").advise("write it as a catalog rule, or use transform"))
	case typ.Elem == BoolElem, typ.Elem == Unknown:
		return x
	case typ.Kind == Scalar && typ.Elem != NullElem:
		c.warn(ruleErrorf(x.Pos(), CodeRuleNotBoolean, "the rule gives a value of type %s", typ).
			expecting("true or false").advise("as in Python, zero and the empty text count as false; write a comparison such as == 0"))
		return &Call{node: node{x.Pos(), Type{Kind: Scalar, Elem: BoolElem}}, Fn: "astype.bool", Args: []Expr{x}}
	default:
		return c.fail(ruleErrorf(x.Pos(), CodeRuleResult, "the rule gives a %s", typ).
			expecting("true or false for each row").advise("write a comparison, such as … > 0"))
	}
}

// lineColumn returns the 1-based line and column, in characters, of an offset.
func lineColumn(source string, offset int) (line, column int) {
	line, start := 1, 0
	offset = min(offset, len(source))
	for i := range offset {
		if source[i] == '\n' {
			line++
			start = i + 1
		}
	}
	return line, utf8.RuneCountInString(source[start:offset]) + 1
}
