package hostile

import (
	"fmt"
	"strings"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine/kernel"
)

var ruleClasses = []class{
	{"rule/code", ruleCode},
	{"rule/size", largeRules},
	{"rule/regex", regexBombs},
	{"rule/growth", growingRules},
	{"rule/numbers", ruleNumbers},
	{"rule/text", brokenRules},
}

// refusedRules are rules that each count as one error of their own. The code may be
// any when "".
func refusedRules(code fault.Code, rules ...string) []specimen {
	var all []specimen
	for _, rule := range rules {
		all = append(all, specimen{name: fmt.Sprintf("%.40s", rule), config: configWith(rule), exit: 1, code: code})
	}
	return all
}

func ruleCode() []specimen {
	all := refusedRules(spec.CodeRuleFunction,
		"__import__('os').system('touch /tmp/x')", "eval('1')", "exec('1')", "open('/etc/passwd').read()", "compile('1', '', 'eval')",
		"getattr(df, 'x')", "globals()", "print(df)", "input()", "breakpoint()", "vars(df)", "type(df)",
	)
	all = append(all, refusedRules("",
		"().__class__.__bases__[0].__subclasses__()", "df.__class__", "df['a'].__class__.__init__.__globals__", "''.__class__.__mro__[1]",
		"[].__class__", "(lambda: 0).__code__", "df.eval('a > 0')", "df.query('@pd.io.common.os.system(\"id\")')", "df.query('a')",
		"df.to_csv('/tmp/x')", "df.to_pickle('x')", "df['a'].to_csv('x')", "pd.read_csv('/etc/passwd')", "pd.read_pickle('x')", "pd.io.common.os.system('id')",
		"np.load('x')", "np.fromfile('/etc/passwd')", "pd.eval('1')", "df['a'].apply(eval)", "df['a'].map(open)", "df.pipe(print)", "os.system('id')",
		"df['a'].str.__class__", "df.apply(lambda x: __import__('os'), axis=1)", "[x for x in df]", "(x := 1)", "@pd.x", "import os", "lambda: 0",
		"f'{df}'", "df['a'] if True else df.__dict__", "df['a'].values.tofile('x')", "print", "...", "df; df", "yield 1", "await df", "*df", "**df",
	)...)
	return all
}

func largeRules() []specimen {
	term := "df['n'] > 0"
	large := map[string]string{
		"bytes":       term + strings.Repeat(" ", 17<<10),
		"1 text":      "df['a'] == '" + strings.Repeat("x", 20_000) + "'",
		"parentheses": strings.Repeat("(", 5_000) + term + strings.Repeat(")", 5_000),
		"open":        strings.Repeat("(", 16_000),
		"brackets":    strings.Repeat("[", 8_000) + strings.Repeat("]", 8_000),
		"signs":       strings.Repeat("-", 16_000) + "1 > 0",
		"nots":        strings.Repeat("not ", 4_000) + term,
		"powers":      strings.Repeat("2**", 5_000) + "2 > 0",
		"sum":         "df['n']" + strings.Repeat("+1", 5_000) + " > 0",
		"chain":       "0" + strings.Repeat("<1", 5_000),
		"methods":     "df['a']" + strings.Repeat(".abs()", 2_500),
		"subscripts":  "df" + strings.Repeat("['a']", 3_200),
		"attributes":  "df" + strings.Repeat(".a", 5_000),
		"conditions":  strings.Repeat("1 if 1 else ", 1_300) + "1",
		"lambdas":     strings.Repeat("lambda x:", 1_700) + "x",
		"list":        "df['n'].isin([" + strings.Repeat("1,", 8_000) + "])",
	}
	var all []specimen
	for name, rule := range large {
		all = append(all, specimen{name: name, config: configWith(rule), exit: 1, code: spec.CodeRuleTooLarge})
	}
	just := map[string]string{
		"just small enough sum":  "df['n']" + strings.Repeat("+1", 1_900) + " > 0",
		"just small enough ands": "(" + term + ")" + strings.Repeat("&("+term+")", 250),
		"just small enough list": "df['n'].isin([" + strings.Repeat("1,", 2_000) + "2])",
	}
	for name, rule := range just {
		all = append(all, specimen{name: name, config: configWith(rule)})
	}
	return all
}

