package differential

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/sagefleet/sagefleet/shared/spec"
)

// kind is the type of the expression to write.
type kind uint8

const (
	text kind = iota
	number
	date
	truthy
)

// columns are the names of the columns of each kind.
var columns = map[kind][]string{text: {"k", "t", "s"}, number: {"n", "m", "d", "e"}, date: {"f", "g"}, truthy: {"b", "c"}}

// scribe writes expressions. Its methods return text of the kind they are named
// for, one element per row, or a single one inside a lambda.
type scribe struct {
	*rand.Rand
	frame string // df, or df['a'] in a package rule
	other string // the other catalog of a package, or empty

	param string // the lambda's parameter, or empty
	given kind   // what it holds
	row   bool   // it holds a row instead
}

// NewRule writes a random rule that a rule of that scope may be. The catalogs of
// a package are a and b.
func NewRule(r *rand.Rand, scope spec.Scope) string {
	s := &scribe{Rand: r, frame: "df"}
	if scope == spec.ScopePackage {
		s.frame, s.other = "df['a']", "df['b']"
		if r.IntN(2) == 0 {
			return s.crossing()
		}
	}
	depth := 1 + r.IntN(4)
	switch {
	case scope >= spec.ScopeCatalog && r.IntN(4) == 0:
		return s.perKey()
	case r.IntN(6) == 0:
		return s.ofAll(depth)
	}
	return s.condition(depth)
}

func (s *scribe) choose(options ...func() string) string { return options[s.IntN(len(options))]() }

func (s *scribe) oneOf(options ...string) string { return options[s.IntN(len(options))] }

// column is a column of the kind, or what a lambda has instead.
func (s *scribe) column(k kind) string {
	name := pick(s.Rand, columns[k])
	switch {
	case s.param == "":
		return fmt.Sprintf("%s['%s']", s.frame, name)
	case s.row:
		return fmt.Sprintf("%s['%s']", s.param, name)
	case s.given == k:
		return s.param
	default:
		return s.literal(k)
	}
}

func (s *scribe) literal(k kind) string {
	switch k {
	case text:
		return quoted(s.oneOf(append(texts, keys...)...))
	case number:
		return s.oneOf("-3", "-1", "0", "1", "2", "5", "0.5", "2.5", "0.1", "9007199254740993", "-1e300")
	case date:
		return "pd.Timestamp('" + pick(s.Rand, dates) + "')"
	default:
		return s.oneOf("True", "False")
	}
}

