package hostile

import (
	"fmt"
	"strings"

	"github.com/sagefleet/sagefleet/shared/spec"
)

var configClasses = []class{
	{"yaml/aliases", aliasBombs},
	{"yaml/depth", deepConfigs},
	{"yaml/merge", mergeBombs},
	{"yaml/duplicates", duplicateKeys},
	{"yaml/scalars", strangeScalars},
	{"yaml/encoding", configEncodings},
	{"yaml/syntax", brokenConfigs},
	{"yaml/kinds", wrongKinds},
	{"yaml/many", crowdedConfigs},
}

func configs(specimens ...specimen) []specimen { return specimens }

// laughs are anchors of which each repeats the one before: width^depth values.
func laughs(depth, width int, kind string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "l0: &l0 %s\n", map[string]string{"list": "[x]", "map": "{k: x}"}[kind])
	for level := 1; level <= depth; level++ {
		fmt.Fprintf(&b, "l%d: &l%d ", level, level)
		for i := range width {
			open := map[string]string{"list": "[", "map": "{"}[kind]
			if i > 0 {
				open = ", "
			}
			b.WriteString(open)
			if kind == "map" {
				fmt.Fprintf(&b, "k%d: ", i)
			}
			fmt.Fprintf(&b, "*l%d", level-1)
		}
		b.WriteString(map[string]string{"list": "]\n", "map": "}\n"}[kind])
	}
	return b.String()
}

func aliasBombs() []specimen {
	var all []specimen
	for _, kind := range []string{"list", "map"} {
		for _, size := range [][2]int{{6, 9}, {9, 9}, {40, 2}, {3, 1000}} {
			bomb := laughs(size[0], size[1], kind)
			last := fmt.Sprintf("*l%d", size[0])
			name := fmt.Sprintf("%s %d^%d", kind, size[1], size[0])
			all = append(all,
				specimen{name: name + " unused", config: bomb + plainConfig},
				specimen{name: name + " as catalogs", config: bomb + "sage_yaml: {}\ncatalogs: " + last + "\npackages: {}\n", exit: 2},
				specimen{name: name + " as fields", config: bomb + strings.Replace(plainConfig, "fields: [", "fields: ["+last+", ", 1), exit: 2},
			)
		}
	}
	var rules strings.Builder
	rules.WriteString("rule: &r {name: r, description: d, rule: \"df['n'] > 0\"}\nrules: &rules [")
	rules.WriteString(strings.Repeat("*r, ", 1000) + "]\nfields: &fields [")
	for i := range 300 {
		fmt.Fprintf(&rules, "{name: f%d, type: texto, validation_rules: *rules}, ", i)
	}
	rules.WriteString("]\n")
	return configs(append(all,
		specimen{name: "300,000 rules", config: rules.String() + strings.Replace(plainConfig, "fields: [{name: a, type: texto}, {name: n, type: entero}, {name: f, type: fecha}]", "fields: *fields", 1), exit: 2, code: spec.CodeTooLarge},
		specimen{name: "inside itself", config: "a: &a [*a]\n" + plainConfig, code: spec.CodeUnknownKey},
		specimen{name: "unknown", config: "a: *nobody\n" + plainConfig, exit: 2, code: spec.CodeSyntax},
	)...)
}

