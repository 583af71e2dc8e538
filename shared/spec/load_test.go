package spec_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/spec"
)

const full = `sage_yaml: {name: n, description: d, version: 1.10, author: yes}
catalogs:
  ventas:
    name: Ventas
    description: Las ventas
    filename: ventas.csv
    file_format: {type: csv, delimiter: "\t", header: yes}
    fields:
      - name: 30001
        type: ENTERO
        required: on
        unique: 1
        validation_rules:
          - {name: r1, description: positivo, rule: "df['30001'] > 0", severity: WARNING}
      - {name: nota, type: texto}
    row_validation:
      - name: r2
        description: x
        rule: df['nota'].notnull()
packages:
  todo:
    name: Todo
    description:
    file_format: {type: ZIP}
    catalogs: [ventas]
    package_validation:
      - {name: r3, description: x, rule: "df['ventas']['nota'].isin(['a'])", severity: message}
`

func TestParse(t *testing.T) {
	t.Parallel()
	config, issues := spec.Parse("full.yaml", []byte(full))
	if len(issues) > 0 {
		t.Fatal(issues)
	}
	ventas := &spec.Catalog{
		ID: "ventas", Name: "Ventas", Description: "Las ventas", Filename: "ventas.csv",
		Format: spec.CSV, Delimiter: '\t', Header: true,
		Fields: []*spec.Field{
			{Name: "30001", Type: spec.Integer, Required: true, Unique: true, Rules: []*spec.Rule{
				{Name: "r1", Description: "positivo", Source: "df['30001'] > 0", Severity: spec.Warning, Scope: spec.ScopeField}}},
			{Name: "nota", Type: spec.Text},
		},
		RowRules: []*spec.Rule{{Name: "r2", Description: "x", Source: "df['nota'].notnull()", Severity: spec.Error, Scope: spec.ScopeRow}},
	}
	want := &spec.Config{
		File: "full.yaml", Name: "n", Description: "d", Version: "1.10", Author: "yes",
		Catalogs: []*spec.Catalog{ventas},
		Packages: []*spec.Package{{
			ID: "todo", Name: "Todo", Format: spec.ZIP, Catalogs: []*spec.Catalog{ventas},
			Rules: []*spec.Rule{{Name: "r3", Description: "x", Source: "df['ventas']['nota'].isin(['a'])", Severity: spec.Message, Scope: spec.ScopePackage}},
		}},
	}
	ignore := cmp.Options{cmpopts.IgnoreFields(spec.Rule{}, "Expr"), cmpopts.IgnoreUnexported(spec.Rule{}, spec.Catalog{})}
	if diff := cmp.Diff(want, config, ignore); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for rule := range rulesOf(config) {
		if rule.Expr == nil || rule.Err != nil {
			t.Errorf("rule %s: Expr %v, Err %v", rule.Name, rule.Expr, rule.Err)
		}
	}
}

// variant replaces a part of the full configuration.
func variant(old, changed string) string {
	if !strings.Contains(full, old) {
		panic("nothing to replace: " + old)
	}
	return strings.Replace(full, old, changed, 1)
}

