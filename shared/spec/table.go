package spec

import (
	"fmt"
	"strings"
)

// tableMethod checks the methods and attributes of df.
func (c *checker) tableMethod(call *treeCall, t *treeAttr, x Expr) Expr {
	table, whole := x.(*Table)
	if !whole {
		return c.partMethod(call, t, x)
	}
	switch {
	case t.name == "groupby" && call != nil:
		return c.groupTable(call, table)
	case t.name == "set_index" && call != nil:
		return c.setIndex(call, table)
	case t.name == "shape":
		return c.fail(ruleErrorf(t.pos, CodeRuleSyntax, "shape is used as a whole").expecting("shape[0] or shape[1]"))
	case t.name == "apply" && call != nil && !rowwise(call):
		return c.fail(ruleErrorf(t.pos, CodeRuleArgument, "apply on a table goes by columns").expecting("apply(lambda x: …, axis=1)"))
	case tableMethods[t.name] == nil && c.catalog(table.Catalog).Field(t.name) >= 0:
		return c.fail(ruleErrorf(t.pos, CodeRuleMethod, "the column %s is written like a method", t.name).expecting("['%s']", t.name))
	}
	return c.invoke(call, t, tableMethods, x)
}

// rowwise looks for axis=1, which pandas also spells 'columns'.
func rowwise(call *treeCall) bool {
	for i, arg := range call.args {
		if arg.name == "axis" || arg.name == "" && i == 1 {
			lit, ok := arg.x.(*treeLiteral)
			return ok && (lit.value == int64(1) || lit.value == "columns")
		}
	}
	return false
}

// partMethod checks what can be done with some rows of a table.
func (c *checker) partMethod(call *treeCall, t *treeAttr, x Expr) Expr {
	part, ok := x.(*filtered)
	if !ok || t.name != "empty" || call != nil {
		return c.unknownMethod(t, x, nil, "choose a column of it, or count its rows with len(…)")
	}
	some := &Call{node: node{t.pos, Type{Kind: Scalar, Elem: BoolElem}}, Fn: "any", Args: []Expr{part.mask}}
	return negate(t.pos, some)
}

// columnNames checks an argument that names one or several columns.
func (c *checker) columnNames(t tree, x Expr) Expr {
	id := x.Type().Catalog
	trees := []tree{t}
	if list, ok := t.(*treeList); ok {
		trees = list.items
	}
	columns := &List{node: node{t.at(), Type{Kind: ListOf}}}
	for _, t := range trees {
		lit, ok := t.(*treeLiteral)
		name, text := "", false
		if ok {
			name, text = lit.value.(string)
		}
		if !text {
			return c.fail(ruleErrorf(t.at(), CodeRuleArgument, "something else than the name of a column is given").
				expecting("a name in quotes, or a list of names"))
		}
		column := c.named(t.at(), id, name)
		if column == nil {
			return nil
		}
		columns.Items = append(columns.Items, column)
	}
	if len(columns.Items) == 0 {
		return c.fail(ruleErrorf(t.at(), CodeRuleArgument, "no column is named").expecting("at least one"))
	}
	return columns
}

// allColumns is what a missing subset stands for.
func (c *checker) allColumns(pos Pos, x Expr) Expr {
	id := x.Type().Catalog
	columns := &List{node: node{pos, Type{Kind: ListOf}}}
	for _, f := range c.catalog(id).Fields {
		columns.Items = append(columns.Items, c.named(pos, id, f.Name))
	}
	return columns
}

// groupTable checks df.groupby('key') and df.groupby(['a', 'b']).
func (c *checker) groupTable(call *treeCall, table *Table) Expr {
	keys := c.onlyNames(call, "groupby", table)
	if keys == nil {
		return nil
	}
	return &Group{node{call.pos, Type{Kind: Grouped, Catalog: table.Catalog}}, keys.Items, nil}
}

// onlyNames checks calls whose single argument names columns.
func (c *checker) onlyNames(call *treeCall, name string, table *Table) *List {
	if len(call.args) != 1 || call.args[0].name != "" && call.args[0].name != "by" && call.args[0].name != "keys" {
		c.fail(ruleErrorf(call.pos, CodeRuleArgument, "%s got other arguments than columns", name).expecting("%s('column')", name))
		return nil
	}
	names, ok := c.columnNames(call.args[0].x, table).(*List)
	if !ok {
		return nil
	}
	return names
}

