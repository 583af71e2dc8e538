package spec

import (
	"cmp"

	"go.yaml.in/yaml/v3"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// pending is a rule whose expression waits for its catalogs.
type pending struct {
	rule *Rule
	node *yaml.Node // of the expression
}

// rules reads a list of rules; missing or null is none.
func (r *reader) rules(o object, key string, scope Scope) ([]*Rule, []pending) {
	var rules []*Rule
	var waiting []pending
	for _, item := range r.sequence(o.get(key), key+" of "+o.what) {
		ro := r.object(item, "a rule of "+o.what, "name", "description", "rule", "severity")
		if !ro.ok {
			continue
		}
		rule := &Rule{Scope: scope, Severity: Error, Name: ro.requiredText("name", "a name")}
		if rule.Name != "" {
			ro.what = "the rule " + rule.Name
		}
		rule.Description = ro.statedText("description", "the message people see")
		rule.Source = ro.requiredText("rule", "df['column'] > 0")
		if node := ro.get("severity"); node != nil {
			rule.Severity = Severity(ro.choice("severity", node, severityNames[:], CodeUnknownSeverity))
		}
		rules = append(rules, rule)
		if node := ro.get("rule"); node != nil && rule.Source != "" {
			rule.where = r.place(node)
			waiting = append(waiting, pending{rule, node})
		}
	}
	return rules, waiting
}

// compile gives each rule its expression or its error.
func (r *reader) compile(rules []pending, catalogs ...*Catalog) {
	for _, p := range rules {
		x, errs, warnings := compile(p.rule.Source, p.rule.Scope, catalogs)
		p.rule.Expr = x
		for _, e := range errs {
			fe := r.ruleIssue(p.rule, e, Error)
			p.rule.Err = cmp.Or(p.rule.Err, fe)
		}
		for _, w := range warnings {
			_ = r.ruleIssue(p.rule, w, Warning)
		}
	}
}

func (r *reader) ruleIssue(rule *Rule, e *ruleError, severity Severity) *fault.Error {
	line, column := rule.Position(e.pos)
	at := e.At(r.file, line, column)
	r.add(Issue{Error: at, Severity: severity, Rule: cmp.Or(rule.Name, "?")})
	return at
}