func TestParseIssues(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		source string
		want   []string // line:column severity code, then what the text mentions
	}{
		"empty":              {"", []string{"1:1 error CONFIG_EMPTY sage_yaml"}},
		"only a comment":     {"# x\n", []string{"1:1 error CONFIG_EMPTY sage_yaml"}},
		"not a mapping":      {"- a\n", []string{"1:1 error CONFIG_WRONG_KIND a list"}},
		"every section":      {"{}", []string{"1:1 error CONFIG_MISSING_KEY sage_yaml", "1:1 error CONFIG_MISSING_KEY catalogs", "1:1 error CONFIG_MISSING_KEY packages"}},
		"syntax":             {"a: [\n", []string{"2:1 error CONFIG_SYNTAX brackets"}},
		"unclosed list":      {"a: 1\nb: [1, 2\nc: 3\n", []string{"2:1 error CONFIG_SYNTAX brackets"}},
		"dedent in a list":   {"a:\n  - b\n c: d\n", []string{"3:2 error CONFIG_SYNTAX indentation"}},
		"tab as indentation": {"a:\n  b: 1\n \tc: 2\n", []string{"3:2 error CONFIG_SYNTAX indentation"}},
		"two documents":      {full + "---\na: 1\n", []string{"28:1 error CONFIG_SYNTAX one document"}},
		"latin-1":            {"a: \xf1\n", []string{"1:4 error CONFIG_ENCODING UTF-8"}},
		"utf-16":             {"a\x00", []string{"1:2 error CONFIG_ENCODING UTF-8"}},
		"too large":          {strings.Repeat("#", spec.MaxBytes+1), []string{"0:0 error CONFIG_TOO_LARGE 1048576"}},
		"many brackets":      {strings.Repeat("[", 20_000), []string{"1:1 error CONFIG_SYNTAX"}},
		"too deep":           {strings.Repeat("[", 100) + strings.Repeat("]", 100), []string{"1:65 error CONFIG_TOO_DEEP 64"}},
		"alias bomb":         {bomb(), []string{"1:1 warning CONFIG_UNKNOWN_KEY", "11:7 error CONFIG_WRONG_KIND a list"}},
		"merge bomb":         {mergeBomb(), []string{"error CONFIG_TOO_LARGE aliases"}},
		"merge of itself":    {"a: &a\n  <<: *a\ncatalogs: *a\n", []string{"error CONFIG_TOO_DEEP merge"}},
		"unknown key":        {variant("author: yes", "author: yes, autor: x"), []string{"1:66 warning CONFIG_UNKNOWN_KEY ignored"}},
		"near key":           {variant("row_validation", "row_validations"), []string{"16:5 warning CONFIG_UNKNOWN_KEY row_validation;"}},
		"duplicate key":      {variant("name: Ventas", "name: Otro\n    name: Ventas"), []string{"5:5 warning CONFIG_DUPLICATE_KEY line 4"}},
		"missing type":       {variant(", type: texto", ""), []string{"15:9 error CONFIG_MISSING_KEY type: texto"}},
		"unknown type":       {variant("texto", "string"), []string{"15:28 error CONFIG_UNKNOWN_TYPE did you mean texto"}},
		"unknown severity":   {variant("WARNING", "fatal"), []string{"14:82 error CONFIG_UNKNOWN_SEVERITY error, warning, message"}},
		"unknown format":     {variant("type: csv", "type: xlsx"), []string{"7:25 error CONFIG_UNKNOWN_FORMAT EXCEL"}},
		"zip catalog":        {variant("type: csv", "type: zip"), []string{"7:25 error CONFIG_CATALOG_ZIP"}},
		"delimiter":          {variant(`"\t"`, `"ab"`), []string{"7:41 error CONFIG_DELIMITER one character"}},
		"no delimiter":       {variant(`, delimiter: "\t"`, ``), []string{"7:18 warning CONFIG_DELIMITER comma"}},
		"boolean":            {variant("header: yes", "header: maybe"), []string{"7:55 error CONFIG_WRONG_KIND true or false"}},
		"quoted boolean":     {variant("header: yes", "header: 'True'"), []string{"7:55 warning CONFIG_QUOTED_BOOLEAN true"}},
		"list for a text":    {variant("name: Ventas", "name: [a]"), []string{"4:11 error CONFIG_WRONG_KIND a text"}},
		"text for a list":    {variant("[ventas]", "ventas"), []string{"25:15 error CONFIG_WRONG_KIND a list"}},
		"no catalogs":        {variant("[ventas]", "[]"), []string{"25:15 error CONFIG_MISSING_KEY"}},
		"unknown catalog":    {variant("[ventas]", "[venta]"), []string{"25:16 error CONFIG_UNKNOWN_CATALOG expected ventas"}},
		"catalog twice":      {variant("[ventas]", "[ventas, ventas]"), []string{"25:24 warning CONFIG_DUPLICATE_CATALOG"}},
		"field twice":        {variant("name: nota", "name: 30001"), []string{"15:16 error CONFIG_DUPLICATE_FIELD", "19:18 error RULE_UNKNOWN_COLUMN", "27:56 error RULE_UNKNOWN_COLUMN"}},
		"rule":               {variant("> 0", "> X"), []string{"14:68 error RULE_UNKNOWN_NAME"}},
		"rule in characters": {variant("df['30001'] > 0", "df['30001'] != 'ñ' + Y"), []string{"14:75 error RULE_UNKNOWN_NAME"}},
		"rule with quotes":   {variant(`"df['30001'] > 0"`, `'df[''30001''] > X'`), []string{"14:70 error RULE_UNKNOWN_NAME"}},
		"rule with escapes":  {variant(`"df['30001'] > 0"`, `"df[\"30001\"] > X"`), []string{"14:70 error RULE_UNKNOWN_NAME"}},
		"rule in a block":    {variant("df['nota'].notnull()", "df['nota']\n          .foo()"), []string{"19:15 error RULE_UNKNOWN_METHOD"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			config, issues := spec.Parse("x.yaml", []byte(tt.source))
			if (config == nil) != issues.Structural() {
				t.Errorf("config %v with issues %v", config, issues)
			}
			for _, want := range tt.want {
				if !contains(issues, want) {
					t.Errorf("issues\n%v\nlack %s", issues, want)
				}
			}
			if len(tt.want) != len(issues) && !strings.Contains(name, "bomb") && !strings.Contains(name, "itself") {
				t.Errorf("%d issues, want %d: %v", len(issues), len(tt.want), issues)
			}
		})
	}
}

// contains looks for an issue that has all the words.
func contains(issues spec.Issues, want string) bool {
	for _, i := range issues {
		text := fmt.Sprintf("%d:%d %s %s", i.Line, i.Column, i.Severity, i.Code)
		rest, found := strings.CutPrefix(want, text)
		if !found {
			_, withoutPlace, _ := strings.Cut(text, " ")
			rest, found = strings.CutPrefix(want, withoutPlace)
		}
		if found && strings.Contains(i.String(), strings.TrimSpace(rest)) {
			return true
		}
	}
	return false
}

