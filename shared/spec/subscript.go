package spec

// subscript checks x[…]. What it means depends on x: a catalog, a column, rows, a
// part of a text.
func (c *checker) subscript(t *treeSubscript) Expr {
	if attr, ok := t.x.(*treeAttr); ok {
		switch attr.name {
		case "str":
			return c.textPart(t, attr.x)
		case "loc":
			return c.loc(t, attr.x)
		case "shape":
			return c.shape(t, attr.x)
		}
	}
	x := c.expr(t.x)
	if x == nil {
		return nil
	}
	switch x := x.(type) {
	case *tables:
		return c.chooseCatalog(t)
	case *Table:
		return c.chooseColumn(t, x)
	case *filtered:
		column := c.column(t, x.typ.Catalog)
		if column == nil {
			return nil
		}
		return c.filter(t.pos, column, x.mask)
	case *Group:
		return c.chooseGroupValue(t, x)
	case *Index:
		if x.Value == nil {
			return c.chooseIndexValue(t, x)
		}
	case *Param:
		if x.typ.Kind == Record {
			column := c.column(t, x.typ.Catalog)
			if column == nil {
				return nil
			}
			return &Cell{node{t.pos, Type{Kind: Scalar, Elem: column.typ.Elem}}, x, column}
		}
	}
	switch typ := x.Type(); {
	case typ.Kind == Scalar && (typ.Elem == TextElem || typ.Elem == Unknown):
		return c.part(t, x)
	case typ.Kind == Series && len(t.keys) == 1:
		mask := c.mask(t.keys[0])
		if mask == nil {
			return nil
		}
		return c.filter(t.pos, x, mask)
	default:
		return c.fail(ruleErrorf(t.pos, CodeRuleType, "a %s has no parts to choose with […]", typ).expecting("a table, a column or a text"))
	}
}

// key returns the constant text between the brackets.
func (c *checker) key(t *treeSubscript, what string) (string, bool) {
	if len(t.keys) == 1 {
		if lit, ok := t.keys[0].(*treeLiteral); ok {
			if name, ok := lit.value.(string); ok {
				return name, true
			}
		}
	}
	c.fail(ruleErrorf(t.keys[0].at(), CodeRuleType, "the name of a %s is not a text", what).expecting("the name in quotes: ['name']"))
	return "", false
}

func (c *checker) chooseCatalog(t *treeSubscript) Expr {
	id, ok := c.key(t, "catalog")
	if !ok {
		return nil
	}
	if catalog := c.catalog(id); catalog != nil {
		return c.table(t.pos, catalog)
	}
	ids := idsOf(c.catalogs)
	e := ruleErrorf(t.keys[0].at(), CodeRuleCatalog, "the package has no catalog %q", id)
	if near := nearest(id, ids); near != "" {
		return c.fail(e.expecting("'%s'", near))
	}
	return c.fail(e.expecting("one of %s", abbreviate(ids, len(c.catalogs))).
		advise("rules of packages choose the catalog first: df['catalog']['column']"))
}

// chooseColumn checks df['column'] and df[mask].
func (c *checker) chooseColumn(t *treeSubscript, table *Table) Expr {
	if len(t.keys) == 1 {
		switch t.keys[0].(type) {
		case *treeLiteral:
		case *treeList:
			return c.fail(ruleErrorf(t.pos, CodeRuleUnsupported, "several columns are chosen at once").expecting("one column: df['column']"))
		default:
			mask := c.mask(t.keys[0])
			if mask == nil || !c.sameRows(t.pos, table.Catalog, mask) {
				return nil
			}
			return &filtered{node{t.pos, table.typ}, mask}
		}
	}
	column := c.column(t, table.Catalog)
	if column == nil {
		return nil
	}
	return column
}

// column finds the column named between the brackets. It returns a nil *Column
// when there is none.
func (c *checker) column(t *treeSubscript, catalog string) *Column {
	name, ok := c.key(t, "column")
	if !ok {
		return nil
	}
	column := c.named(t.keys[0].at(), catalog, name)
	if column != nil {
		column.pos = t.pos
	}
	return column
}

