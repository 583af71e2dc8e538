package spec_test

import (
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/spec"
)

// yamlLineEnd is where YAML 1.1 ends a line.
var yamlLineEnd = regexp.MustCompile(`\r\n|[\n\r\x{85}\x{2028}\x{2029}]`)

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/cases/*.yaml")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(full))
	f.Add([]byte(faulty))
	f.Add([]byte(bomb()))
	f.Add([]byte(mergeBomb()))
	f.Fuzz(func(t *testing.T, data []byte) {
		config, issues := spec.Parse("f.yaml", data)
		if (config == nil) != issues.Structural() {
			t.Fatalf("config %v, issues %v", config, issues)
		}
		lines := yamlLineEnd.Split(string(data), -1)
		for _, i := range issues {
			checkIssue(t, i, lines)
		}
		again, same := spec.Parse("f.yaml", data)
		if diff := cmp.Diff(texts(issues), texts(same)); diff != "" || (again == nil) != (config == nil) {
			t.Fatalf("the same bytes give another answer: %s", diff)
		}
		if config == nil {
			return
		}
		for rule := range rulesOf(config) {
			if (rule.Expr == nil) == (rule.Err == nil) {
				t.Fatalf("rule %q: Expr %v, Err %v", rule.Name, rule.Expr, rule.Err)
			}
		}
	})
}

func rulesOf(config *spec.Config) iter.Seq[*spec.Rule] {
	return func(yield func(*spec.Rule) bool) {
		var all []*spec.Rule
		for _, c := range config.Catalogs {
			all = append(append(all, c.RowRules...), c.CatalogRules...)
			for _, f := range c.Fields {
				all = append(all, f.Rules...)
			}
		}
		for _, p := range config.Packages {
			all = append(all, p.Rules...)
		}
		slices.Values(all)(yield)
	}
}

// checkIssue asserts what every issue promises to whoever shows it.
func checkIssue(t *testing.T, i spec.Issue, lines []string) {
	t.Helper()
	switch {
	case i.Code == "" || i.Message == "" || i.Expected == "" && i.Hint == "":
		t.Fatalf("an issue that doesn't say what to do: %v", i)
	case i.Severity != spec.Error && i.Severity != spec.Warning:
		t.Fatalf("severity %v: %v", i.Severity, i)
	case i.Code == spec.CodeTooLarge && i.Line == 0:
	case i.Line < 1 || i.Line > len(lines) || i.Column < 1 || i.Column > utf8.RuneCountInString(lines[i.Line-1])+1:
		t.Fatalf("line %d of %d, column %d: %v", i.Line, len(lines), i.Column, i)
	}
}

func FuzzRule(f *testing.F) {
	rules, err := os.ReadFile("testdata/rules.txt")
	if err != nil {
		f.Fatal(err)
	}
	for rule := range strings.Lines(string(rules)) {
		f.Add(rule, uint8(spec.ScopeCatalog))
		f.Add(rule, uint8(spec.ScopePackage))
	}
	for _, rule := range []string{
		`df.apply(lambda x: x['price'] > 1 if x['paid'] else False, axis=1)`, `0 < df['price'] ** -2 <= 1`,
		`df['sales'].groupby('code')['price'].transform('sum').shift(1).fillna(0) > {1, 2}`, `df['code'].str[1:].str[0] == r'\\'`,
		`df['code'].str.replace(r'(\w)[^\S]', '\\1$', regex=True).isin(("a", 'b'))`, `df[df['paid']].empty`, `"""a""" 'b' in df.columns`,
		`df['due'] - df['date'] < pd.Timedelta(days=3)`, `df.duplicated(['code'], keep=False)`,
	} {
		f.Add(rule, uint8(spec.ScopeRow))
	}
	f.Fuzz(func(t *testing.T, source string, s uint8) {
		scope := spec.Scope(s%4 + 1)
		x, issues := compileIn(scope, source)
		if (x == nil) != (issues.Errors() > 0) {
			t.Fatalf("Compile = %v with issues %v", x, issues)
		}
		lines := strings.Split(source, "\n")
		for _, i := range issues {
			checkIssue(t, i, lines)
		}
		again, same := compileIn(scope, source)
		if diff := cmp.Diff(texts(issues), texts(same)); diff != "" || (again == nil) != (x == nil) {
			t.Fatalf("compiling again differs: %s", diff)
		}
		checkTree(t, x, source)
	})
}

func texts(issues spec.Issues) (all []string) {
	for _, i := range issues {
		all = append(all, i.String())
	}
	return all
}

// checkTree asserts what whoever evaluates an expression relies on.
func checkTree(t *testing.T, x spec.Expr, source string) {
	t.Helper()
	known := spec.Functions()
	spec.Walk(x, func(x spec.Expr) bool {
		if x.Pos() < 0 || int(x.Pos()) > len(source) {
			t.Fatalf("%T stands at %d in %q", x, x.Pos(), source)
		}
		if x.Type().Kind == 0 {
			t.Fatalf("%T has no type in %q", x, source)
		}
		switch x := x.(type) {
		case *spec.Call:
			if _, found := slices.BinarySearch(known, x.Fn); !found {
				t.Fatalf("the function %s isn't listed", x.Fn)
			}
			if strings.HasPrefix(string(x.Fn), "str.") && x.Pattern == nil && (x.Fn == "str.match" || x.Fn == "str.fullmatch") {
				t.Fatalf("%s has no pattern in %q", x.Fn, source)
			}
		case *spec.Literal, *spec.List, *spec.Dict, *spec.Column, *spec.Table, *spec.Param, *spec.Cell, *spec.Unary,
			*spec.Binary, *spec.Cond, *spec.Lambda, *spec.Group, *spec.Index:
		default:
			t.Fatalf("%T escapes in %q", x, source)
		}
		return true
	})
}
