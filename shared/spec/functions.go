package spec

import (
	"maps"
	"slices"
)

// want says what an argument has to be.
type want uint8

const (
	wantValue  want = iota + 1 // a scalar, or anything with elements
	wantScalar                 // one value
	wantColumn                 // something with elements
	wantRows                   // a Series
	wantNumber                 // numeric elements
	wantText                   // text elements
	wantTime                   // date elements
	wantSpan                   // duration elements
	wantBool                   // boolean elements
	wantValues                 // a list, or something with elements
	wantTable                  // all rows of a catalog
	wantGroup                  // groupby(…)[…]
	wantDict                   // a dictionary written out
	wantLambda                 // a lambda
	wantNames                  // names of columns; the argument becomes a List of Column
	constText                  // a constant of that type, or None where None is the default
	constInt
	constBool
	constAny // any constant
)

// shape says how the kind of a result follows from the kinds of the arguments.
type shape uint8

const (
	each  shape = iota + 1 // one value per element; a scalar for scalars
	one                    // a scalar, whatever goes in
	some                   // an Array
	keyed                  // a Keyed
	rows                   // a Series of the rows of the first argument
)

// same is the element type of the first argument.
const same Elem = 255

// needed marks a parameter without a default.
type needed struct{}

type param struct {
	name     string
	want     want
	fallback any // value of the literal that stands in, or needed{}
}

// signature describes a canonical function. takes is about its first argument:
// the receiver of a method.
type signature struct {
	fn     Fn
	takes  want
	params []param
	shape  shape
	elem   Elem
	attr   bool // written without parentheses
}

func req(name string, w want) param               { return param{name, w, needed{}} }
func opt(name string, w want, fallback any) param { return param{name, w, fallback} }
func sig(fn Fn, takes want, shape shape, elem Elem, params ...param) *signature {
	return &signature{fn: fn, takes: takes, params: params, shape: shape, elem: elem}
}
func attr(fn Fn, takes want, shape shape, elem Elem) *signature {
	return &signature{fn: fn, takes: takes, shape: shape, elem: elem, attr: true}
}

// methods are those of columns, and of scalars where that makes sense.
var methods = map[string]*signature{
	"isna":            sig("isna", wantValue, each, BoolElem),
	"isnull":          sig("isna", wantValue, each, BoolElem),
	"notna":           sig("notna", wantValue, each, BoolElem),
	"notnull":         sig("notna", wantValue, each, BoolElem),
	"isin":            sig("isin", wantValue, each, BoolElem, req("values", wantValues)),
	"between":         sig("between", wantValue, each, BoolElem, req("left", wantValue), req("right", wantValue), opt("inclusive", constText, "both")),
	"fillna":          sig("fillna", wantValue, each, same, req("value", wantValue)),
	"abs":             sig("abs", wantNumber, each, same),
	"round":           sig("round", wantNumber, each, same, opt("decimals", constInt, int64(0))),
	"where":           sig("where", wantRows, each, same, req("cond", wantBool), opt("other", wantValue, nil)),
	"map":             sig("map", wantValue, each, Unknown, req("arg", wantDict)),
	"apply":           sig("apply", wantColumn, each, Unknown, req("func", wantLambda)),
	"shift":           sig("shift", wantRows, rows, same, opt("periods", constInt, int64(1)), opt("fill_value", constAny, nil)),
	"diff":            sig("diff", wantRows, rows, same, opt("periods", constInt, int64(1))),
	"cumsum":          sig("cumsum", wantRows, rows, same),
	"duplicated":      sig("duplicated", wantColumn, each, BoolElem, opt("keep", constAny, "first")),
	"dropna":          sig("dropna", wantColumn, some, same),
	"unique":          sig("unique", wantColumn, some, same),
	"drop_duplicates": sig("unique", wantColumn, some, same),
	"value_counts":    sig("value_counts", wantColumn, keyed, IntElem),
	"sum":             sig("sum", wantNumber, one, same),
	"mean":            sig("mean", wantNumber, one, FloatElem),
	"median":          sig("median", wantNumber, one, FloatElem),
	"std":             sig("std", wantNumber, one, FloatElem, opt("ddof", constInt, int64(1))),
	"min":             sig("min", wantColumn, one, same),
	"max":             sig("max", wantColumn, one, same),
	"count":           sig("count", wantColumn, one, IntElem),
	"nunique":         sig("nunique", wantColumn, one, IntElem, opt("dropna", constBool, true)),
	"any":             sig("any", wantColumn, one, BoolElem),
	"all":             sig("all", wantColumn, one, BoolElem),
	"is_unique":       attr("is_unique", wantColumn, one, BoolElem),
	"empty":           attr("empty", wantColumn, one, BoolElem),
	"size":            attr("len", wantColumn, one, IntElem),
}

