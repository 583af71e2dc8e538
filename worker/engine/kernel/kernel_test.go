package kernel_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine/kernel"
	"github.com/sagefleet/sagefleet/worker/engine/table"
)

// The catalog of most tests. Its fourth row is null but for the key.
//
//	k  t        n   d     f                    b
//	a  Ana      1   1.5   2024-01-31           true
//	b  ñandú    -2  2.5   2024-02-29 10:30:00  false
//	a  42       5   -0.5  2023-12-31           true
//	c  null     null …
//	b  x y      5   1e3   2024-01-31           false
var rows = map[string][]any{
	"k": {"a", "b", "a", "c", "b"},
	"t": {"Ana", "ñandú", "42", nil, "x y"},
	"n": {1, -2, 5, nil, 5},
	"d": {1.5, 2.5, -0.5, nil, 1e3},
	"f": {"2024-01-31 00:00", "2024-02-29 10:30", "2023-12-31 00:00", nil, "2024-01-31 00:00"},
	"b": {true, false, true, nil, false},
}

func catalog(id string, names string) *spec.Catalog {
	types := map[rune]spec.FieldType{'k': spec.Text, 't': spec.Text, 'n': spec.Integer, 'd': spec.Decimal, 'f': spec.Date, 'b': spec.Boolean}
	c := &spec.Catalog{ID: id, Name: id}
	for _, name := range names {
		c.Fields = append(c.Fields, &spec.Field{Name: string(name), Type: types[name]})
	}
	return c
}

func columns(t *testing.T, names string, rows map[string][]any) *kernel.Table {
	t.Helper()
	out := &kernel.Table{}
	for _, name := range names {
		values := rows[string(name)]
		out.Columns = append(out.Columns, column(t, name, values))
		out.Len = len(values)
		out.Names = append(out.Names, string(name))
	}
	return out
}

func column(t *testing.T, name rune, values []any) *table.Column {
	t.Helper()
	kinds := map[rune]table.Kind{'k': table.Text, 't': table.Text, 'n': table.Integer, 'd': table.Decimal, 'f': table.Date, 'b': table.Bool}
	col := &table.Column{}
	col.Reset(kinds[name], len(values))
	for i, v := range values {
		switch v := v.(type) {
		case nil:
			col.SetNull(i)
		case string:
			if name == 'f' {
				moment, err := time.Parse("2006-01-02 15:04", v)
				if err != nil {
					t.Fatal(err)
				}
				col.Ints[i] = moment.UnixNano()
				continue
			}
			col.SetText(i, []byte(v))
		case int:
			col.Ints[i] = int64(v)
		case float64:
			col.Floats[i] = v
		case bool:
			if v {
				col.Bits.Set(i)
			}
		}
	}
	return col
}

