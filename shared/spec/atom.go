package spec

// atom parses a name, a literal, or something in brackets.
func (p *parser) atom() tree {
	tok := p.tok
	base := treeBase{tok.pos}
	switch {
	case tok.kind == tokName:
		p.advance()
		switch tok.text {
		case "True", "False":
			return &treeLiteral{base, tok.text == "True"}
		case "None":
			return &treeLiteral{base, nil}
		}
		return &treeName{base, tok.text}
	case tok.kind == tokInt:
		p.advance()
		return &treeLiteral{base, tok.whole}
	case tok.kind == tokFloat:
		p.advance()
		return &treeLiteral{base, tok.float}
	case tok.kind == tokString:
		return p.texts(base)
	case p.accept("("):
		return p.parenthesis(base)
	case p.accept("["):
		items, _ := p.items("]")
		return &treeList{base, items}
	case p.accept("{"):
		return p.braces(base)
	default:
		p.unexpected("a value, such as df['column'], a number or a text")
		return &treeLiteral{base, nil}
	}
}

// texts joins adjacent texts, as Python does.
func (p *parser) texts(base treeBase) tree {
	value := ""
	for p.tok.kind == tokString {
		value += p.tok.text
		p.count()
		p.advance()
	}
	return &treeLiteral{base, value}
}

func (p *parser) parenthesis(base treeBase) tree {
	items, commas := p.items(")")
	if len(items) == 1 && commas == 0 {
		return items[0]
	}
	return &treeList{base, items}
}

func (p *parser) braces(base treeBase) tree {
	if p.accept("}") {
		return &treeDict{treeBase: base}
	}
	first := p.expression()
	if !p.is(":") {
		items := []tree{first}
		if p.accept(",") {
			more, _ := p.items("}")
			items = append(items, more...)
		} else {
			p.expect("}")
		}
		return &treeList{base, items}
	}
	dict := &treeDict{treeBase: base}
	for key := first; p.err == nil; key = p.expression() {
		p.expect(":")
		dict.keys = append(dict.keys, key)
		dict.values = append(dict.values, p.expression())
		if !p.accept(",") || p.is("}") {
			break
		}
	}
	p.expect("}")
	return dict
}

// items parses expressions and commas up to the closing bracket.
func (p *parser) items(closing string) (items []tree, commas int) {
	for p.err == nil && !p.is(closing) {
		items = append(items, p.expression())
		if !p.accept(",") {
			break
		}
		commas++
	}
	p.expect(closing)
	return items, commas
}

// postfix parses the attributes, calls and subscripts that follow x.
func (p *parser) postfix(x tree) tree {
	for p.err == nil {
		base := treeBase{p.tok.pos}
		switch {
		case p.accept("."):
			if p.tok.kind != tokName {
				p.unexpected("the name of a method")
				return x
			}
			x = &treeAttr{treeBase{p.tok.pos}, x, p.tok.text}
			p.advance()
		case p.accept("("):
			x = &treeCall{base, x, p.arguments()}
		case p.accept("["):
			x = &treeSubscript{treeBase{x.at()}, x, p.subscripts()}
		default:
			return x
		}
		p.count()
	}
	return x
}

func (p *parser) arguments() []treeArg {
	var args []treeArg
	for p.err == nil && !p.is(")") {
		var arg treeArg
		arg.x = p.expression()
		if name, ok := arg.x.(*treeName); ok && p.is("=") {
			p.advance()
			arg = treeArg{name.name, p.expression()}
		} else if len(args) > 0 && args[len(args)-1].name != "" {
			p.fail(ruleErrorf(arg.x.at(), CodeRuleSyntax, "an argument without a name follows one with a name").
				expecting("arguments with names last"))
		}
		args = append(args, arg)
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
	return args
}

func (p *parser) subscripts() []tree {
	var keys []tree
	for p.err == nil {
		keys = append(keys, p.subscript())
		if !p.accept(",") {
			break
		}
	}
	p.expect("]")
	return keys
}

func (p *parser) subscript() tree {
	base := treeBase{p.tok.pos}
	var lo, hi tree
	if !p.is(":") {
		if lo = p.expression(); !p.is(":") {
			return lo
		}
	}
	p.expect(":")
	if !p.is("]") && !p.is(",") {
		hi = p.expression()
	}
	return &treeSlice{base, lo, hi}
}
