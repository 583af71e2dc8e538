package terraform

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestExamplesKeepThePolicies: both examples as they would stand.
func TestExamplesKeepThePolicies(t *testing.T) {
	for _, name := range []string{"minimal", "production"} {
		for _, v := range check(mocked(t)[name]) {
			t.Errorf("%s: %s", name, v)
		}
	}
}

// TestEveryExcuseIsNeeded: a wildcard that was narrowed loses its excuse.
func TestEveryExcuseIsNeeded(t *testing.T) {
	production := mocked(t)["production"]
	for _, e := range excuses {
		if e.reason == "" {
			t.Errorf("%+v has no reason", e)
		}
		used := false
		for _, r := range production.resources {
			documents, err := r.documents()
			if err != nil {
				t.Fatal(err)
			}
			for attribute, d := range documents {
				used = used || slices.ContainsFunc(d.Statement, func(st statement) bool { return len(st.wildcards()) > 0 && e.fits(r, attribute, st) })
			}
		}
		if !used {
			t.Errorf("nothing needs the excuse %+v", e)
		}
	}
}

// breakage is one thing made wrong in the production example, and the rule that must
// notice it at an address that contains at.
type breakage struct {
	rule, at string
	change   func(*breaker)
}

// breaker changes a stack. What it is told to change must be there.
type breaker struct {
	*testing.T
	stack
}

// set replaces the value at a path of the resources whose address contains part.
func (b *breaker) set(part, path string, value any) {
	b.Helper()
	last := path[strings.LastIndex(path, ".")+1:]
	found := false
	for _, r := range b.resources {
		if !strings.Contains(r.Address, part) {
			continue
		}
		parent := any(r.Values)
		if last != path {
			parent = r.at(strings.TrimSuffix(path, "."+last))
		}
		node, ok := parent.(map[string]any)
		if !ok {
			b.Fatalf("%s has no %s", r.Address, path)
		}
		node[last], found = value, true
	}
	if !found {
		b.Fatalf("no resource %s", part)
	}
}

// edit replaces text in a policy of the resources whose address contains part.
func (b *breaker) edit(part, attribute, old, replacement string) {
	b.Helper()
	found := false
	for _, r := range b.resources {
		if text := r.text(attribute); strings.Contains(r.Address, part) && strings.Contains(text, old) {
			r.Values[attribute], found = strings.ReplaceAll(text, old, replacement), true
		}
	}
	if !found {
		b.Fatalf("%s.%s has nowhere %q", part, attribute, old)
	}
}

// drop removes the resources whose address contains part.
func (b *breaker) drop(part string) {
	b.Helper()
	before := len(b.resources)
	b.resources = slices.DeleteFunc(b.resources, func(r resource) bool { return strings.Contains(r.Address, part) })
	if len(b.resources) == before {
		b.Fatalf("no resource %s", part)
	}
}

// add adds a resource.
func (b *breaker) add(kind string, values map[string]any) {
	b.resources = append(b.resources, resource{Address: kind + ".new", Mode: "managed", Type: kind, Values: values})
}

// TestPoliciesCatch breaks the production example in one way at a time.
func TestPoliciesCatch(t *testing.T) {
	production := mocked(t)["production"]
	caught := map[string]bool{}
	for name, broken := range breakages {
		t.Run(name, func(t *testing.T) {
			b := &breaker{t, production.clone(t)}
			broken.change(b)
			found := check(b.stack)
			if !slices.ContainsFunc(found, func(v violation) bool { return v.rule == broken.rule && strings.Contains(v.at, broken.at) }) {
				t.Errorf("rule %q says nothing of %s; found %v", broken.rule, broken.at, found)
			}
			caught[broken.rule] = true
		})
	}
	for name := range maps.Keys(rules) {
		if !caught[name] {
			t.Errorf("no breakage shows that rule %q catches anything", name)
		}
	}
	for _, row := range alarmRows { // each by itself
		t.Run("no alarm: "+row.name, func(t *testing.T) {
			b := &breaker{t, production.clone(t)}
			b.resources = slices.DeleteFunc(b.resources, func(r resource) bool { return r.text("metric_name") == row.metric })
			if !slices.ContainsFunc(check(b.stack), func(v violation) bool { return strings.Contains(fmt.Sprint(v), row.name) }) {
				t.Error("nobody misses it")
			}
		})
	}
}