// answers evaluates a rule and writes its answers as 1 and 0, a single one for
// all rows in brackets.
func answers(t *testing.T, source string, scope spec.Scope, tables map[string]*kernel.Table, catalogs ...*spec.Catalog) (string, error) {
	t.Helper()
	expr, issues := spec.Compile(source, scope, catalogs...)
	if expr == nil {
		t.Fatalf("%s doesn't compile: %v", source, issues)
	}
	rule, err := kernel.Compile(expr)
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	frame := &kernel.Frame{Now: time.Date(2024, 1, 31, 12, 0, 0, 0, time.UTC).UnixNano(), Tables: func(id string) *kernel.Table { return tables[id] }}
	var first string
	for range 2 { // the second time in used memory
		result, err := rule.Eval(frame)
		if err != nil {
			return "", err
		}
		var b strings.Builder
		for i := range result.Len {
			b.WriteByte("01"[boolInt(result.Pass.Get(i))])
		}
		got := b.String()
		if result.Scalar {
			got = "[" + got + "]"
		}
		if first != "" && got != first {
			t.Fatalf("%s: %s, and %s the second time", source, first, got)
		}
		first = got
	}
	return first, nil
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

var ruleCases = map[string]string{
	// Comparisons: null compares false, and unequal.
	"df['n'] == 5": "00101", "df['n'] != 5": "11010", "df['n'] < 5": "11000", "df['n'] <= 5": "11101", "df['n'] > 1": "00101", "df['n'] >= 1": "10101",
	"df['d'] > df['n']": "11001", "df['d'] == 1.5": "10000", "df['t'] == 'Ana'": "10000", "df['t'] != 'Ana'": "01111", "df['t'] < 'a'": "10100",
	"df['b'] == True": "10100", "df['b'] != True": "01011", "df['f'] == '2024-01-31'": "10001", "df['f'] > '2024-01-31'": "01000",
	"df['f'] <= pd.Timestamp.now()": "10101", "1 < df['n']": "00101", "df['n'].between(1, 5)": "10101", "df['n'].between(1, 5, inclusive='left')": "10000",
	"df['n'].between(1, 5, inclusive='neither')": "00000", "df['f'].between('2024-01-01', '2024-01-31')": "10001", "df['n'].gt(1)": "00101",
	// Arithmetic: null stays null.
	"df['n'] + 1 == 2": "10000", "df['n'] - df['d'] < 0": "11001", "df['n'] * 2 == 10": "00101", "df['n'] / 2 == 2.5": "00101", "df['n'] // 2 == -1": "01000",
	"df['n'] % 3 == 1": "11000", "df['n'] ** 2 == 25": "00101", "-df['n'] == 2": "01000", "abs(df['n']) == 2": "01000", "df['d'].abs() == 0.5": "00100",
	"df['n'] // 0 == 0": "00000", "df['d'] / 0 > 1": "11001", "df['d'].round() == 2": "11000", "round(df['d'], 1) == 2.5": "01000", "df['n'] % -3 == -1": "00101",
	"(df['f'] - pd.Timestamp('2024-01-30')).dt.days == 1": "10001", "df['f'] + pd.Timedelta(days=1) == '2024-02-01'": "10001",
	"(df['f'] - df['f']).dt.total_seconds() == 0": "11101", "df['f'] - pd.Timedelta('12 hours') < '2024-01-31'": "10101",
	// Logic: there is no third truth value.
	"(df['n'] > 0) & (df['d'] > 0)": "10001", "(df['n'] > 4) | (df['d'] == 1.5)": "10101", "~(df['n'] > 4)": "11010", "df['n'] > 0 and df['d'] > 0": "10001",
	"not df['b']": "01001", "df['b']": "10100", "df['b'] | df['n'].isna()": "10110",
	// Nulls.
	"df['n'].isnull()": "00010", "df['t'].notna()": "11101", "pd.isna(df['d'])": "00010", "df['f'].notnull()": "11101", "np.isnan(df['d'])": "00010",
	"df['n'].fillna(0) == 0": "00010", "df['t'].fillna('?') == '?'": "00010", "df['f'].fillna('2000-01-01') < '2001-01-01'": "00010", "df['n'].fillna(df['d']) > 2": "00101",
	// Membership: as in pandas, null is among values with a null.
	"df['n'].isin([1, 5])": "10101", "df['n'].isin([1, None])": "10010", "df['t'].isin(['42', 'Ana'])": "10100", "df['d'].isin([1.5, 1000])": "10001",
	"df['k'].isin(['a','b','d','e','f','g','h','i','j'])": "11101", "~df['t'].isin(['Ana'])": "01111", "df['f'].isin(['2024-01-31'])": "10001", "df['n'].isin([])": "00000",
	"df['k'].isin(df['k'].unique())": "11111",
	// Text.
	"df['t'].str.match('A')": "10000", "df['t'].str.match('na')": "00000", "df['t'].str.fullmatch('[a-zñú]+')": "01000", "df['t'].str.contains('n')": "11000",
	"df['t'].str.contains(' ')": "00001", "~df['t'].str.contains(' ')": "11110", "df['t'].str.contains('^x|a$')": "10001", "df['t'].str.contains('N', case=False)": "11000",
	"df['t'].str.contains('.', regex=False)": "00000", "df['t'].str.match('x', na=True)": "00011", "df['t'].str.startswith('ñ')": "01000", "df['t'].str.endswith('y')": "00001",
	"df['t'].str.len() == 5": "01000", "df['t'].str.len() > 0": "11101", "df['t'].str.upper() == 'ÑANDÚ'": "01000", "df['t'].str.lower() == 'ana'": "10000",
	"df['t'].str.strip('xA') == 'na'": "10000", "df['t'].str.replace('a', 'o') == 'ñondú'": "01000", "df['t'].str.replace('[0-9]', '#', regex=True) == '##'": "00100",
	"df['t'].str[0] == 'ñ'": "01000", "df['t'].str[-1] == 'ú'": "01000", "df['t'].str[1:3] == 'an'": "01000", "df['t'].str.slice(0, -1) == '4'": "00100", "df['t'].str[9].isna()": "11111",
	"df['t'].str.zfill(5) == '00042'": "00100", "df['t'].str.isdigit()": "00100", "df['t'].str.isalpha()": "11000", "df['t'].str.isalnum()": "11100", "df['t'].str.isupper()": "00000",
	"df['t'].str.title() == 'X Y'": "00001", "df['t'].str.capitalize() == 'Ñandú'": "01000", "df['t'].str.count('a') == 1": "11000", "df['t'] + '!' == '42!'": "00100",
	"df['t'].str.match(r'^\\d+$')": "00100", "df['t'].str.match('^\\S+$')": "11100", "df['t'].str.match(r'\\w+$')": "11100", "df['t'].str.match(r'.*\\b')": "11101",
	// Conversions.
	"df['n'].astype(str) == '-2'": "01000", "df['n'].astype(float) == 5.0": "00101", "df['d'].astype(int) == 2": "01000", "df['d'].astype(str) == '1000'": "00001",
	"df['n'].astype(bool)": "11101", "df['b'].astype(int) == 1": "10100", "df['b'].astype(str) == 'True'": "10100", "df['f'].astype(str) == '2024-01-31'": "10001",
	"pd.to_numeric(df['t'], errors='coerce') == 42": "00100", "pd.to_datetime(df['f']).dt.year == 2024": "11001", "pd.to_datetime(df['t'], errors='coerce').isna()": "11111",
	// Dates.
	"df['f'].dt.month == 1": "10001", "df['f'].dt.day == 31": "10101", "df['f'].dt.weekday == 6": "00100", "df['f'].dt.dayofweek == 3": "01000", "df['f'].dt.hour == 10": "01000",
	"df['f'].dt.quarter == 4": "00100", "df['f'].dt.date == '2024-02-29'": "01000", "df['f'].dt.year.between(2020, 2023)": "00100", "df['f'].dt.dayofyear == 60": "01000",
	// Over several rows.
	"df['k'].duplicated()": "00101", "df['k'].duplicated(keep='last')": "11000", "df['k'].duplicated(keep=False)": "11101", "df.duplicated(subset=['k', 'n'])": "00000",
	"df['n'].shift() == 1": "01000", "df['n'].shift(-1) == 5": "01010", "df['n'].diff() > 0": "00100", "df['n'].cumsum() == 9": "00001", "df['n'].shift(1).isna()": "10001",
	"df['n'].shift(1, fill_value=0) == 0": "10000", "df['f'].diff().dt.days < 0": "00100",
	"df.groupby('k')['n'].transform('sum') == 6": "10100", "df.groupby('k')['n'].transform('count') == 2": "11101", "df['n'] == df.groupby('k')['n'].transform('max')": "00101",
	"df['n'] > df['n'].mean()": "00101", "df['n'] == df['n'].max()": "00101",
	// Choices and lambdas.
	"df['n'].where(df['n'] > 0, 0) == 0": "01010", "np.where(df['n'] > 0, df['d'], 0) == 0": "01010", "df['k'].map({'a': 1, 'b': 2}) == 2": "01001", "df['k'].map({'a': 1}).isna()": "01011",
	"df['n'].apply(lambda v: v > 0)": "10101", "df['n'].apply(lambda v: v in [1, 5])": "10101", "df['t'].apply(lambda v: 'a' in v)": "11000",
	"df.apply(lambda r: r['n'] > 0 and r['d'] > 0, axis=1)": "10001", "df.apply(lambda r: r['d'] > 2 if r['k'] == 'b' else True, axis=1)": "11111",
	"df['t'].apply(lambda v: len(v) == 3 if pd.notna(v) else True)": "10011", "df['t'].apply(lambda v: int(v) == 42 if v.isdigit() else False)": "00100",
	"df['t'].apply(lambda v: v.isdigit() and float(v) > 40)": "00100", "df.apply(lambda r: max(r['n'], r['d']) == 5, axis=1)": "00100", "df['n'].apply(lambda v: True)": "11111",
	"df['t'].apply(lambda v: v is None or v[0] == 'A')": "10010", "df['n'].apply(lambda v: 0 < v < 5)": "10000", "df['t'].apply(lambda v: v.upper() == v)": "00100",
	// One answer for all rows.
	"len(df) == 5": "[1]", "len(df.columns) == 6": "[1]", "df.shape[0] == 5": "[1]", "df.shape[1] == 2": "[0]", "df.empty": "[0]", "df['n'].sum() == 9": "[1]",
	"df['n'].mean() == 2.25": "[1]", "df['n'].median() == 3": "[1]", "df['n'].min() == -2": "[1]", "df['d'].max() > 999": "[1]", "df['n'].count() == 4": "[1]",
	"df['n'].nunique() == 3": "[1]", "df['n'].nunique(dropna=False) == 4": "[1]", "round(df['n'].std(), 3) == 3.403": "[1]", "df['k'].is_unique": "[0]",
	"(df['n'] > -3).all()": "[0]", "(df['n'] > 4).any()": "[1]", "df['b'].sum() == 2": "[1]", "df['t'].min() == '42'": "[1]", "df['f'].max() < '2024-03-01'": "[1]",
	"df['n'].dropna().min() == -2": "[1]", "df['n'][df['n'] > 0].sum() == 11": "[1]", "len(df[df['n'] > 0]) == 3": "[1]", "'k' in df.columns": "[1]", "df['b'].all()": "[0]",
	"df['k'].value_counts().max() == 2": "[1]", "len(df['k'].unique()) == 3": "[1]",
	// One answer per key.
	"df.groupby('k')['n'].sum() <= 6": "111", "df.groupby('k')['d'].mean() > 0": "110", "df.groupby('k')['n'].nunique() == 2": "110", "df['k'].value_counts() > 1": "110",
}

func TestRules(t *testing.T) {
	t.Parallel()
	cat := catalog("c", "ktndfb")
	tables := map[string]*kernel.Table{"c": columns(t, "ktndfb", rows)}
	for source, want := range ruleCases {
		got, err := answers(t, source, spec.ScopeCatalog, tables, cat)
		if err != nil || got != want {
			t.Errorf("%s\n  gives %s, %v, want %s", source, got, err, want)
		}
	}
}

func TestRulesOverCatalogs(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"df['v']['k'].isin(df['p']['k'])":                                        "1101",
		"df['p']['k'].isin(df['v']['k'])":                                        "110",
		"df['v'].groupby('k')['n'].sum() <= df['p'].set_index('k')['n']":         "100",
		"df['v']['n'] <= df['p'].set_index('k').loc[df['v']['k'], 'n'].values":   "1101",
		"df['v']['k'].isin(df['p']['k']) and df['p']['n'] > 0":                   "[0]",
		"df['v']['n'].sum() == df['p']['n'].sum() + 2":                           "[1]",
		"len(df['v']) > len(df['p'])":                                            "[1]",
		"df['v']['n'].max() <= df['p']['n'].max() and len(df['p'].columns) == 2": "[1]",
	}
	tables := map[string]*kernel.Table{
		"v": columns(t, "kn", map[string][]any{"k": {"a", "b", "x", "b"}, "n": {5, 3, 1, 4}}),
		"p": columns(t, "kn", map[string][]any{"k": {"a", "b", "c"}, "n": {5, 6, 0}}),
	}
	for source, want := range tests {
		got, err := answers(t, source, spec.ScopePackage, tables, catalog("v", "kn"), catalog("p", "kn"))
		if err != nil || got != want {
			t.Errorf("%s\n  gives %s, %v, want %s", source, got, err, want)
		}
	}
}

