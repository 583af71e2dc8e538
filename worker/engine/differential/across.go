package differential

import (
	"slices"
	"strings"

	"github.com/sagefleet/sagefleet/shared/spec"
)

// whole answers a function of several rows: all its values, or its only one.
func (e *evaluator) whole(x *spec.Call) ([]any, error) {
	if values, ok := e.known[x]; ok {
		return values, nil
	}
	values, err := e.across(x)
	if err == nil {
		e.known[x] = values
	}
	return values, err
}

func (e *evaluator) across(x *spec.Call) ([]any, error) {
	switch {
	case x.Fn == "value_counts", strings.HasPrefix(string(x.Fn), "group."):
		return e.grouped(x)
	case x.Fn == "table.duplicated":
		return e.duplicatedRows(x)
	}
	if table, ok := x.Args[0].(*spec.Table); ok {
		return ofTable(x.Fn, e.tables[table.Catalog]), nil
	}
	values, err := e.all(x.Args[0])
	if err != nil {
		return nil, err
	}
	switch x.Fn {
	case "shift":
		fill := x.Args[2].(*spec.Literal).Value
		return shifted(values, constant[int64](x.Args[1]), widened(fill, x.Type().Elem)), nil
	case "diff":
		return differences(values, constant[int64](x.Args[1]))
	case "cumsum":
		return running(values), nil
	case "filter":
		mask, err := e.all(x.Args[1])
		if err != nil || len(mask) != len(values) {
			return nil, cannot("%d rows are chosen by %d: %v", len(values), len(mask), err)
		}
		var kept []any
		for i, v := range values {
			if truth(mask[i]) {
				kept = append(kept, v)
			}
		}
		return kept, nil
	case "dropna":
		return present(values), nil
	case "unique":
		return distinct(values), nil
	case "duplicated":
		return duplicated(identities(values), x.Args[1].(*spec.Literal).Value), nil
	}
	return []any{e.single(x, values)}, nil
}

// single answers what makes one value of a column.
func (e *evaluator) single(x *spec.Call, values []any) any {
	switch x.Fn {
	case "len":
		return int64(len(values))
	case "empty":
		return len(values) == 0
	case "is_unique":
		return len(distinct(values)) == len(values)
	case "any":
		return slices.ContainsFunc(values, truth)
	case "all":
		return !slices.ContainsFunc(present(values), func(v any) bool { return !truth(v) })
	case "nunique":
		if x.Args[1].(*spec.Literal).Value == false {
			return int64(len(distinct(values)))
		}
	case "std":
		return aggregate("std", values, x.Args[0].Type().Elem, constant[int64](x.Args[1]))
	}
	return aggregate(string(x.Fn), values, x.Args[0].Type().Elem, 1)
}

func ofTable(fn spec.Fn, t *Table) []any {
	switch fn {
	case "len":
		return []any{int64(len(t.Rows))}
	case "empty":
		return []any{len(t.Rows) == 0}
	default:
		var names []any
		for _, f := range t.Catalog.Fields {
			names = append(names, f.Name)
		}
		return names
	}
}

func identities(values []any) []any {
	ids := make([]any, len(values))
	for i, v := range values {
		ids[i] = identity(v)
	}
	return ids
}

func shifted(values []any, periods int64, fill any) []any {
	out := make([]any, len(values))
	for i := range out {
		out[i] = fill
		if from := int64(i) - periods; from >= 0 && from < int64(len(values)) {
			out[i] = values[from]
		}
	}
	return out
}

func differences(values []any, periods int64) ([]any, error) {
	before := shifted(values, periods, nil)
	out := make([]any, len(values))
	for i, v := range values {
		var err error
		if out[i], err = arithmetic(spec.Sub, v, before[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// running is cumsum: nulls stay, and add nothing.
func running(values []any) []any {
	out := make([]any, len(values))
	var decimals float64
	var integers int64
	for i, v := range values {
		switch v := v.(type) {
		case nil:
		case float64:
			decimals += v
			out[i] = boxed(decimals)
		default:
			integers += integer(v)
			out[i] = integers
		}
	}
	return out
}

func (e *evaluator) duplicatedRows(x *spec.Call) ([]any, error) {
	var ids []any
	for i := range e.tables[x.Args[0].Type().Catalog].Rows {
		var id [16]any
		for j, column := range x.Args[1].(*spec.List).Items {
			v, err := e.at(column, i)
			if err != nil {
				return nil, err
			}
			id[j] = identity(v)
		}
		ids = append(ids, id)
	}
	return duplicated(ids, x.Args[2].(*spec.Literal).Value), nil
}

// group is the rows that share a key.
type group struct {
	key  any
	rows []int
}

// groups are in the order in which their keys come: pandas sorts them, which
// changes no count. Rows with a null in their key belong to none.
func (e *evaluator) groups(x *spec.Call) ([]group, error) {
	by := []spec.Expr{x.Args[0]}
	if g, ok := x.Args[0].(*spec.Group); ok {
		by = g.Keys
	}
	n, err := e.common(by...)
	if err != nil {
		return nil, err
	}
	var groups []group
	number := map[any]int{}
rows:
	for i := range n {
		var key [4]any
		for j, column := range by {
			v, err := e.at(column, i)
			if err != nil {
				return nil, err
			}
			if v == nil {
				continue rows
			}
			key[j] = identity(v)
		}
		at, ok := number[key]
		if !ok {
			at = len(groups)
			number[key] = at
			groups = append(groups, group{key: key})
			if len(by) == 1 {
				groups[at].key = key[0]
			}
		}
		groups[at].rows = append(groups[at].rows, i)
	}
	return groups, nil
}

// grouped answers the aggregates of groups, one per key or, for transform, per row.
func (e *evaluator) grouped(x *spec.Call) ([]any, error) {
	groups, err := e.groups(x)
	if err != nil {
		return nil, err
	}
	name, of := strings.TrimPrefix(string(x.Fn), "group."), x.Args[0]
	if x.Fn == "value_counts" {
		name = "size"
	}
	perRow := name == "transform"
	if perRow {
		name = constant[string](x.Args[1])
	}
	if g, ok := of.(*spec.Group); ok {
		if of = g.Value; of == nil {
			of = g.Keys[0]
		}
	}
	values, err := e.all(of)
	if err != nil {
		return nil, err
	}
	out := make([]any, len(groups))
	if perRow {
		out = make([]any, len(values))
	}
	for i, g := range groups {
		var part []any
		for _, row := range g.rows {
			part = append(part, values[row])
		}
		summary := aggregate(name, part, of.Type().Elem, 1)
		if !perRow {
			out[i] = summary
			continue
		}
		for _, row := range g.rows {
			out[row] = summary
		}
	}
	return out, nil
}
