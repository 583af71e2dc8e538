package hostile

import (
	"fmt"
	"strings"

	"github.com/sagefleet/sagefleet/shared/spec"
)

var valueClasses = []class{
	{"value/formula", formulas},
	{"value/HTML", markup},
	{"value/terminal", terminalCodes},
	{"value/number", strangeNumbers},
	{"value/date", strangeDates},
	{"value/unique", collidingValues},
}

// quoteCell writes a value so that no reader takes it apart.
func quoteCell(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

func formulas() []specimen {
	var all []specimen
	for _, value := range []string{`=cmd|'/C calc'!A0`, `=HYPERLINK("http://127.0.0.1:9/?"&A1)`, "+1+1", "-1-1", "@SUM(1)", "\t=1", "\r=1", "=WEBSERVICE(1)", `=DDE("cmd";"/C calc")`, "%0A=1"} {
		all = append(all, specimen{name: fmt.Sprintf("%q", value), exit: 1, code: "type",
			data: text(csvHeader + "x," + quoteCell(value) + ",2024-01-01\n")})
	}
	return all
}

var payloads = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'><svg/onload=alert(1)>`, `</title><script>alert(1)</script>`,
	`</style><script>alert(1)</script>`, `<iframe src="javascript:alert(1)">`, `<!--<img src="--><img src=x onerror=alert(1)//">`, "<a href=\"javascript:alert(1)\">x</a>",
	`{{.}}<b>`, `<meta http-equiv=refresh content=0>`, "<\u2028script>alert(1)</script>", `<ScRiPt>alert(1)</sCrIpT>`,
}

// markup stands where a report repeats what a file or a configuration says.
func markup() []specimen {
	var all []specimen
	for i, payload := range payloads {
		place := func(where string, s specimen) {
			s.name, s.payload = fmt.Sprintf("%s %d", where, i+1), payload
			all = append(all, s)
		}
		place("cell", specimen{data: text(csvHeader + "x," + quoteCell(payload) + ",2024-01-01\n"), exit: 1, code: "type"})
		place("header", specimen{data: text(quoteCell(payload) + ",n,f\nx,1,2024-01-01\n"), exit: 1, code: "structure"})
		place("rule", specimen{config: configOf("n", "{name: a, type: texto}", "df['a'] == "+pythonText(payload), payload), data: text("a\nx\n"), exit: 1, code: "row_rule"})
		place("broken rule", specimen{config: configWith("df[" + pythonText(payload) + "]"), exit: 1, code: spec.CodeRuleColumn})
		if !strings.Contains(payload, "\u2028") {
			place("key", specimen{config: plainConfig + quoteYAML(payload) + ": 1\n", code: spec.CodeUnknownKey})
		}
		place("field", specimen{config: configOf("n", "{name: "+quoteYAML(payload)+", type: texto, required: true}", "", ""), exit: 1, code: "structure"})
		place("entry", specimen{file: "data.zip", data: archive(part{name: "c.csv", content: plainCSV}, part{name: "f/" + payload, content: text("x")})})
	}
	return all
}

func pythonText(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
func quoteYAML(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// terminalCodes would move the cursor, change the title or answer for the user.
func terminalCodes() []specimen {
	var all []specimen
	for name, code := range map[string]string{
		"colour": "\x1b[31m", "clear": "\x1b[2J\x1b[H", "title": "\x1b]0;x\x07", "clipboard": "\x1b]52;c;eA==\x07", "report": "\x1b[6n", "C1": "\u009b31m", "backspaces": "x\b\b\b", "delete": "\x7f", "bell": "\a", "return": "a\rb",
	} {
		all = append(all,
			specimen{name: name + " in a header", summary: true, data: text(quoteCell(code) + ",n,f\nx,1,2024-01-01\n"), exit: 1, code: "structure"},
			specimen{name: name + " in a rule", summary: true, config: configOf("n", "{name: a, type: texto}", "df['a'] == 'y'", code), data: text("a\nx\n"), exit: 1, code: "row_rule"},
			specimen{name: name + " in a broken rule", summary: true, config: configWith("df['" + code + "']"), exit: 1},
		)
	}
	return all
}

func strangeNumbers() []specimen {
	var all []specimen
	number := func(name, value string, bad bool) {
		s := specimen{name: name + " " + fmt.Sprintf("%.30q", value), config: configOf("n", "{name: d, type: decimal}, {name: e, type: texto}", "", ""), data: text("d,e\n" + value + ",x\n")}
		if bad {
			s.exit, s.code = 1, "type"
		}
		all = append(all, s)
	}
	for _, value := range []string{"1e400", "-1e400", "NaN", "inf", "-Infinity", "0x10", "1_000", "١٢٣", "1e", "--1", "1.2.3", "1e99999999999999999999", "½", "１", "+-1", "1 000", "."} {
		number("bad", value, true)
	}
	for _, value := range []string{"1e-400", "0." + strings.Repeat("0", 100_000) + "1", strings.Repeat("0", 100_000) + "1", "1e308", "-0", "1." + strings.Repeat("3", 100_000)} {
		number("good", value, false)
	}
	for _, value := range []string{"9223372036854775808", "-9223372036854775809", strings.Repeat("9", 100_000), "1.5", "1e3x", "0x7f"} {
		all = append(all, specimen{name: fmt.Sprintf("integer %.30q", value), data: text(csvHeader + "x," + value + ",2024-01-01\n"), exit: 1, code: "type"})
	}
	return all
}

func strangeDates() []specimen {
	var all []specimen
	for _, value := range []string{"2024-02-30", "2023-02-29", "0000-00-00", "2024-13-01", "99999-01-01", "-0001-01-01", "2024-01-01T25:00:00", "31/31/2024", "20241301", "2024-1", "now", "1e9", "２０２４-01-01", strings.Repeat("1", 100_000), "2024-01-01" + strings.Repeat("0", 1000)} {
		all = append(all, specimen{name: fmt.Sprintf("%.30q", value), data: text(csvHeader + "x,1," + value + "\n"), exit: 1, code: "type"})
	}
	return append(all, specimen{name: "orders that contradict", data: text(csvHeader + "x,1,13/01/2024\nx,1,01/13/2024\n"), exit: 1, code: "type"})
}

func collidingValues() []specimen {
	unique := func(kind string) string {
		return configOf("n", "{name: u, type: "+kind+", unique: true}, {name: v, type: texto}", "", "")
	}
	return []specimen{
		{name: "10^6 of one value", config: unique("texto"), data: around("u,v\n", repeat("x,\n", 1_000_000), ""), exit: 1, code: "unique"},
		{name: "10^6 texts", config: unique("texto"), data: join(text("u,v\n"), numbered(1_000_000, func(i int) string { return mixed(i) + ",\n" }))},
		{name: "10^6 multiples of a power", config: unique("entero"), data: join(text("u,v\n"), numbered(1_000_000, func(i int) string { return fmt.Sprint(int64(i)<<40, ",\n") }))},
		{name: "zeros of two signs", config: unique("decimal"), data: text("u,v\n0,\n-0,\n"), exit: 1, code: "unique"},
		{name: "composed and decomposed", config: unique("texto"), data: text("u,v\né,\ne\u0301,\n")},
	}
}