// strMethods follow .str; on a scalar, as in a lambda, they are Python's own.
var strMethods = map[string]*signature{
	"match":      sig("str.match", wantText, each, BoolElem, req("pat", constText), opt("case", constBool, true), opt("flags", constInt, int64(0)), opt("na", constBool, nil)),
	"fullmatch":  sig("str.fullmatch", wantText, each, BoolElem, req("pat", constText), opt("case", constBool, true), opt("flags", constInt, int64(0)), opt("na", constBool, nil)),
	"contains":   sig("str.contains", wantText, each, BoolElem, req("pat", constText), opt("case", constBool, true), opt("flags", constInt, int64(0)), opt("na", constBool, nil), opt("regex", constBool, true)),
	"count":      sig("str.count", wantText, each, IntElem, req("pat", constText), opt("flags", constInt, int64(0))),
	"replace":    sig("str.replace", wantText, each, TextElem, req("pat", constText), req("repl", constText), opt("n", constInt, int64(-1)), opt("case", constBool, true), opt("flags", constInt, int64(0)), opt("regex", constBool, false)),
	"startswith": sig("str.startswith", wantText, each, BoolElem, req("pat", constText), opt("na", constBool, nil)),
	"endswith":   sig("str.endswith", wantText, each, BoolElem, req("pat", constText), opt("na", constBool, nil)),
	"len":        sig("str.len", wantText, each, IntElem),
	"strip":      sig("str.strip", wantText, each, TextElem, opt("to_strip", constText, nil)),
	"lstrip":     sig("str.lstrip", wantText, each, TextElem, opt("to_strip", constText, nil)),
	"rstrip":     sig("str.rstrip", wantText, each, TextElem, opt("to_strip", constText, nil)),
	"lower":      sig("str.lower", wantText, each, TextElem),
	"upper":      sig("str.upper", wantText, each, TextElem),
	"title":      sig("str.title", wantText, each, TextElem),
	"capitalize": sig("str.capitalize", wantText, each, TextElem),
	"zfill":      sig("str.zfill", wantText, each, TextElem, req("width", constInt)),
	"slice":      sig("str.slice", wantText, each, TextElem, opt("start", constInt, nil), opt("stop", constInt, nil)),
	"get":        sig("str.get", wantText, each, TextElem, req("i", constInt)),
	"isdigit":    sig("str.isdigit", wantText, each, BoolElem),
	"isnumeric":  sig("str.isnumeric", wantText, each, BoolElem),
	"isdecimal":  sig("str.isdecimal", wantText, each, BoolElem),
	"isalpha":    sig("str.isalpha", wantText, each, BoolElem),
	"isalnum":    sig("str.isalnum", wantText, each, BoolElem),
	"isspace":    sig("str.isspace", wantText, each, BoolElem),
	"isupper":    sig("str.isupper", wantText, each, BoolElem),
	"islower":    sig("str.islower", wantText, each, BoolElem),
}

// dtMethods follow .dt; on a scalar the accessor is left out.
var dtMethods = map[string]*signature{
	"year":          attr("dt.year", wantTime, each, IntElem),
	"month":         attr("dt.month", wantTime, each, IntElem),
	"day":           attr("dt.day", wantTime, each, IntElem),
	"hour":          attr("dt.hour", wantTime, each, IntElem),
	"minute":        attr("dt.minute", wantTime, each, IntElem),
	"second":        attr("dt.second", wantTime, each, IntElem),
	"weekday":       attr("dt.weekday", wantTime, each, IntElem), // Monday is 0
	"dayofweek":     attr("dt.weekday", wantTime, each, IntElem),
	"dayofyear":     attr("dt.dayofyear", wantTime, each, IntElem),
	"quarter":       attr("dt.quarter", wantTime, each, IntElem),
	"date":          attr("dt.date", wantTime, each, TimeElem), // at midnight
	"normalize":     sig("dt.date", wantTime, each, TimeElem),
	"days":          attr("dt.days", wantSpan, each, IntElem), // rounds towards minus infinity
	"total_seconds": sig("dt.total_seconds", wantSpan, each, FloatElem),
}