// TestRowErrors: a conversion names the row it fails on, and only fails on rows
// that count.
func TestRowErrors(t *testing.T) {
	t.Parallel()
	cat := catalog("c", "ktndfb")
	tables := map[string]*kernel.Table{"c": columns(t, "ktndfb", rows)}
	for _, source := range []string{
		"df['t'].astype(float) > 0", "df['t'].astype(int) > 0", "pd.to_numeric(df['t']) > 0", "pd.to_datetime(df['t']) > '2024-01-01'",
		"df['t'].apply(lambda v: float(v) > 0)",
	} {
		_, err := answers(t, source, spec.ScopeRow, tables, cat)
		if fault.CodeOf(err) != kernel.CodeValue || !strings.Contains(err.Error(), `row 0: "Ana"`) {
			t.Errorf("%s: %v, want %s for row 0", source, err, kernel.CodeValue)
		}
	}
	if _, err := answers(t, "df['v']['n'] == df['p']['n']", spec.ScopePackage, map[string]*kernel.Table{
		"v": columns(t, "n", map[string][]any{"n": {1}}), "p": columns(t, "n", map[string][]any{"n": {1, 2}}),
	}, catalog("v", "n"), catalog("p", "n")); fault.CodeOf(err) != kernel.CodeLength {
		t.Errorf("columns of two lengths: %v", err)
	}
}