func deepConfigs() []specimen {
	var all []specimen
	for _, depth := range []int{65, 1000, 9_999, 20_000, 500_000} {
		code := spec.CodeTooDeep
		if depth > 9_999 {
			code = spec.CodeSyntax // the library has a limit of its own
		}
		for name, pair := range map[string][2]string{"lists": {"[", "]"}, "maps": {"{a: ", "}"}} {
			if depth*len(pair[0]+pair[1]) < spec.MaxBytes {
				all = append(all, specimen{name: fmt.Sprintf("%d %s", depth, name), exit: 2, code: code,
					config: "a: " + strings.Repeat(pair[0], depth) + strings.Repeat(pair[1], depth) + "\n" + plainConfig})
			}
		}
		all = append(all, specimen{name: fmt.Sprintf("%d open", depth), config: strings.Repeat("[", depth), exit: 2, code: spec.CodeSyntax})
		all = append(all, specimen{name: fmt.Sprintf("%d dashes", depth), config: strings.Repeat("- ", depth) + "x\n", exit: 2, code: code})
	}
	var indented strings.Builder
	for i := range 1000 {
		indented.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return configs(append(all, specimen{name: "1000 indents", config: indented.String(), exit: 2, code: spec.CodeTooDeep},
		specimen{name: "10^5 question marks", config: strings.Repeat("? ", 100_000), exit: 2, code: spec.CodeSyntax})...)
}

func mergeBombs() []specimen {
	var chain, fan strings.Builder
	chain.WriteString("m0: &m0 {name: x}\n")
	fan.WriteString("m0: &m0 {name: x}\n")
	for i := 1; i <= 100; i++ {
		fmt.Fprintf(&chain, "m%d: &m%d {<<: *m%d}\n", i, i, i-1)
		fmt.Fprintf(&fan, "m%d: &m%d {<<: [%s]}\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*m%d, ", i-1), 9), ", "))
	}
	about := func(value string) string {
		return strings.Replace(plainConfig, "sage_yaml: {", "sage_yaml: {<<: "+value+", ", 1)
	}
	return configs(
		specimen{name: "100 deep", config: chain.String() + about("*m100"), exit: 2, code: spec.CodeTooDeep},
		specimen{name: "9^100", config: fan.String() + about("*m100"), exit: 2},
		specimen{name: "9^8", config: fan.String() + about("*m8"), exit: 2, code: spec.CodeTooLarge},
		specimen{name: "a scalar", config: about("x"), exit: 2, code: spec.CodeWrongKind},
		specimen{name: "a list of scalars", config: about("[x, y]"), exit: 2, code: spec.CodeWrongKind},
		specimen{name: "itself", config: strings.Replace(plainConfig, "sage_yaml: {", "sage_yaml: &s {<<: *s, ", 1), exit: 2},
		specimen{name: "10^5 times the same", config: "m: &m {name: x}\n" + about("["+strings.TrimSuffix(strings.Repeat("*m, ", 100_000), ", ")+"]"), exit: 2, code: spec.CodeTooLarge},
		specimen{name: "harmless", config: "m: &m {comments: x}\n" + about("*m")},
	)
}

func duplicateKeys() []specimen {
	return configs(
		specimen{name: "in the root", config: plainConfig + "packages: {}\n", code: spec.CodeDuplicateKey},
		specimen{name: "the same again", config: plainConfig + plainConfig, code: spec.CodeDuplicateKey},
		specimen{name: "in a catalog", config: strings.Replace(plainConfig, "    name: c\n", "    name: c\n    name: c\n", 1), code: spec.CodeDuplicateKey},
		specimen{name: "50,000 times", config: plainConfig + strings.Repeat("x: 1\n", 50_000), code: spec.CodeDuplicateKey},
		specimen{name: "a field", config: strings.Replace(plainConfig, "{name: n, type: entero}", "{name: a, type: entero}", 1), exit: 2, code: spec.CodeDuplicateField},
	)
}