func regexBombs() []specimen {
	match := func(pattern string) string { return "df['a'].str.match(r'" + pattern + "')" }
	var all []specimen
	for _, pattern := range []string{"(?=x)x", "(?!y)x", "(?<=a)b", "(?<!a)b", `(x)\1`, "(?P<q>x)(?P=q)", "x{1000}{1000}", "((x{100}){100}){100}", "x**", "(x", "[x", "x{1001}", "(?>x)", "x++", `\`} {
		all = append(all, specimen{name: fmt.Sprintf("%.30s", pattern), config: configWith(match(pattern)), exit: 1})
	}
	for i := range all {
		if all[i].name != `\` { // escapes the quote, so that the text never ends
			all[i].code = spec.CodeRuleRegex
		}
	}
	long := strings.Repeat("x", 30_000) + "!"
	for _, pattern := range []string{"(a+)+$", "(x+x+)+y", "(x|xx)+$", "(x?){500}x{500}", "^(([a-z])+.)+[A-Z]([a-z])+$", ".*.*.*.*=.*", "(x*)*(x*)*(x*)*y", "(?i)(x|X|y)*$"} {
		all = append(all, specimen{name: "slow elsewhere " + pattern, exit: 1, code: "row_rule", config: configWith(match(pattern)),
			data: around("a,n,f\n", repeat(long+",1,2024-01-01\n", 20), "y,1,2024-01-01\n")})
	}
	return append(all, specimen{name: "3,000 bytes", config: configWith(match(strings.Repeat("x", 3000))), exit: 1, code: spec.CodeRuleTooLarge})
}

// growingRules make much out of little.
func growingRules() []specimen {
	texts := around("a,n,f\n", repeat(strings.Repeat("x", 1000)+",1,2024-01-01\n", 2000), "")
	var all []specimen
	for name, rule := range map[string]string{
		"replace by more":       "df['a'].str.replace('x', '" + strings.Repeat("y", 10_000) + "').str.len() > 0",
		"replace every gap":     "df['a'].str.replace('', '" + strings.Repeat("y", 10_000) + "').str.len() > 0",
		"replace three times":   "df['a']" + strings.Repeat(".str.replace('x', '"+strings.Repeat("x", 1000)+"')", 3) + ".str.len() > 0",
		"replace by groups":     `df['a'].str.replace(r'(.*)', r'` + strings.Repeat(`\1`, 500) + `', regex=True).str.len() > 0`,
		"concatenation":         "(df['a']" + strings.Repeat("+df['a']", 400) + ").str.len() > 0",
		"doubling":              "df['a']" + strings.Repeat(".str.replace('x', 'xx')", 30) + ".str.len() > 0",
		"repeated in a literal": "df['a'] == 'x' * 1000000000",
		"repeated column":       "(df['a'] * 100000).str.len() > 0",
	} {
		all = append(all, specimen{name: name, config: configWith(rule), data: texts, exit: 1})
	}
	all = append(all, specimen{name: "replace in a cell of 1 MiB", config: configWith("df['a'].str.replace('x', '" + strings.Repeat("y", 10_000) + "').str.len() > 0"),
		data: around(csvHeader, repeat("x", 1<<20), ",1,2024-01-01\n"), exit: 1})
	for i := range all {
		if all[i].name != "repeated in a literal" && all[i].name != "repeated column" && all[i].name != "concatenation" {
			all[i].code = kernel.CodeTooLarge
		}
	}
	return all
}

func ruleNumbers() []specimen {
	var all []specimen
	for rule, exit := range map[string]int{
		"df['n'] / 0 > 0": 0, "df['n'] // 0 > 0": 1, "df['n'] % 0 == 0": 1, "df['n'] ** 1000 > 0": 0, "9**9**9**9 > 0": 0,
		"df['n'] + 9223372036854775807 > 0": 1, "-9223372036854775808 // -1 > 0": 1, "abs(-9223372036854775808) > 0": 1,
		"df['n'].shift(1000000000000) > 0": 1, "df['n'].shift(-9223372036854775808) > 0": 1, "df['n'].diff(9223372036854775807) > 0": 1, "df['n'].round(1000000) > 0": 0,
		"df['a'].str[9223372036854775807] == 'x'": 1, "df['a'].str[-9223372036854775808:] == 'x'": 1,
		"df['a'].str.slice(0, 9223372036854775807) != ''": 0, "df['a'].str[::0] == 'x'": 1, "df['n'] > 1e400": 1, "df['n'] > 1e-400": 0,
		"df['n'] > 99999999999999999999": 1, "df['f'] > pd.Timestamp('99999-01-01')": 1, "df['f'] + pd.Timedelta(days=99999999999) > df['f']": 1,
		"df['f'] > pd.Timestamp('x')": 1, "int('9' * 99999) > 0": 1, "df['n'].isin(df['n'])": 0,
	} {
		all = append(all, specimen{name: rule, config: configWith(rule), exit: exit})
	}
	return all
}

func brokenRules() []specimen {
	return append(refusedRules(spec.CodeRuleSyntax,
		"df['n'] >", "df['n'", "'", `"`, "'''", `'\`, "df['n'] > > 0", "df['n'] 0", "= 1", "df['n'] = 1", "1 +", ")", "]", "df[]", "df['n'] > 0x", "1e > 0", "0777 > 0", "?", "$a", "!", "‘a’ == ‘a’", "df[‘n’] > 0",
		"df['n'] > 0 \u202e ) (", "\x00", "\u200bdf['n'] > 0",
	), refusedRules("", "\uff44\uff46['n'] > 0", "df['\u0430'] == 'x'", "df.n > 0 #\n(", "df['n'] > 0 and")...)
}