// TestLocal: rules about single rows may be evaluated chunk by chunk, others not.
func TestLocal(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{
		"df['n'] > 0": true, "df['t'].str.match('a')": true, "df['k'].isin(['a'])": true, "df['n'].apply(lambda v: v > 1)": true, "df['f'] <= pd.Timestamp.now()": true,
		"df.apply(lambda r: r['n'] > r['d'], axis=1)": true, "np.where(df['n'] > 0, True, df['b'])": true,
		"df['n'] > df['n'].mean()": false, "df['n'].shift() > 0": false, "df['k'].duplicated()": false, "df['k'].isin(df['t'])": false, "df['n'].sum() > 0": false,
		"len(df) > 1": false, "df.groupby('k')['n'].transform('sum') > 0": false,
	}
	cat := catalog("c", "ktndfb")
	for source, want := range tests {
		expr, issues := spec.Compile(source, spec.ScopeCatalog, cat)
		if expr == nil {
			t.Fatalf("%s: %v", source, issues)
		}
		rule, err := kernel.Compile(expr)
		if err != nil || rule.Local != want {
			t.Errorf("%s: local %t, %v, want %t", source, rule.Local, err, want)
		}
	}
}

// FuzzRules: whatever the checker lets through is evaluated without a panic, a
// refusal has a code, and a rule that is local gives the same answers row by row.
func FuzzRules(f *testing.F) {
	for source := range ruleCases {
		f.Add(source)
	}
	cat := catalog("c", "ktndfb")
	f.Fuzz(func(t *testing.T, source string) {
		expr, _ := spec.Compile(source, spec.ScopeCatalog, cat)
		if expr == nil {
			return
		}
		rule, err := kernel.Compile(expr)
		if err != nil {
			if fault.CodeOf(err) == fault.Unclassified {
				t.Fatalf("%s: %v has no code", source, err)
			}
			return
		}
		whole, err := eval(rule, columns(t, "ktndfb", rows))
		if _, empty := eval(rule, columns(t, "ktndfb", nil)); empty != nil && fault.CodeOf(empty) == fault.Unclassified {
			t.Fatalf("%s: %v has no code", source, empty)
		}
		if err != nil || !rule.Local || rule.Scalar() {
			return
		}
		for i := range len(rows["k"]) {
			one := map[string][]any{}
			for name, values := range rows {
				one[name] = values[i : i+1]
			}
			if got, err := eval(rule, columns(t, "ktndfb", one)); err != nil || got != whole[i:i+1] {
				t.Fatalf("%s: row %d alone gives %q, %v, with the others %q", source, i, got, err, whole)
			}
		}
	})
}

