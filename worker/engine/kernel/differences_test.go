package kernel_test

import (
	"testing"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine/kernel"
)

// TestDifferences holds what the row by row evaluator of package differential
// once answered otherwise than the kernels did.
func TestDifferences(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		// Python's floor division follows from the exact remainder.
		"df['d'] // 0.1 == 14": "10000", "1.0 // 0.1 == 9": "[1]", "df['d'] // -0.25 == 2": "00100",
		// null is among values that contain it, computed ones too.
		"df['f'].isin(['2024-01-31', None])": "10011", "df['n'].isin([df['n'].max(), None])": "00111",
		// Python's characters.
		"('\u00a0x\u3000' + df['k']).str.strip('abc').str.strip() == 'x'": "11111", "(df['k'] + '²').str[1].str.isdigit()": "11111",
		"(df['k'] + 'Ⅷ').str[1].str.isupper()": "11111",
		"(df['d'] / 0).astype(str) == 'inf'":   "11001", "(df['d'] / 0).astype(str) == '-inf'": "00100",
		// The truth of null is null.
		"~df['t'].astype(bool)": "00000", "df['n'].astype(bool).isna()": "00010", "df['t'].apply(lambda v: not v)": "00000",
		// A value that nobody asks for can't fail.
		"len(df) > 9 and (df['t'].astype(int) > 0).all()":                                           "[0]",
		"df['b'] if len(df) < 9 else df['t'].astype(int) > 0":                                       "10100",
		"df['n'].apply(lambda v: int('x') > 0 if v == 77 else v == 5)":                              "00101",
		"df.apply(lambda r: r['n'] > df['t'].astype(int).max() if r['k'] == 'z' else True, axis=1)": "11111",
	}
	cat := catalog("c", "ktndfb")
	tables := map[string]*kernel.Table{"c": columns(t, "ktndfb", rows)}
	for source, want := range tests {
		if got, err := answers(t, source, spec.ScopeCatalog, tables, cat); err != nil || got != want {
			t.Errorf("%s\n  gives %s, %v, want %s", source, got, err, want)
		}
	}
}

// TestWholeColumnsAreNotMasked: an aggregate inside of a condition is of all
// rows, so that a text which is no number is an error wherever it stands. It
// used to count as 0.
func TestWholeColumnsAreNotMasked(t *testing.T) {
	t.Parallel()
	cat := catalog("c", "ktndfb")
	tables := map[string]*kernel.Table{"c": columns(t, "ktndfb", rows)}
	for _, source := range []string{
		"df.apply(lambda r: r['n'] > df['t'].astype(int).max() if r['t'] == '42' else True, axis=1)",
		"df['t'].str.isdigit() & df['n'].isin(df['t'].astype(int))",
		"df['t'].str.isdigit() & (df['t'].astype(int).shift(0) == 42)",
		"(df['k'] == 'b') & (df['n'] > int('x'))",
	} {
		if got, err := answers(t, source, spec.ScopeCatalog, tables, cat); fault.CodeOf(err) != kernel.CodeValue {
			t.Errorf("%s\n  gives %s, %v, want %s", source, got, err, kernel.CodeValue)
		}
	}
}

func TestLambdaOverNoRows(t *testing.T) {
	t.Parallel()
	tables := map[string]*kernel.Table{"c": columns(t, "n", nil)}
	if got, err := answers(t, "df['n'].apply(lambda v: v > int('x'))", spec.ScopeCatalog, tables, catalog("c", "n")); err != nil || got != "" {
		t.Errorf("%q, %v, want no answer and no error", got, err)
	}
}

// TestDatesOutOfReach: a difference of more than 292 years doesn't fit in 64 bits
// of nanoseconds. It used to wrap around.
func TestDatesOutOfReach(t *testing.T) {
	t.Parallel()
	cat := catalog("c", "fn")
	tables := map[string]*kernel.Table{"c": columns(t, "fn", map[string][]any{"f": {"2200-01-01 00:00", "1900-01-01 00:00", nil}, "n": {1, 2, 3}})}
	tests := map[string]string{ // to the answers, or to "" for an error
		"df['f'] - pd.Timestamp('1900-01-01') > pd.Timedelta(days=1)":                     "",
		"df['f'].diff().dt.days < 0":                                                      "",
		"df['f'].max() - df['f'].min() > pd.Timedelta(days=1)":                            "",
		"df['f'] + pd.Timedelta(days=36500) > '2000-01-01'":                               "",
		"(df['f'] - df['f'] + pd.Timedelta(days=1)) * 200000 > pd.Timedelta(days=1)":      "",
		"(df['n'] == 2) & (df['f'] - pd.Timestamp('1900-01-01') == pd.Timedelta(days=0))": "010",
		"df['f'] - pd.Timestamp('2000-01-01') > pd.Timedelta(days=1)":                     "100",
	}
	for source, want := range tests {
		got, err := answers(t, source, spec.ScopeCatalog, tables, cat)
		if want == "" && fault.CodeOf(err) != kernel.CodeRange || want != "" && (err != nil || got != want) {
			t.Errorf("%s\n  gives %q, %v, want %q or %s", source, got, err, want, kernel.CodeRange)
		}
	}
}

// TestKeysOfTheLeftSide: whatever the operator, the answers are for the keys on
// its left, and keys that are integers find those that are decimals.
func TestKeysOfTheLeftSide(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"df['v'].groupby('k')['n'].sum() >= df['p'].set_index('k')['n']": "110",
		"df['v'].groupby('k')['n'].sum() > df['p'].set_index('k')['n']":  "010",
		"df['p'].set_index('k')['n'] >= df['v'].groupby('k')['n'].sum()": "1000",
		"df['v'].groupby('n')['n'].sum() == df['p'].set_index('d')['n']": "1000",
		"df['p'].set_index('d')['n'].loc[df['v']['n']].isna()":           "0111",
	}
	tables := map[string]*kernel.Table{
		"v": columns(t, "kn", map[string][]any{"k": {"a", "b", "x", "b"}, "n": {5, 3, 1, 4}}),
		"p": columns(t, "knd", map[string][]any{"k": {"a", "b", "c", "d"}, "n": {5, 6, 0, 0}, "d": {5.0, 0.5, nil, 8.0}}),
	}
	for source, want := range tests {
		if got, err := answers(t, source, spec.ScopePackage, tables, catalog("v", "kn"), catalog("p", "knd")); err != nil || got != want {
			t.Errorf("%s\n  gives %s, %v, want %s", source, got, err, want)
		}
	}
}