// groupColumn checks df['value'].groupby(df['key']).
func (c *checker) groupColumn(call *treeCall, x Expr) Expr {
	if !c.plain(call, "groupby", 1) {
		return nil
	}
	trees := []tree{call.args[0].x}
	if list, ok := trees[0].(*treeList); ok {
		trees = list.items
	}
	group := &Group{node: node{call.pos, Type{Kind: Grouped, Elem: x.Type().Elem, Catalog: x.Type().Catalog}}, Value: x}
	for _, t := range trees {
		key := c.value(t)
		if key == nil || !c.fits(key, wantRows, "groupby", t.at()) {
			return nil
		}
		group.Keys = append(group.Keys, key)
	}
	if len(group.Keys) == 0 || !c.fits(x, wantRows, "groupby", call.pos) {
		return c.fail(ruleErrorf(call.pos, CodeRuleArgument, "groupby got no usable key").expecting("a column"))
	}
	if _, ok := c.join(call.pos, append([]Expr{x}, group.Keys...)...); !ok {
		return nil
	}
	return group
}

func (c *checker) chooseGroupValue(t *treeSubscript, group *Group) Expr {
	if group.Value != nil {
		return c.fail(ruleErrorf(t.pos, CodeRuleType, "the group has its column already").expecting("an aggregate such as .sum()"))
	}
	column := c.column(t, group.typ.Catalog)
	if column == nil {
		return nil
	}
	return &Group{node{t.pos, Type{Kind: Grouped, Elem: column.typ.Elem, Catalog: column.Catalog}}, group.Keys, column}
}

// setIndex checks df.set_index('key').
func (c *checker) setIndex(call *treeCall, table *Table) Expr {
	keys := c.onlyNames(call, "set_index", table)
	if keys == nil {
		return nil
	}
	if len(keys.Items) != 1 {
		return c.fail(ruleErrorf(call.pos, CodeRuleUnsupported, "the index has %d columns", len(keys.Items)).expecting("one"))
	}
	return &Index{node: node{call.pos, Type{Kind: Frame, Catalog: table.Catalog}}, Key: keys.Items[0].(*Column)}
}

func (c *checker) chooseIndexValue(t *treeSubscript, index *Index) Expr {
	column := c.column(t, index.typ.Catalog)
	if column == nil {
		return nil
	}
	return &Index{node{t.pos, Type{Kind: Keyed, Elem: column.typ.Elem}}, index.Key, column}
}

// loc checks index.loc[keys, 'column'], column.loc[keys] and table.loc[mask, 'column'].
func (c *checker) loc(t *treeSubscript, of tree) Expr {
	x := c.expr(of)
	if x == nil {
		return nil
	}
	if len(t.keys) == 2 {
		choice := &treeSubscript{treeBase{t.keys[1].at()}, of, t.keys[1:]}
		switch table := x.(type) {
		case *Table:
			return c.locRows(t, choice, table)
		case *Index:
			if table.Value == nil {
				return c.lookup(t, c.chooseIndexValue(choice, table))
			}
		}
	}
	if len(t.keys) == 1 {
		switch typ := x.Type(); typ.Kind {
		case Keyed:
			return c.lookup(t, x)
		case Series:
			mask := c.mask(t.keys[0])
			if mask == nil {
				return nil
			}
			return c.filter(t.pos, x, mask)
		}
	}
	return c.fail(ruleErrorf(t.pos, CodeRuleUnsupported, "loc of a %s with %d keys is not part of the rule language", x.Type(), len(t.keys)).
		expecting("set_index('key').loc[keys, 'column']"))
}

func (c *checker) locRows(t, choice *treeSubscript, table *Table) Expr {
	column := c.column(choice, table.Catalog)
	if column == nil {
		return nil
	}
	if all, ok := t.keys[0].(*treeSlice); ok && all.lo == nil && all.hi == nil {
		return column
	}
	mask := c.mask(t.keys[0])
	if mask == nil {
		return nil
	}
	return c.filter(t.pos, column, mask)
}

// lookup makes the values that a Keyed has for the keys of the subscript, in
// their order. A key that isn't there can't be looked up when the rule runs.
func (c *checker) lookup(t *treeSubscript, x Expr) Expr {
	if x == nil {
		return nil
	}
	keys := c.container(t.keys[0])
	if keys == nil {
		return nil
	}
	if keys.Type().Kind == ListOf {
		return c.fail(ruleErrorf(t.keys[0].at(), CodeRuleUnsupported, "the keys of loc are a list").expecting("a column or one value"))
	}
	if index, ok := x.(*Index); ok && !comparableTypes(index.Key.typ.Elem, keys.Type().Elem) {
		c.warnNeverEqual(t.keys[0].at(), index.Key.typ, keys.Type())
	}
	s := others["lookup"]
	return c.finish(&Call{node: node{pos: t.pos}, Fn: s.fn, Args: []Expr{x, keys}}, s)
}

// abbreviate lists the first of a total of names for a message.
func abbreviate(names []string, total int) string {
	const most = 12
	if total == 0 {
		return "those defined, of which there are none"
	}
	if total <= most {
		return "'" + strings.Join(names, "', '") + "'"
	}
	return fmt.Sprintf("'%s' and %d more", strings.Join(names[:most], "', '"), total-most)
}
