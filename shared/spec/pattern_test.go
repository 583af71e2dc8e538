package spec_test

import (
	"testing"

	"github.com/sagefleet/sagefleet/shared/spec"
)

func TestPatternsReadAsInPython(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		method string // after df['code'].str.
		text   string
		want   bool
	}{
		"match at the start":        {`match('b')`, "ab", false},
		"match leaves the end":      {`match('a')`, "ab", true},
		"match of alternatives":     {`match('x|b')`, "ab", false},
		"fullmatch":                 {`fullmatch('a')`, "ab", false},
		"fullmatch of alternatives": {`fullmatch('a|ab')`, "ab", true},
		"contains":                  {`contains('b$')`, "ab", true},
		"case":                      {`match('A', case=False)`, "ab", true},
		"case of plain text":        {`contains('.B', case=False, regex=False)`, "a.b", true},
		"plain text with signs":     {`contains('.B', case=False, regex=False)`, "axb", false},
		"unknown escape":            {`match('^\S+$')`, "a b", false},
		"letters of other scripts":  {`match(r'^\w+$')`, "ñandú", true},
		"letters in brackets":       {`match(r'^[\w-]+$')`, "ñandú-1", true},
		"digits of other scripts":   {`match(r'^\d+$')`, "٣", true},
		"not a letter":              {`match(r'^\W$')`, "ñ", false},
		"wide space":                {`match(r'^\s$')`, "\u3000", true},
		"bracket in brackets":       {`match(r'^[[:a]+$')`, "[:a", true},
		"bracket first":             {`match(r'^[]a]+$')`, "]a", true},
		"end of text":               {`match(r'a\Z')`, "a", true},
		"missing lower bound":       {`match(r'^a{,2}$')`, "aa", true},
		"class after brackets":      {`match(r'^[a]\w$')`, "añ", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			x, issues := spec.Compile("df['code'].str."+tt.method, spec.ScopeRow, sales())
			call, ok := x.(*spec.Call)
			if !ok || call.Pattern == nil {
				t.Fatalf("no pattern: %v", issues)
			}
			if got := call.Pattern.MatchString(tt.text); got != tt.want {
				t.Errorf("%s of %q = %v, want %v (compiled to %s)", tt.method, tt.text, got, tt.want, call.Pattern)
			}
		})
	}
}

func TestPlainTextHasNoPattern(t *testing.T) {
	t.Parallel()
	for _, source := range []string{`df['code'].str.contains('a b')`, `df['code'].str.contains('a.b', regex=False)`, `df['code'].str.replace('.', '') == 'a'`} {
		x, issues := spec.Compile(source, spec.ScopeRow, sales())
		if x == nil {
			t.Fatalf("%s: %v", source, issues)
		}
		spec.Walk(x, func(x spec.Expr) bool {
			if call, ok := x.(*spec.Call); ok && call.Pattern != nil {
				t.Errorf("%s is sought with the pattern %s", source, call.Pattern)
			}
			return true
		})
	}
}

func TestReplacement(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ source, text, want string }{
		"group":  {`df['code'].str.replace(r'(a)(b)', r'\2-\1', regex=True) == ''`, "ab", "b-a"},
		"name":   {`df['code'].str.replace(r'(?P<n>a)', r'[\g<n>]', regex=True) == ''`, "ab", "[a]b"},
		"dollar": {`df['code'].str.replace(r'a', '$1', regex=True) == ''`, "ab", "$1b"},
		"plain":  {`df['code'].str.replace(r'A', 'x', case=False) == ''`, "ab", "xb"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			x, issues := spec.Compile(tt.source, spec.ScopeRow, sales())
			if x == nil {
				t.Fatal(issues)
			}
			call := x.(*spec.Binary).X.(*spec.Call)
			if got := call.Pattern.ReplaceAllString(tt.text, call.Args[2].(*spec.Literal).Value.(string)); got != tt.want {
				t.Errorf("%q becomes %q, want %q", tt.text, got, tt.want)
			}
		})
	}
}

func TestTextsReadAsInPython(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ source, want string }{
		"escapes":         {`'a\tb\n\\\'\x41\u00f1\101'`, "a\tb\n\\'Añ" + "A"},
		"unknown escapes": {`'\S\d'`, `\S\d`},
		"raw":             {`r'\n\''`, `\n\'`},
		"adjacent":        {`'a' "b"`, "ab"},
		"triple":          {`'''it's'''`, "it's"},
		"unicode prefix":  {`u'a'`, "a"},
		"cut escape":      {`'\x4'`, `\x4`},
		"surrogate":       {`'\ud800'`, `\ud800`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			x, issues := spec.Compile("df['code'] == "+tt.source, spec.ScopeRow, sales())
			if x == nil {
				t.Fatal(issues)
			}
			if got := x.(*spec.Binary).Y.(*spec.Literal).Value; got != tt.want {
				t.Errorf("%s = %q, want %q", tt.source, got, tt.want)
			}
		})
	}
}

func TestCompileWithoutCatalogs(t *testing.T) {
	t.Parallel()
	for _, scope := range []spec.Scope{spec.ScopeRow, spec.ScopePackage} {
		if x, issues := spec.Compile("df['a'] > 0", scope); x != nil || issues.Errors() == 0 {
			t.Errorf("%v: %v, %v", scope, x, issues)
		}
	}
}
