package spec

var binaryOps = map[string]Op{
	"+": Add, "-": Sub, "*": Mul, "/": Div, "//": FloorDiv, "%": Mod, "**": Pow,
	"&": And, "|": Or, "and": And, "or": Or,
	"==": Eq, "!=": Ne, "<": Lt, "<=": Le, ">": Gt, ">=": Ge, "in": In, "not in": NotIn,
}

// operatorMethods are the operators that pandas also spells as methods.
var operatorMethods = map[string]Op{
	"add": Add, "sub": Sub, "mul": Mul, "div": Div, "truediv": Div, "floordiv": FloorDiv, "mod": Mod, "pow": Pow,
	"eq": Eq, "ne": Ne, "lt": Lt, "le": Le, "gt": Gt, "ge": Ge,
}

func (c *checker) unary(t *treeUnary) Expr {
	if t.op == "not" || t.op == "~" {
		return c.not(t)
	}
	x := c.value(t.x)
	if x == nil {
		return nil
	}
	elem := x.Type().Elem
	if !elem.numeric() && elem != SpanElem && elem != Unknown {
		return c.fail(ruleErrorf(t.pos, CodeRuleType, "%s has no sign", x.Type()).expecting("a number"))
	}
	if t.op == "+" {
		return x
	}
	if lit, ok := x.(*Literal); ok {
		switch v := lit.Value.(type) {
		case int64:
			return literal(t.pos, -v)
		case float64:
			return literal(t.pos, -v)
		}
	}
	typ := x.Type()
	if elem == BoolElem {
		typ.Elem = IntElem
	}
	return &Unary{node{t.pos, typ}, Neg, x}
}

func (c *checker) not(t *treeUnary) Expr {
	check := c.boolean
	if t.op == "not" {
		check = c.truth
	}
	x := check(t.x)
	if x == nil {
		return nil
	}
	if t.op == "not" && x.Type().Kind.columnar() {
		c.warnKeyword(t.pos, "not", "~")
	}
	return negate(t.pos, x)
}

func negate(pos Pos, x Expr) Expr {
	typ := x.Type()
	typ.Elem = BoolElem
	return &Unary{node{pos, typ}, Not, x}
}

func (c *checker) binary(t *treeBinary) Expr {
	switch t.op {
	case "and", "or", "&", "|":
		return c.logic(t)
	}
	x, y := c.value(t.x), c.value(t.y)
	if x == nil || y == nil {
		return nil
	}
	return c.arithmetic(t.pos, binaryOps[t.op], x, y)
}

// logic checks and, or, & and |. The words take the truth of scalars, as in
// Python; the signs want booleans, or the precedence of & would go unnoticed in
// df['a'] > 1 & df['b'] < 2.
func (c *checker) logic(t *treeBinary) Expr {
	word := t.op == "and" || t.op == "or"
	check := c.boolean
	if word {
		check = c.truth
	}
	x, y := check(t.x), check(t.y)
	if x == nil || y == nil {
		return nil
	}
	op := binaryOps[t.op]
	xt, yt := x.Type(), y.Type()
	switch apart := xt.Kind != yt.Kind || xt.Catalog != yt.Catalog; {
	case !word || !xt.Kind.columnar() || !yt.Kind.columnar():
	case op == And && apart && c.scope >= ScopeCatalog:
		// Columns of different catalogs don't go row by row, but the rule counts
		// once: what is meant is that all of both hold.
		c.warn(ruleErrorf(t.pos, CodeRuleKeyword, "'and' between columns of different catalogs asks that all values of both are true").
			expecting("(…).all() and (…).all()"))
		x, y = c.all(x), c.all(y)
	default:
		c.warnKeyword(t.pos, t.op, op.String())
	}
	typ, ok := c.join(t.pos, x, y)
	if !ok {
		return nil
	}
	typ.Elem = BoolElem
	return &Binary{node{t.pos, typ}, op, x, y}
}

func (c *checker) all(x Expr) Expr {
	return &Call{node: node{x.Pos(), Type{Kind: Scalar, Elem: BoolElem}}, Fn: "all", Args: []Expr{x}}
}

func (c *checker) warnKeyword(pos Pos, word, sign string) {
	c.warn(ruleErrorf(pos, CodeRuleKeyword, "'%s' between columns works row by row", word).
		expecting("'%s', with each comparison in parentheses", sign))
}