func strangeScalars() []specimen {
	name := func(value string) string { return strings.Replace(plainConfig, "name: config", "name: "+value, 1) }
	delimiter := func(value string) string {
		return strings.Replace(plainConfig, `delimiter: ","`, "delimiter: "+value, 1)
	}
	header := func(value string) string { return strings.Replace(plainConfig, "header: true", "header: "+value, 1) }
	var all []specimen
	for _, value := range []string{"1e400", "-.inf", ".nan", "0x" + strings.Repeat("f", 100), strings.Repeat("9", 100_000), "2001-99-99", "!!binary aGk=", "!!float x", "!custom x", "!!python/name:os.system x", "~"} {
		all = append(all, specimen{name: fmt.Sprintf("name %.40s", value), config: name(value)})
	}
	for _, value := range []string{`""`, `",,"`, `"\n"`, `"\""`, "[a]", "é", `"\0"`} {
		all = append(all, specimen{name: "delimiter " + value, config: delimiter(value), exit: 2})
	}
	for _, value := range []string{"1e400", "maybe", "[]", "2", "!!bool x"} {
		all = append(all, specimen{name: "header " + value, config: header(value), exit: 2, code: spec.CodeWrongKind})
	}
	return configs(append(all,
		specimen{name: "name of 900 KB", config: name(strings.Repeat("x", 900_000))},
		specimen{name: "one line of 1 MiB", config: plainConfig + "# " + strings.Repeat("x", spec.MaxBytes), exit: 2, code: spec.CodeTooLarge},
		specimen{name: "8 MiB", config: plainConfig + strings.Repeat("x: 1\n", 8<<20/5), exit: 2, code: spec.CodeTooLarge},
		specimen{name: "key of 900 KB", config: plainConfig + strings.Repeat("k", 900_000) + ": 1\n", exit: 2, code: spec.CodeSyntax},
		specimen{name: "quoted key of 900 KB", config: plainConfig + `? "` + strings.Repeat("k", 900_000) + "\"\n: 1\n", code: spec.CodeUnknownKey},
	)...)
}

func configEncodings() []specimen {
	utf16 := func(s string, low, high string) string {
		var b strings.Builder
		for _, c := range []byte(s) {
			b.WriteString(low + string(c) + high)
		}
		return b.String()
	}
	refused := map[string]string{
		"NUL": "a\x00" + plainConfig, "NUL at the end": plainConfig + "\x00", "UTF-16": "\xff\xfe" + utf16(plainConfig, "", "\x00"),
		"UTF-16 other way round": "\xfe\xff" + utf16(plainConfig, "\x00", ""), "Latin-1": plainConfig + "# a\xf1o\n",
		"half a character": plainConfig + "# \xc3", "overlong": plainConfig + "# \xc0\xaf\n", "surrogate": plainConfig + "# \xed\xa0\x80\n",
		"program": "\x7fELF\x02\x01\x01\x00\x00",
	}
	var all []specimen
	for name, config := range refused {
		all = append(all, specimen{name: name, config: config, exit: 2, code: spec.CodeEncoding})
	}
	return configs(append(all,
		specimen{name: "BOM", config: "\ufeff" + plainConfig},
		specimen{name: "line ends of Windows", config: strings.ReplaceAll(plainConfig, "\n", "\r\n")},
		specimen{name: "control character", config: plainConfig + "x: \x01\n", exit: 2, code: spec.CodeSyntax},
		specimen{name: "escape of a NUL", config: plainConfig + `x: "\0"` + "\n", code: spec.CodeUnknownKey},
		specimen{name: "line separator", config: plainConfig + "x: \"a\u2028b\"\n"},
	)...)
}

func brokenConfigs() []specimen {
	refused := map[string]string{
		"tab": "sage_yaml:\n\tname: x\n", "open quote": "a: \"b\n" + plainConfig, "open bracket": "a: [b\n" + plainConfig,
		"two documents": plainConfig + "---\n" + plainConfig, "anchor of nothing": "a: &\n", "percent": "%YAML 9.9\n---\n" + plainConfig,
		"bad tag": "a: !<\n", "JSON cut short": `{"sage_yaml": {"name"`, "indentation": "a:\n  b: 1\n c: 2\n", "at sign": "a: @b\n", "bad escape": `a: "\q"` + "\n",
	}
	var all []specimen
	for name, config := range refused {
		all = append(all, specimen{name: name, config: config, exit: 2, code: spec.CodeSyntax})
	}
	for name, config := range map[string]string{"comment": "# nothing\n", "blank": strings.Repeat("\n", 100_000)} {
		all = append(all, specimen{name: name, config: config, exit: 2, code: spec.CodeEmpty})
	}
	return configs(all...)
}