// groupMethods follow groupby(…)[…]. All but transform give one value per key.
var groupMethods = map[string]*signature{
	"sum":       sig("group.sum", wantGroup, keyed, same),
	"count":     sig("group.count", wantGroup, keyed, IntElem),
	"mean":      sig("group.mean", wantGroup, keyed, FloatElem),
	"median":    sig("group.median", wantGroup, keyed, FloatElem),
	"std":       sig("group.std", wantGroup, keyed, FloatElem),
	"min":       sig("group.min", wantGroup, keyed, same),
	"max":       sig("group.max", wantGroup, keyed, same),
	"nunique":   sig("group.nunique", wantGroup, keyed, IntElem),
	"size":      sig("group.size", wantGroup, keyed, IntElem),
	"transform": sig("group.transform", wantGroup, rows, Unknown, req("func", constText)),
}

// tableMethods are those of df. The rest of what df can do, such as groupby, is
// checked by hand because its arguments name columns.
var tableMethods = map[string]*signature{
	"apply":      sig("table.apply", wantTable, rows, Unknown, req("func", wantLambda), req("axis", constAny)),
	"duplicated": sig("table.duplicated", wantTable, rows, BoolElem, opt("subset", wantNames, nil), opt("keep", constAny, "first")),
	"columns":    attr("columns", wantTable, some, TextElem),
	"empty":      attr("empty", wantTable, one, BoolElem),
}

// functions are those called by a name, dotted or not. len, min, max and the
// conversions depend on what they are given: see [checker.builtin].
var functions = map[string]*signature{
	"pd.isna":          methods["isna"],
	"pd.isnull":        methods["isna"],
	"pd.notna":         methods["notna"],
	"pd.notnull":       methods["notna"],
	"np.isnan":         methods["isna"],
	"np.abs":           methods["abs"],
	"np.round":         methods["round"],
	"abs":              methods["abs"],
	"round":            methods["round"],
	"sum":              methods["sum"],
	"any":              methods["any"],
	"all":              methods["all"],
	"pd.to_datetime":   sig("to_datetime", wantValue, each, TimeElem, opt("errors", constText, "raise"), opt("dayfirst", constBool, false), opt("format", constText, nil)),
	"pd.to_numeric":    sig("to_numeric", wantValue, each, FloatElem, opt("errors", constText, "raise")),
	"pd.Timestamp":     sig("to_datetime", wantScalar, each, TimeElem, opt("errors", constText, "raise"), opt("dayfirst", constBool, false), opt("format", constText, nil)),
	"pd.Timestamp.now": sig("now", 0, one, TimeElem),
	"pd.Timedelta":     sig("timedelta", wantScalar, one, SpanElem, opt("unit", constText, nil)),
}

// conversions are the functions behind astype, str(), int(), float() and bool().
var conversions = map[string]*signature{
	"str":   sig("astype.text", wantValue, each, TextElem),
	"int":   sig("astype.int", wantValue, each, IntElem),
	"float": sig("astype.float", wantValue, each, FloatElem),
	"bool":  sig("astype.bool", wantValue, each, BoolElem),
	"date":  sig("to_datetime", wantValue, each, TimeElem, opt("errors", constText, "raise"), opt("dayfirst", constBool, false), opt("format", constText, nil)),
}

// extremes are min and max of several scalars.
var extremes = map[string]*signature{
	"min": sig("least", wantScalar, one, same),
	"max": sig("greatest", wantScalar, one, same),
}

// others have a syntax of their own instead of a name.
var others = map[string]*signature{
	"filter": sig("filter", wantColumn, some, same, req("mask", wantBool)),
	"lookup": sig("lookup", wantColumn, each, same, req("keys", wantValues)),
	"values": sig("values", wantColumn, some, same),
	"len":    sig("len", wantColumn, one, IntElem),
}

// Functions returns the canonical name of every function that [Call] can hold,
// sorted: whoever evaluates expressions has to know them all.
func Functions() []Fn {
	seen := map[Fn]bool{}
	for _, table := range []map[string]*signature{
		methods, strMethods, dtMethods, groupMethods, tableMethods, functions, conversions, extremes, others,
	} {
		for s := range maps.Values(table) {
			seen[s.fn] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}