// bomb nests aliases so that following them all takes 9^9 steps.
func bomb() string {
	var b strings.Builder
	b.WriteString("x:\n  a: &a0 [x]\n")
	for i := 1; i < 10; i++ {
		fmt.Fprintf(&b, "  b%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 8), i-1)
	}
	return b.String() + "sage_yaml: {name: *a9}\ncatalogs: *a9\npackages: *a9\n"
}

func mergeBomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 {k: v}\n")
	for i := 1; i < 10; i++ {
		fmt.Fprintf(&b, "a%d: &a%d {<<: [%s*a%d]}\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 8), i-1)
	}
	return b.String() + "catalogs: *a9\n"
}

// wanted are the issues of the reference cases; all others have none.
var wanted = map[string]string{
	"d15_rule_raises":       "25:18 error RULE_UNKNOWN_COLUMN",
	"d16_name_error":        "21:13 error RULE_UNKNOWN_FUNCTION foo",
	"d25_yaml_missing_root": "1:1 error CONFIG_MISSING_KEY packages",
	"d26_yaml_bad_severity": "22:19 error CONFIG_UNKNOWN_SEVERITY",
	"d27_yaml_syntax":       "2:3 error CONFIG_SYNTAX",
	"d28_unsupported_type":  "17:13 error CONFIG_UNKNOWN_TYPE",
	"d41_zip_series_and":    "41:45 warning RULE_KEYWORD_ON_COLUMN .all()",
}

func TestParseReferenceCases(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob("testdata/cases/*.yaml")
	if len(files) != 41 {
		t.Fatalf("%d cases, not 41", len(files))
	}
	for _, file := range append(files, "testdata/speed.yaml") {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		_, issues := spec.Parse(file, data)
		want, some := wanted[name]
		if !some && len(issues) > 0 || some && (len(issues) != 1 || !contains(issues, want)) {
			t.Errorf("%s: got %v, want %q", name, issues, want)
		}
	}
}

func TestRuleErrorIsKept(t *testing.T) {
	t.Parallel()
	config, issues := spec.Parse("x.yaml", []byte(variant("> 0", "> X")))
	if config == nil || issues.Structural() || issues[0].Rule != "r1" {
		t.Fatalf("config %v, issues %v", config, issues)
	}
	rule := config.Catalogs[0].Fields[0].Rules[0]
	if rule.Expr != nil || rule.Err == nil || rule.Err.Code != spec.CodeRuleName {
		t.Errorf("Expr %v, Err %v", rule.Expr, rule.Err)
	}
	if other := config.Catalogs[0].RowRules[0]; other.Expr == nil || other.Err != nil {
		t.Errorf("another rule: Expr %v, Err %v", other.Expr, other.Err)
	}
}

func TestSelect(t *testing.T) {
	t.Parallel()
	csv, excel := &spec.Catalog{ID: "csv", Format: spec.CSV}, &spec.Catalog{ID: "excel", Format: spec.Excel}
	pack := func(id string, f spec.Format) *spec.Package {
		return &spec.Package{ID: id, Format: f, Catalogs: []*spec.Catalog{csv}}
	}
	config := &spec.Config{
		Catalogs: []*spec.Catalog{csv, excel},
		Packages: []*spec.Package{pack("a", spec.CSV), pack("b", spec.ZIP), pack("c", spec.ZIP)},
	}
	tests := map[string]struct {
		file, want string
		code       fault.Code
	}{
		"package":        {file: "x.csv", want: "a csv"},
		"case":           {file: "X.CSV", want: "a csv"},
		"first of two":   {file: "x.zip", want: "b csv"},
		"catalog":        {file: "x.xlsx", want: " excel"},
		"old Excel":      {file: `C:\dir.csv\x.xls`, want: " excel"},
		"unknown":        {file: "x.pdf", code: spec.CodeSelectFormat},
		"no extension":   {file: "csv", code: spec.CodeSelectFormat},
		"dot of a dir":   {file: "x.csv/data", code: spec.CodeSelectFormat},
		"trailing space": {file: "x.csv ", code: spec.CodeSelectFormat},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := config.Select(tt.file)
			if tt.code != "" {
				if fault.CodeOf(err) != tt.code || !fault.IsPermanent(err) {
					t.Errorf("Select(%q): %v, want %s", tt.file, err, tt.code)
				}
				return
			}
			id := ""
			if s.Package != nil {
				id = s.Package.ID
			}
			if got := id + " " + s.Catalogs[0].ID; err != nil || got != tt.want {
				t.Errorf("Select(%q) = %q, %v; want %q", tt.file, got, err, tt.want)
			}
		})
	}
	_, err := (&spec.Config{Catalogs: []*spec.Catalog{csv}}).Select("x.zip")
	if e, ok := errors.AsType[*fault.Error](err); !ok || e.Code != spec.CodeSelectNone {
		t.Errorf("a ZIP without packages: %v", err)
	}
}

func BenchmarkParse(b *testing.B) {
	data, err := os.ReadFile("testdata/speed.yaml")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() { // per configuration of 10 fields and 8 rules
		if _, issues := spec.Parse("speed.yaml", data); len(issues) > 0 {
			b.Fatal(issues)
		}
	}
}