func wrongKinds() []specimen {
	var all []specimen
	for _, config := range []string{
		"x\n", "[]\n", "42\n", "- a\n- b\n", "{[a, b]: c}\n", "sage_yaml: []\ncatalogs: []\npackages: []\n", "sage_yaml: x\ncatalogs: 1\npackages: null\n",
	} {
		all = append(all, specimen{name: fmt.Sprintf("root %.30q", config), config: config, exit: 2, code: spec.CodeWrongKind})
	}
	for name, change := range map[string][2]string{
		"fields":     {"fields: [", "fields: {a: ["},
		"field":      {"{name: a, type: texto}", "a"},
		"field name": {"{name: a, type: texto}", "{name: [a], type: texto}"},
		"catalogs":   {"catalogs: [c]", "catalogs: c"},
		"catalog":    {"catalogs: [c]", "catalogs: [[c]]"},
		"format":     {"file_format: {type: CSV}", "file_format: CSV"},
		"rules":      {"    fields:", "    row_validation: yes\n    fields:"},
		"rule":       {"    fields:", "    row_validation: [x]\n    fields:"},
		"expression": {"    fields:", "    row_validation: [{name: x, description: d, rule: {a: b}}]\n    fields:"},
	} {
		config := strings.Replace(plainConfig, change[0], change[1], 1)
		if name == "fields" {
			config = strings.Replace(config, "type: fecha}]", "type: fecha}]}", 1)
		}
		all = append(all, specimen{name: name, config: config, exit: 2, code: spec.CodeWrongKind})
	}
	return configs(all...)
}

// crowdedConfigs are as large as a configuration may be: what is done once for
// each pair of things would take minutes.
func crowdedConfigs() []specimen {
	list := func(n int, unit func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(unit(i))
		}
		return b.String()
	}
	fields := func(n int) string {
		return list(n, func(i int) string { return fmt.Sprintf("{name: field%d, type: texto}, ", i) })
	}
	rules := func(n int, rule string) string {
		return "    row_validation:\n" + list(n, func(i int) string { return "    - {name: r, description: d, rule: \"" + fmt.Sprintf(rule, i) + "\"}\n" })
	}
	insert := func(fields, rules string) string {
		config := strings.Replace(plainConfig, "fields: [", "fields: ["+fields, 1)
		return strings.Replace(config, "    fields: [", rules+"    fields: [", 1)
	}
	return configs(
		specimen{name: "12,000 fields", config: insert(fields(12_000), ""), exit: 1, code: "structure"},
		specimen{name: "25,000 fields of one name", config: insert(strings.Repeat("{name: a, type: texto}, ", 25_000), ""), exit: 2, code: spec.CodeDuplicateField},
		specimen{name: "10,000 rules", config: insert("", rules(10_000, "df['n'] > %d")) + "\n", exit: 1, code: "row_rule"},
		specimen{name: "10,000 rules with unknown columns", config: insert("", rules(10_000, "df['field%dx'] > 0")), exit: 1, code: spec.CodeRuleColumn},
		specimen{name: "fields and rules with unknown columns", config: insert(fields(5_000), rules(5_000, "df['feild%d'] > 0")), exit: 1, code: spec.CodeRuleColumn},
		specimen{name: "50,000 unknown keys", config: plainConfig + list(50_000, func(i int) string { return fmt.Sprintf("katalogs%d: 1\n", i) }), code: spec.CodeUnknownKey},
		specimen{name: "50,000 unknown catalogs", config: strings.Replace(plainConfig, "catalogs: [c]", "catalogs: ["+list(50_000, func(i int) string { return fmt.Sprintf("c%d, ", i) })+"]", 1), exit: 2, code: spec.CodeUnknownCatalog},
		specimen{name: "4,000 catalogs", config: strings.Replace(plainConfig, "packages:", list(4_000, func(i int) string {
			return fmt.Sprintf("  c%d: {name: c, description: d, filename: c%d.csv, file_format: {type: CSV, delimiter: \",\"}, fields: [{name: a, type: texto}]}\n", i, i)
		})+"packages:", 1)},
	)
}