func eval(rule *kernel.Rule, tab *kernel.Table) (string, error) {
	result, err := rule.Eval(&kernel.Frame{Tables: func(string) *kernel.Table { return tab }})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for i := range result.Len {
		b.WriteByte("01"[boolInt(result.Pass.Get(i))])
	}
	return b.String(), nil
}

// FuzzPattern holds the automaton to regexp, on every text.
func FuzzPattern(f *testing.F) {
	for _, p := range []string{`^[A-Z]{3}-[0-9]{6}$`, `a|b$`, `(?i)x+y?`, `^$`, `.*foo`, `\bx`, `(a|ab)(c|bcd)`, `[^a]z`, `a\z|\Ab`, `(?s).$`} {
		f.Add(p, "ABC-123456")
		f.Add(p, "x\nñfoo")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		re, err := regexp.Compile(pattern)
		if err != nil || len(pattern) > 200 {
			return
		}
		if got, want := kernel.Matcher(re)([]byte(text)), re.MatchString(text); got != want {
			t.Fatalf("%q on %q: %t, regexp says %t", pattern, text, got, want)
		}
	})
}

// TestEveryFunctionHasAKernel compiles one call of each function there is.
func TestEveryFunctionHasAKernel(t *testing.T) {
	t.Parallel()
	for _, fn := range spec.Functions() {
		if !kernel.Knows(fn) {
			t.Errorf("%s has no kernel", fn)
		}
	}
}