func quoted(t string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`).Replace(t) + "'"
}

func (s *scribe) any(k kind, depth int) string {
	switch k {
	case text:
		return s.text(depth)
	case number:
		return s.number(depth)
	case date:
		return s.date(depth)
	default:
		return s.condition(depth)
	}
}

// condition is true or false for each row.
func (s *scribe) condition(depth int) string {
	if depth <= 0 {
		return s.choose(func() string { return s.column(truthy) }, func() string { return s.comparison(0) })
	}
	options := []func() string{
		func() string { return s.comparison(depth - 1) },
		func() string { return s.comparison(depth - 1) },
		func() string { return s.logic(depth - 1) },
		func() string { return s.question(depth - 1) },
		func() string { return s.member(depth - 1) },
		func() string { return s.nullTest(depth - 1) },
		func() string { return s.choice(truthy, depth-1) },
		func() string { return s.truthOf(kind(s.IntN(4)), depth-1) },
	}
	if s.param == "" {
		options = append(options,
			func() string { return s.lambda(depth - 1) }, func() string { return s.lambda(depth - 1) },
			func() string { return s.duplicated(depth - 1) })
	}
	return s.choose(options...)
}

// truthOf is what a value counts as where only true and false do.
func (s *scribe) truthOf(k kind, depth int) string {
	if s.param != "" {
		return fmt.Sprintf("bool(%s)", s.any(k, depth))
	}
	return fmt.Sprintf("(%s).astype(bool)", s.any(k, depth))
}

func (s *scribe) comparison(depth int) string {
	k := kind(s.IntN(3))
	a, b := s.any(k, depth), s.any(k, depth)
	if s.IntN(3) == 0 {
		b = s.literal(k)
		if k == date && s.IntN(2) == 0 {
			b = "'2024-01-31'" // a constant text becomes the date that it is compared with
		}
	}
	op := s.oneOf("==", "!=", "<", "<=", ">", ">=")
	if s.IntN(6) > 0 {
		return fmt.Sprintf("(%s %s %s)", a, op, b)
	}
	if s.param != "" {
		return fmt.Sprintf("(%s <= %s < %s)", a, b, s.any(k, 0))
	}
	inclusive := s.oneOf("both", "neither", "left", "right")
	return fmt.Sprintf("(%s).between(%s, %s, inclusive='%s')", a, b, s.any(k, 0), inclusive)
}

func (s *scribe) logic(depth int) string {
	a := s.condition(depth)
	if s.IntN(4) == 0 {
		if s.param != "" {
			return "(not " + a + ")"
		}
		return "~(" + a + ")"
	}
	op := s.oneOf("&", "|", "and", "or")
	if s.param != "" {
		op = s.oneOf("and", "or")
	}
	return fmt.Sprintf("((%s) %s (%s))", a, op, s.condition(depth))
}

// question asks about a text.
func (s *scribe) question(depth int) string {
	x := s.str(s.text(depth))
	switch s.IntN(4) {
	case 0:
		return x + s.oneOf(".isdigit()", ".isalpha()", ".isalnum()", ".isupper()", ".islower()", ".isspace()", ".isnumeric()", ".isdecimal()")
	case 1:
		return x + s.oneOf(".startswith('a')", ".endswith('A')", ".startswith('ñ')", ".endswith('1')")
	case 2:
		if s.param != "" {
			return fmt.Sprintf("(%s in %s)", s.literal(text), s.text(depth))
		}
		na := s.oneOf("", "", ", na=True", ", na=False")
		return fmt.Sprintf("%s.contains(%s%s%s)", x, s.oneOf("'a'", "'.'", "'N|x'", `r'\s'`), s.oneOf("", ", case=False", ", regex=False"), na)
	default:
		method := s.oneOf("match", "fullmatch")
		return fmt.Sprintf("%s.%s(%s)", x, method, s.oneOf(`r'[a-z]+'`, `r'\d+'`, `r'^\w{3}$'`, `'[A-Z]-?\d'`, `r'\S*'`, "'a|b'", "'.*'", `r'(?i)AN'`))
	}
}

// str is how the functions of texts are reached.
func (s *scribe) str(x string) string {
	if s.param != "" {
		return "(" + x + ")"
	}
	return "(" + x + ").str"
}

func (s *scribe) member(depth int) string {
	k := kind(s.IntN(3))
	var items []string
	for range s.IntN(10) {
		items = append(items, s.literal(k))
	}
	if s.IntN(3) == 0 {
		items = append(items, "None")
	}
	list := "[" + strings.Join(items, ", ") + "]"
	if s.param != "" {
		return fmt.Sprintf("(%s %s %s)", s.any(k, depth), s.oneOf("in", "not in"), list)
	}
	if s.IntN(3) == 0 {
		list = s.column(k) + s.oneOf("", ".unique()", ".dropna()")
	}
	return fmt.Sprintf("(%s).isin(%s)", s.any(k, depth), list)
}

func (s *scribe) nullTest(depth int) string {
	x := s.any(kind(s.IntN(4)), depth)
	if s.param != "" {
		return fmt.Sprintf("%s(%s)", s.oneOf("pd.isna", "pd.notna", "pd.isnull"), x)
	}
	return fmt.Sprintf("(%s).%s()", x, s.oneOf("isna", "notna", "isnull", "notnull"))
}

// choice is one of two values of the kind, by a condition.
func (s *scribe) choice(k kind, depth int) string {
	test, a, b := s.condition(depth), s.any(k, depth), s.any(k, depth)
	switch {
	case s.param != "":
		return fmt.Sprintf("(%s if %s else %s)", a, test, b)
	case s.IntN(3) == 0:
		return fmt.Sprintf("(%s if %s else %s)", a, s.ofAll(depth-1), b)
	case s.IntN(2) == 0:
		return fmt.Sprintf("(%s).where(%s, %s)", s.column(k), test, b)
	default:
		return fmt.Sprintf("np.where(%s, %s, %s)", test, a, b)
	}
}

func (s *scribe) duplicated(depth int) string {
	keep := s.oneOf("", "keep='first'", "keep='last'", "keep=False")
	if s.IntN(2) == 0 {
		x := s.joined(depth)
		if s.IntN(2) == 0 {
			x = s.column(kind(s.IntN(4)))
		}
		return fmt.Sprintf("(%s).duplicated(%s)", x, keep)
	}
	subset := s.oneOf("subset=['k', 'n']", "subset=['k']", "subset=['d', 'b', 'f']")
	return fmt.Sprintf("%s.duplicated(%s)", s.frame, strings.TrimSuffix(subset+", "+keep, ", "))
}

// lambda is a condition on one row or on one value.
func (s *scribe) lambda(depth int) string {
	inner := *s
	if s.IntN(2) == 0 {
		inner.param, inner.row = "r", true
		return fmt.Sprintf("%s.apply(lambda r: %s, axis=1)", s.frame, inner.condition(depth+1))
	}
	inner.param, inner.given = "v", kind(s.IntN(4))
	return fmt.Sprintf("%s.apply(lambda v: %s)", s.column(inner.given), inner.condition(depth+1))
}
