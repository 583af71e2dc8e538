package spec

import (
	"fmt"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// Codes of what can be wrong with the meaning of an expression.
const (
	CodeRuleColumn   fault.Code = "RULE_UNKNOWN_COLUMN"
	CodeRuleCatalog  fault.Code = "RULE_UNKNOWN_CATALOG"
	CodeRuleName     fault.Code = "RULE_UNKNOWN_NAME"
	CodeRuleFunction fault.Code = "RULE_UNKNOWN_FUNCTION"
	CodeRuleMethod   fault.Code = "RULE_UNKNOWN_METHOD"
	CodeRuleArgument fault.Code = "RULE_ARGUMENT"
	CodeRuleType     fault.Code = "RULE_TYPE"
	CodeRuleRegex    fault.Code = "RULE_REGEX"
	CodeRuleRows     fault.Code = "RULE_ROWS"
	CodeRuleResult   fault.Code = "RULE_RESULT"
)

// Codes of warnings about expressions.
const (
	CodeRuleKeyword    fault.Code = "RULE_KEYWORD_ON_COLUMN"
	CodeRuleNeverEqual fault.Code = "RULE_NEVER_EQUAL"
	CodeRuleAlignment  fault.Code = "RULE_ALIGNMENT"
	CodeRuleNotBoolean fault.Code = "RULE_NOT_BOOLEAN"
)

// checker turns trees into expressions. Its methods return nil when what is wrong
// has been noted already, so that one mistake isn't reported twice.
type checker struct {
	scope    Scope
	catalogs []*Catalog
	param    *Param // of the lambda being checked, or nil
	errs     []*ruleError
	warnings []*ruleError
}

func (c *checker) fail(e *ruleError) Expr {
	c.errs = append(c.errs, e)
	return nil
}

func (c *checker) warn(e *ruleError) { c.warnings = append(c.warnings, e) }

// catalog returns the catalog of that id among those the rule can see, or nil.
func (c *checker) catalog(id string) *Catalog {
	for _, catalog := range c.catalogs {
		if catalog.ID == id {
			return catalog
		}
	}
	return nil
}

// Nodes that only live until something is done with them.
type (
	tables   struct{ node } // df of a package rule
	filtered struct {       // table[mask]
		node
		mask Expr
	}
)

// value checks t and sees to it that it is a scalar or has elements.
func (c *checker) value(t tree) Expr {
	x := c.expr(t)
	if x == nil {
		return nil
	}
	switch kind := x.Type().Kind; kind {
	case Scalar, Series, Array, Keyed:
		return x
	case Frame:
		return c.fail(ruleErrorf(x.Pos(), CodeRuleType, "a whole table is used as a value").
			expecting("one of its columns, such as df['column']"))
	case Tables:
		return c.fail(ruleErrorf(x.Pos(), CodeRuleType, "df is used as a value").
			expecting("a column of a catalog: df['catalog']['column']"))
	case Grouped:
		return c.fail(ruleErrorf(x.Pos(), CodeRuleType, "a group is used as a value").
			expecting("an aggregate, such as groupby('key')['column'].sum()"))
	case ListOf:
		return c.fail(ruleErrorf(x.Pos(), CodeRuleType, "a list is used as a value").
			expecting("one value").advise("to look for a value in a list, use .isin([…])"))
	default:
		return c.fail(ruleErrorf(x.Pos(), CodeRuleType, "a %s is used as a value", kind).expecting("one value or a column"))
	}
}

// expr checks any tree.
func (c *checker) expr(t tree) Expr {
	switch t := t.(type) {
	case *treeLiteral:
		return literal(t.pos, t.value)
	case *treeName:
		return c.name(t)
	case *treeAttr:
		return c.attribute(t)
	case *treeCall:
		return c.call(t)
	case *treeSubscript:
		return c.subscript(t)
	case *treeSlice:
		return c.fail(ruleErrorf(t.pos, CodeRuleUnsupported, "slices are only for texts").expecting("x[0:3] or .str[0:3]"))
	case *treeUnary:
		return c.unary(t)
	case *treeBinary:
		return c.binary(t)
	case *treeChain:
		return c.chain(t)
	case *treeCond:
		return c.cond(t)
	case *treeLambda:
		return c.fail(ruleErrorf(t.pos, CodeRuleUnsupported, "a lambda stands on its own").
			expecting("it as the argument of apply"))
	case *treeList:
		return c.list(t)
	case *treeDict:
		return c.dict(t)
	default:
		return c.fail(ruleErrorf(t.at(), CodeRuleUnsupported, "%T is not part of the rule language", t))
	}
}

func literal(pos Pos, value any) *Literal {
	elem := NullElem
	switch value.(type) {
	case string:
		elem = TextElem
	case int64:
		elem = IntElem
	case float64:
		elem = FloatElem
	case bool:
		elem = BoolElem
	}
	return &Literal{node{pos, Type{Kind: Scalar, Elem: elem}}, value}
}

func (c *checker) name(t *treeName) Expr {
	if c.param != nil && t.name == c.param.Name {
		return &Param{node{t.pos, c.param.typ}, t.name}
	}
	switch t.name {
	case "df":
		if c.scope == ScopePackage {
			return &tables{node{t.pos, Type{Kind: Tables}}}
		}
		return c.table(t.pos, c.catalogs[0])
	case "pd", "np":
		return c.fail(ruleErrorf(t.pos, CodeRuleType, "%s is used as a value", t.name).
			expecting("a function of it, such as pd.to_datetime(…)"))
	}
	e := ruleErrorf(t.pos, CodeRuleName, "the name %s is not known", t.name)
	names := []string{"df"}
	if c.param != nil {
		names = append(names, c.param.Name)
	}
	names = append(names, functionNames...)
	if near := nearest(t.name, names); near != "" {
		return c.fail(e.expecting("%s", near))
	}
	for _, catalog := range c.catalogs {
		if catalog.Field(t.name) >= 0 {
			return c.fail(e.expecting("df['%s']", t.name))
		}
	}
	return c.fail(e.expecting("df, a function, a number or a text in quotes").
		advise("if it stands for a value to be filled in, write the value"))
}

func (c *checker) table(pos Pos, catalog *Catalog) *Table {
	return &Table{node{pos, Type{Kind: Frame, Catalog: catalog.ID}}, catalog.ID}
}

func (c *checker) cond(t *treeCond) Expr {
	test, then, other := c.truth(t.test), c.value(t.then), c.value(t.other)
	if test == nil || then == nil || other == nil {
		return nil
	}
	if test.Type().Kind != Scalar {
		return c.fail(ruleErrorf(t.test.at(), CodeRuleType, "the condition is a %s", test.Type()).
			expecting("one truth value").advise("for a choice per row, use np.where(condition, a, b)"))
	}
	return c.choice(t.pos, test, then, other)
}

// choice makes a Cond of checked parts.
func (c *checker) choice(pos Pos, test, then, other Expr) Expr {
	elem, ok := unify(then.Type().Elem, other.Type().Elem)
	if !ok {
		return c.fail(ruleErrorf(pos, CodeRuleType, "one choice is %s, the other %s", then.Type(), other.Type()).
			expecting("the same type in both"))
	}
	typ, ok := c.join(pos, test, then, other)
	if !ok {
		return nil
	}
	typ.Elem = elem
	return &Cond{node{pos, typ}, test, then, other}
}

func (c *checker) list(t *treeList) Expr {
	items, elem := c.scalars(t.items, "lists")
	if items == nil && len(t.items) > 0 {
		return nil
	}
	return &List{node{t.pos, Type{Kind: ListOf, Elem: elem}}, items}
}

func (c *checker) dict(t *treeDict) Expr {
	keys, _ := c.scalars(t.keys, "dictionaries")
	values, elem := c.scalars(t.values, "dictionaries")
	if len(keys) != len(t.keys) || len(values) != len(t.values) {
		return nil
	}
	return &Dict{node{t.pos, Type{Kind: DictOf, Elem: elem}}, keys, values}
}

// scalars checks the parts of a list; nil when one of them is wrong. Mixed
// elements are Unknown together: isin(['1', 1]) is legal, if odd.
func (c *checker) scalars(trees []tree, where string) ([]Expr, Elem) {
	var items []Expr
	elem := NullElem
	for _, t := range trees {
		x := c.value(t)
		if x == nil {
			return nil, Unknown
		}
		if x.Type().Kind != Scalar {
			c.fail(ruleErrorf(x.Pos(), CodeRuleType, "a %s stands in one of the %s", x.Type(), where).expecting("single values"))
			return nil, Unknown
		}
		var ok bool
		if elem, ok = unify(elem, x.Type().Elem); !ok {
			elem = Unknown
		}
		items = append(items, x)
	}
	return items, elem
}

// lambda checks the argument of apply. given is the type of what it receives.
func (c *checker) lambda(t tree, given Type) Expr {
	fn, ok := t.(*treeLambda)
	switch {
	case !ok:
		return c.fail(ruleErrorf(t.at(), CodeRuleArgument, "apply got something else than a lambda").
			expecting("apply(lambda x: …)"))
	case c.param != nil:
		return c.fail(ruleErrorf(t.at(), CodeRuleUnsupported, "a lambda stands inside another").expecting("one lambda at a time"))
	case len(fn.params) != 1:
		return c.fail(ruleErrorf(fn.pos, CodeRuleArgument, "the lambda has %d parameters", len(fn.params)).expecting("one"))
	}
	c.param = &Param{node{fn.pos, given}, fn.params[0]}
	defer func() { c.param = nil }()
	body := c.value(fn.body)
	if body == nil {
		return nil
	}
	if body.Type().Kind != Scalar {
		return c.fail(ruleErrorf(fn.body.at(), CodeRuleType, "the lambda gives a %s", body.Type()).expecting("one value for each row"))
	}
	return &Lambda{node{fn.pos, Type{Kind: Func, Elem: body.Type().Elem}}, c.param, body}
}

// join returns the kind that operands have together, row by row or key by key.
func (c *checker) join(pos Pos, operands ...Expr) (Type, bool) {
	typ := Type{Kind: Scalar}
	for _, x := range operands {
		t := x.Type()
		switch {
		case t.Kind == Scalar:
		case typ.Kind == Scalar:
			typ = Type{Kind: t.Kind, Catalog: t.Catalog}
		case t.Kind != typ.Kind:
			c.fail(ruleErrorf(pos, CodeRuleRows, "a %s meets a %s", typ.Kind, t.Kind).
				expecting("values that go row by row together").advise("%s", alignAdvice(typ.Kind, t.Kind)))
			return Type{}, false
		case t.Catalog != typ.Catalog:
			c.warn(ruleErrorf(pos, CodeRuleAlignment, "columns of the catalogs %s and %s are combined row by row", label(typ), label(t)).
				expecting("columns of one catalog").advise("both must have the same number of rows; to look values up, use .isin(…) or set_index(…).loc[…]"))
			typ.Catalog = ""
		}
	}
	if c.param != nil && typ.Kind != Scalar {
		for _, x := range operands {
			if uses(x, c.param.Name) {
				c.fail(ruleErrorf(pos, CodeRuleUnsupported, "a lambda's value meets a whole column").
					expecting("values of the same row").advise("leave the lambda out: operators work row by row on columns"))
				return Type{}, false
			}
		}
	}
	return typ, true
}

func alignAdvice(a, b Kind) string {
	if a == Keyed || b == Keyed {
		return "use groupby(…)[…].transform('sum') for one value per row"
	}
	return "use .isin(…) to look for the values of one in the other"
}

func label(t Type) string {
	if t.Catalog == "" {
		return "(several)"
	}
	return fmt.Sprintf("%q", t.Catalog)
}

// unify returns the element type that can hold both.
func unify(a, b Elem) (Elem, bool) {
	switch {
	case a == b, b == NullElem:
		return a, true
	case a == NullElem:
		return b, true
	case a == Unknown || b == Unknown:
		return Unknown, true
	case a.numeric() && b.numeric():
		if a == FloatElem || b == FloatElem {
			return FloatElem, true
		}
		return IntElem, true
	default:
		return Unknown, false
	}
}
