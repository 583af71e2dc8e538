package k8s

import (
	"fmt"
	"maps"
	"slices"
	"testing"
)

// violation is one break of one rule by one object.
type violation struct{ rule, at, what string }

func (v violation) String() string { return fmt.Sprintf("%s: %s (rule %q)", v.at, v.what, v.rule) }

type reporter func(at, format string, args ...any)

// rules are what every overlay is held against.
var rules = map[string]func(set, reporter){
	"restricted": checkRestricted,
	"confined":   checkConfined,
	"images":     checkImages,
	"resources":  checkResources,
	"scratch":    checkScratch,
	"probes":     checkProbes,
	"grace":      checkGrace,
	"available":  checkAvailable,
	"budget":     checkBudget,
	"ports":      checkPorts,
	"network":    checkNetwork,
	"secrets":    checkSecrets,
	"identity":   checkIdentity,
	"references": checkReferences,
	"selectors":  checkSelectors,
	"scaling":    checkScaling,
}

// check applies every rule to s.
func check(s set) []violation {
	var found []violation
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		rules[name](s, func(at, format string, args ...any) {
			found = append(found, violation{name, at, fmt.Sprintf(format, args...)})
		})
	}
	return found
}

func TestOverlaysKeepTheRules(t *testing.T) {
	t.Parallel()
	for _, overlay := range overlays {
		for _, v := range check(objects(t, overlay)) {
			t.Errorf("%s: %s", overlay, v)
		}
	}
}

// TestRulesCatch breaks production in one way after the other: each must be caught by
// the rule that it is there for, and each rule must catch something.
func TestRulesCatch(t *testing.T) {
	t.Parallel()
	caught := map[string]bool{}
	for name, b := range breakages {
		s := objects(t, "production")
		b.spoil(s)
		found := check(s)
		if !slices.ContainsFunc(found, func(v violation) bool { return v.rule == b.rule && v.at == b.at }) {
			t.Errorf("%s: rule %q says nothing of %s, the rules say %v", name, b.rule, b.at, found)
		}
		caught[b.rule] = true
	}
	for name := range rules {
		if !caught[name] {
			t.Errorf("no breakage shows that rule %q catches anything", name)
		}
	}
}