func (c *checker) named(pos Pos, id, name string) *Column {
	catalog := c.catalog(id)
	if i := catalog.Field(name); i >= 0 {
		return &Column{node{pos, Type{Kind: Series, Elem: elemOf(catalog.Fields[i].Type), Catalog: id}}, id, name, i}
	}
	names := make([]string, 0, min(len(catalog.Fields), maxCandidates))
	for _, f := range catalog.Fields[:cap(names)] {
		names = append(names, f.Name)
	}
	e := ruleErrorf(pos, CodeRuleColumn, "the catalog %s has no column %q", id, name)
	if near := nearest(name, names); near != "" {
		c.fail(e.expecting("'%s'", near))
		return nil
	}
	c.fail(e.expecting("one of %s", abbreviate(names, len(catalog.Fields))))
	return nil
}

// mask checks a column of booleans that chooses rows.
func (c *checker) mask(t tree) Expr {
	x := c.value(t)
	if x == nil {
		return nil
	}
	if typ := x.Type(); typ.Kind != Series || typ.Elem != BoolElem && typ.Elem != Unknown {
		return c.fail(ruleErrorf(t.at(), CodeRuleType, "rows are chosen by a %s", typ).
			expecting("a comparison of columns").advise("to choose a column, write its name in quotes"))
	}
	return x
}

func (c *checker) sameRows(pos Pos, catalog string, mask Expr) bool {
	if mask.Type().Catalog == catalog {
		return true
	}
	c.fail(ruleErrorf(pos, CodeRuleRows, "the rows of catalog %s are chosen by those of %s", catalog, label(mask.Type())).
		expecting("a condition on columns of %s", catalog))
	return false
}

func (c *checker) filter(pos Pos, x, mask Expr) Expr {
	if !c.sameRows(pos, x.Type().Catalog, mask) {
		return nil
	}
	call := &Call{node: node{pos: pos}, Fn: others["filter"].fn, Args: []Expr{x, mask}}
	return c.finish(call, others["filter"])
}

// shape checks x.shape[0] and x.shape[1]: the numbers of rows and of columns.
func (c *checker) shape(t *treeSubscript, of tree) Expr {
	x := c.expr(of)
	if x == nil {
		return nil
	}
	typ := x.Type()
	var axis any
	if lit, ok := t.keys[0].(*treeLiteral); ok && len(t.keys) == 1 {
		axis = lit.value
	}
	table, whole := x.(*Table)
	switch {
	case axis == int64(0) && (typ.Kind == Frame || typ.Kind.columnar()):
		return c.count(t.pos, x)
	case axis == int64(1) && whole:
		columns := &Call{node: node{t.pos, Type{Kind: Array, Elem: TextElem}}, Fn: "columns", Args: []Expr{table}}
		return c.count(t.pos, columns)
	}
	return c.fail(ruleErrorf(t.pos, CodeRuleArgument, "shape of a %s is asked for something else than rows or columns", typ).
		expecting("df.shape[0] for rows, df.shape[1] for columns"))
}

// textPart checks x.str[i] and x.str[i:j].
func (c *checker) textPart(t *treeSubscript, of tree) Expr {
	x := c.value(of)
	if x == nil {
		return nil
	}
	return c.part(t, x)
}

func (c *checker) part(t *treeSubscript, x Expr) Expr {
	if len(t.keys) != 1 {
		return c.fail(ruleErrorf(t.pos, CodeRuleArgument, "a part of a text has %d bounds", len(t.keys)).expecting("[i] or [i:j]"))
	}
	slice, ok := t.keys[0].(*treeSlice)
	if !ok {
		return c.bind(t.pos, "[…]", strMethods["get"], x, []treeArg{{x: t.keys[0]}})
	}
	bounds := []treeArg{{x: slice.lo}, {x: slice.hi}}
	for i := range bounds {
		if bounds[i].x == nil {
			bounds[i].x = &treeLiteral{slice.treeBase, nil}
		}
	}
	return c.bind(t.pos, "[…]", strMethods["slice"], x, bounds)
}