// boolean checks an operand that has to be true or false already.
func (c *checker) boolean(t tree) Expr {
	x := c.value(t)
	if x == nil {
		return nil
	}
	if elem := x.Type().Elem; elem != BoolElem && elem != Unknown {
		return c.fail(ruleErrorf(x.Pos(), CodeRuleType, "an operand of & | ~ is %s", x.Type()).
			expecting("true or false").advise("put each comparison in parentheses: (df['a'] > 1) & (df['b'] < 2)"))
	}
	return x
}

// truth checks an operand of a word, and turns scalars into true or false.
func (c *checker) truth(t tree) Expr {
	x := c.value(t)
	if x == nil {
		return nil
	}
	switch typ := x.Type(); {
	case typ.Elem == BoolElem, typ.Kind.columnar() && typ.Elem == Unknown:
		return x
	case typ.Kind == Scalar:
		return &Call{node: node{x.Pos(), Type{Kind: Scalar, Elem: BoolElem}}, Fn: "astype.bool", Args: []Expr{x}}
	default:
		return c.fail(ruleErrorf(x.Pos(), CodeRuleType, "the condition is a %s", typ).expecting("a comparison"))
	}
}

// arithmetic makes a Binary of checked operands with + - * / // % or **.
func (c *checker) arithmetic(pos Pos, op Op, x, y Expr) Expr {
	elem, ok := resultOf(op, x.Type().Elem, y.Type().Elem)
	if !ok {
		e := ruleErrorf(pos, CodeRuleType, "%s %s %s is not defined", x.Type(), op, y.Type()).expecting("numbers")
		if x.Type().Elem == TextElem || y.Type().Elem == TextElem {
			e = e.advise("convert text with .astype(float)")
		}
		return c.fail(e)
	}
	typ, ok := c.join(pos, x, y)
	if !ok {
		return nil
	}
	typ.Elem = elem
	return &Binary{node{pos, typ}, op, x, y}
}

// resultOf returns the element type of x op y.
func resultOf(op Op, x, y Elem) (Elem, bool) {
	switch {
	case x == Unknown || y == Unknown:
		return Unknown, true
	case x == NullElem || y == NullElem:
		return Unknown, false
	case x.numeric() && y.numeric():
		if op == Div || x == FloatElem || y == FloatElem || op == Pow {
			return FloatElem, true
		}
		return IntElem, true
	}
	type operands struct {
		op   Op
		x, y Elem
	}
	if y.numeric() && x == SpanElem && (op == Mul || op == Div) || x.numeric() && y == SpanElem && op == Mul {
		return SpanElem, true
	}
	elem, ok := map[operands]Elem{
		{Add, TextElem, TextElem}: TextElem,
		{Sub, TimeElem, TimeElem}: SpanElem,
		{Add, TimeElem, SpanElem}: TimeElem,
		{Add, SpanElem, TimeElem}: TimeElem,
		{Sub, TimeElem, SpanElem}: TimeElem,
		{Add, SpanElem, SpanElem}: SpanElem,
		{Sub, SpanElem, SpanElem}: SpanElem,
		{Div, SpanElem, SpanElem}: FloatElem,
	}[operands{op, x, y}]
	return elem, ok
}

// chain checks a < b < c, which is a < b and b < c.
func (c *checker) chain(t *treeChain) Expr {
	operands := make([]Expr, len(t.operands))
	for i, operand := range t.operands {
		if i > 0 && (t.ops[i-1].text == "in" || t.ops[i-1].text == "not in") {
			operands[i] = c.container(operand)
		} else {
			operands[i] = c.value(operand)
		}
	}
	var all Expr
	for i, op := range t.ops {
		x, y := operands[i], operands[i+1]
		if x == nil || y == nil {
			return nil
		}
		link := c.link(op, x, y)
		if link == nil {
			return nil
		}
		if all == nil {
			all = link
			continue
		}
		typ, ok := c.join(op.pos, all, link)
		if !ok {
			return nil
		}
		typ.Elem = BoolElem
		all = &Binary{node{op.pos, typ}, And, all, link}
	}
	return all
}

// link checks one comparison of a chain.
func (c *checker) link(op token, x, y Expr) Expr {
	switch op.text {
	case "is", "is not":
		return c.identity(op, x, y)
	case "in", "not in":
		return c.membership(op, x, y)
	default:
		return c.compare(op.pos, binaryOps[op.text], x, y)
	}
}

