package spec

// tree is an expression as it was written, before names mean anything.
type tree interface{ at() Pos }

type (
	treeBase struct{ pos Pos }

	treeLiteral struct {
		treeBase
		value any
	}
	treeName struct {
		treeBase
		name string
	}
	treeAttr struct { // x.name; pos is that of the name
		treeBase
		x    tree
		name string
	}
	treeCall struct {
		treeBase
		fn   tree
		args []treeArg
	}
	treeArg struct {
		name string // of a keyword argument
		x    tree
	}
	treeSubscript struct { // x[keys]; several keys are a tuple; pos is that of x
		treeBase
		x    tree
		keys []tree
	}
	treeSlice struct { // a missing bound is nil
		treeBase
		lo, hi tree
	}
	treeUnary struct {
		treeBase
		op string
		x  tree
	}
	treeBinary struct {
		treeBase
		op   string
		x, y tree
	}
	treeChain struct { // a < b <= c
		treeBase
		operands []tree
		ops      []token
	}
	treeCond struct {
		treeBase
		test, then, other tree
	}
	treeLambda struct {
		treeBase
		params []string
		body   tree
	}
	treeList struct {
		treeBase
		items []tree
	}
	treeDict struct {
		treeBase
		keys, values []tree
	}
)

func (b treeBase) at() Pos { return b.pos }

// parser is a Pratt parser: [parser.binary] climbs the table of powers below.
type parser struct {
	lex   lexer
	tok   token
	nodes int
	depth int
	err   *ruleError // the first; afterwards every token is the end
}

// powers of the binary operators, from Python's reference. Comparison, 40, chains
// instead of nesting; not, 30, and the signs, 110, are prefixes.
var powers = map[string]int{
	"or": 10, "and": 20,
	"in": powerCompare, "not": powerCompare, "is": powerCompare, "==": powerCompare, "!=": powerCompare,
	"<": powerCompare, "<=": powerCompare, ">": powerCompare, ">=": powerCompare,
	"|": 50, "&": 70, "+": 90, "-": 90, "*": 100, "/": 100, "//": 100, "%": 100, "**": 120,
}

const (
	powerNot     = 30
	powerCompare = 40
	powerSign    = 110
	powerPower   = 120
)

// parseRule returns the tree of an expression.
func parseRule(src string) (tree, *ruleError) {
	if len(src) > maxRuleBytes {
		return nil, ruleErrorf(0, CodeRuleTooLarge, "the rule has %d bytes", len(src)).expecting("at most %d", maxRuleBytes)
	}
	p := &parser{lex: lexer{src: src}}
	p.advance()
	if p.err == nil && p.tok.kind == tokEnd {
		return nil, ruleErrorf(0, CodeRuleSyntax, "the rule is empty").expecting("an expression such as df['column'] > 0")
	}
	x := p.expression()
	if p.err == nil && p.tok.kind != tokEnd {
		p.unexpected("an operator or the end of the rule")
	}
	if p.err != nil {
		return nil, p.err
	}
	return x, nil
}

func (p *parser) fail(err *ruleError) {
	if p.err == nil {
		p.err = err
	}
	p.tok = token{kind: tokEnd, pos: p.tok.pos}
}

func (p *parser) unexpected(expected string) {
	e := ruleErrorf(p.tok.pos, CodeRuleSyntax, "unexpected %s", p.tok).expecting("%s", expected)
	switch p.tok.text {
	case "=":
		e = e.advise("comparison is written ==")
	case "^", "@", "<<", ">>", ":=", "for", "import", "yield", "await", "async", "def", "class", "return", "while":
		if p.tok.kind == tokOp {
			e = ruleErrorf(p.tok.pos, CodeRuleUnsupported, "%s is not part of the rule language", p.tok).expecting("%s", expected)
		}
	}
	p.fail(e)
}

func (p *parser) advance() {
	if p.err != nil {
		return
	}
	tok, err := p.lex.next()
	if err != nil {
		p.fail(err)
		return
	}
	p.tok = tok
}

func (p *parser) is(op string) bool { return p.tok.kind == tokOp && p.tok.text == op }

func (p *parser) accept(op string) bool {
	if !p.is(op) {
		return false
	}
	p.advance()
	return true
}

func (p *parser) expect(op string) {
	if !p.accept(op) {
		p.unexpected("'" + op + "'")
	}
}

// enter counts a node and a level; what it returns undoes the level.
func (p *parser) enter() func() {
	p.count()
	p.depth++
	if p.depth > maxRuleDepth {
		p.fail(ruleErrorf(p.tok.pos, CodeRuleTooLarge, "the rule nests too deep").expecting("at most %d levels", maxRuleDepth))
	}
	return func() { p.depth-- }
}

// count bounds what chains of operators and methods add: they nest the tree
// without nesting the parser.
func (p *parser) count() {
	if p.nodes++; p.nodes > maxRuleNodes {
		p.fail(ruleErrorf(p.tok.pos, CodeRuleTooLarge, "the rule has too many parts").expecting("at most %d", maxRuleNodes))
	}
}

// expression parses a lambda, a conditional expression or what they are made of.
func (p *parser) expression() tree {
	defer p.enter()()
	start := treeBase{p.tok.pos}
	if p.accept("lambda") {
		return p.lambda(start)
	}
	then := p.binary(0)
	if !p.accept("if") {
		return then
	}
	test := p.binary(0)
	p.expect("else")
	return &treeCond{start, test, then, p.expression()}
}

func (p *parser) lambda(start treeBase) tree {
	var params []string
	for p.tok.kind == tokName {
		params = append(params, p.tok.text)
		p.advance()
		if !p.accept(",") {
			break
		}
	}
	p.expect(":")
	return &treeLambda{start, params, p.expression()}
}

// binary parses operators whose power is greater than min.
func (p *parser) binary(min int) tree {
	defer p.enter()()
	x := p.prefix(min)
	for p.tok.kind == tokOp && p.err == nil {
		power := powers[p.tok.text]
		if power <= min {
			break
		}
		op := p.tok
		if power == powerCompare {
			x = p.chain(x)
			continue
		}
		p.count()
		p.advance()
		if power == powerPower {
			power = powerSign - 1 // associates to the right, and 2 ** -1 needs no parentheses
		}
		x = &treeBinary{treeBase{op.pos}, op.text, x, p.binary(power)}
	}
	return x
}

func (p *parser) prefix(min int) tree {
	op := p.tok
	switch {
	case min < powerCompare && p.accept("not"):
		return &treeUnary{treeBase{op.pos}, "not", p.binary(powerNot - 1)}
	case p.accept("-"), p.accept("~"), p.accept("+"):
		return &treeUnary{treeBase{op.pos}, op.text, p.binary(powerSign - 1)}
	default:
		return p.postfix(p.atom())
	}
}

// chain parses the comparisons that follow x.
func (p *parser) chain(x tree) tree {
	c := &treeChain{treeBase{p.tok.pos}, []tree{x}, nil}
	for p.tok.kind == tokOp && powers[p.tok.text] == powerCompare && p.err == nil {
		op := p.tok
		p.count()
		p.advance()
		switch {
		case op.text == "not":
			p.expect("in")
			op.text = "not in"
		case op.text == "is" && p.accept("not"):
			op.text = "is not"
		}
		c.ops = append(c.ops, op)
		c.operands = append(c.operands, p.binary(powerCompare))
	}
	return c
}