// compare makes a Binary of checked operands with == != < <= > or >=.
func (c *checker) compare(pos Pos, op Op, x, y Expr) Expr {
	x, y = harmonise(x, y), harmonise(y, x)
	a, b := x.Type(), y.Type()
	if !comparableTypes(a.Elem, b.Elem) {
		if op != Eq && op != Ne {
			return c.fail(ruleErrorf(pos, CodeRuleType, "%s and %s have no order", a, b).
				expecting("two numbers, two texts or two dates").advise("%s", conversionAdvice(a.Elem, b.Elem)))
		}
		c.warnNeverEqual(pos, a, b)
	}
	typ, ok := c.join(pos, x, y)
	if !ok {
		return nil
	}
	typ.Elem = BoolElem
	return &Binary{node{pos, typ}, op, x, y}
}

func (c *checker) warnNeverEqual(pos Pos, a, b Type) {
	c.warn(ruleErrorf(pos, CodeRuleNeverEqual, "%s is never equal to %s", a, b).
		expecting("values of one type").advise("%s", conversionAdvice(a.Elem, b.Elem)))
}

func comparableTypes(a, b Elem) bool {
	return a == b || a.numeric() && b.numeric() || a == Unknown || b == Unknown || a == NullElem || b == NullElem
}

func conversionAdvice(a, b Elem) string {
	if a == TimeElem || b == TimeElem {
		return "convert with pd.to_datetime(…)"
	}
	return "convert with .astype(float) or .astype(str)"
}

// harmonise turns constant texts into moments or durations when that is what
// they are compared with, as pandas does.
func harmonise(x, with Expr) Expr {
	if list, ok := x.(*List); ok && list.typ.Elem == TextElem && with.Type().Elem == TimeElem {
		items := make([]Expr, len(list.Items))
		for i, item := range list.Items {
			items[i] = harmonise(item, with)
		}
		return &List{node{list.pos, Type{Kind: ListOf, Elem: TimeElem}}, items}
	}
	if x.Type() != (Type{Kind: Scalar, Elem: TextElem}) {
		return x
	}
	switch with.Type().Elem {
	case TimeElem:
		return withDefaults(x.Pos(), conversions["date"], Type{Kind: Scalar, Elem: TimeElem}, x)
	case SpanElem:
		return withDefaults(x.Pos(), functions["pd.Timedelta"], Type{Kind: Scalar, Elem: SpanElem}, x)
	default:
		return x
	}
}

// identity checks `is`, which only makes sense with None, True and False.
func (c *checker) identity(op token, x, y Expr) Expr {
	lit, ok := y.(*Literal)
	if !ok || lit.typ.Elem != NullElem && lit.typ.Elem != BoolElem {
		return c.fail(ruleErrorf(op.pos, CodeRuleUnsupported, "'%s' compares with %s", op.text, y.Type()).
			expecting("None, True or False").advise("equality is written =="))
	}
	negative := op.text == "is not"
	if lit.Value != nil {
		if negative {
			return c.compare(op.pos, Ne, x, y)
		}
		return c.compare(op.pos, Eq, x, y)
	}
	fn := Fn("isna")
	if negative {
		fn = "notna"
	}
	typ := x.Type()
	typ.Elem = BoolElem
	return &Call{node: node{op.pos, typ}, Fn: fn, Args: []Expr{x}}
}

// membership checks `in` and `not in`.
func (c *checker) membership(op token, x, y Expr) Expr {
	if x.Type().Kind != Scalar {
		return c.fail(ruleErrorf(op.pos, CodeRuleType, "'%s' looks for a %s", op.text, x.Type()).
			expecting("one value").advise("for a column, use .isin(…)"))
	}
	yt := y.Type()
	if yt.Kind == Scalar && (yt.Elem != TextElem && yt.Elem != Unknown || !comparableTypes(x.Type().Elem, TextElem)) {
		return c.fail(ruleErrorf(op.pos, CodeRuleType, "%s %s %s is not defined", x.Type(), op.text, yt).
			expecting("a list, a column or a text"))
	}
	if yt.Kind != Scalar {
		y = harmonise(y, x)
		if yt = y.Type(); !comparableTypes(x.Type().Elem, yt.Elem) {
			c.warnNeverEqual(op.pos, x.Type(), yt)
		}
	}
	return &Binary{node{op.pos, Type{Kind: Scalar, Elem: BoolElem}}, binaryOps[op.text], x, y}
}
