package terraform

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// stack is what stands after an apply, or would.
type stack struct {
	resources []resource
	outputs   map[string]any
}

// resource is one object of a state. Its values are as JSON has them.
type resource struct {
	Address string         `json:"address"`
	Mode    string         `json:"mode"`
	Type    string         `json:"type"`
	Values  map[string]any `json:"values"`
}

// contents are `terraform show -json`'s form of the values of a state.
type contents struct {
	Outputs map[string]struct {
		Value any `json:"value"`
	} `json:"outputs"`
	Root module `json:"root_module"`
}

type module struct {
	Resources []resource `json:"resources"`
	Children  []module   `json:"child_modules"`
}

func (s contents) stack() stack {
	found := stack{outputs: map[string]any{}}
	for name, output := range s.Outputs {
		found.outputs[name] = output.Value
	}
	var walk func(m module)
	walk = func(m module) {
		for _, r := range m.Resources {
			if r.Mode == "managed" {
				found.resources = append(found.resources, r)
			}
		}
		for _, child := range m.Children {
			walk(child)
		}
	}
	walk(s.Root)
	slices.SortFunc(found.resources, func(a, b resource) int { return strings.Compare(a.Address, b.Address) })
	return found
}

// mocked are both examples after an apply to mocks, by name: what the modules write
// is there, ARNs are of the mocks' making.
func mocked(t *testing.T) map[string]stack {
	t.Helper()
	applied.once.Do(func() { applied.stacks = applyToMocks(t) })
	if applied.stacks == nil {
		t.Skip("terraform test could not run; see the test that tried it first")
	}
	return applied.stacks
}

var applied struct {
	once   sync.Once
	stacks map[string]stack
}

// applyToMocks runs the native tests of both examples.
func applyToMocks(t *testing.T) map[string]stack {
	t.Helper()
	dir := initialise(t, ".")
	out, err := command(t, dir, nil, "test", "-json", "-verbose", "-var", "package="+packagePath())
	stacks := map[string]stack{}
	for line := range bytes.Lines(out) {
		var message struct {
			Level   string    `json:"@level"`
			Message string    `json:"@message"`
			Run     string    `json:"@testrun"`
			State   *contents `json:"test_state"`
			Problem *struct {
				Summary string `json:"summary"`
				Detail  string `json:"detail"`
			} `json:"diagnostic"`
		}
		if json.Unmarshal(line, &message) != nil {
			continue
		}
		if message.State != nil {
			stacks[message.Run] = message.State.stack()
		}
		if message.Level == "error" && message.Problem != nil {
			t.Errorf("%s: %s: %s", message.Run, message.Problem.Summary, message.Problem.Detail)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(stacks["minimal"].resources) == 0 || len(stacks["production"].resources) == 0 {
		t.Fatalf("no state of the examples in what terraform test printed: %v", slices.Collect(maps.Keys(stacks)))
	}
	return stacks
}

// clone copies a stack deeply, so that a test may break it.
func (s stack) clone(t *testing.T) stack {
	t.Helper()
	text, err := json.Marshal(s.resources)
	if err != nil {
		t.Fatal(err)
	}
	c := stack{outputs: s.outputs}
	if err := json.Unmarshal(text, &c.resources); err != nil {
		t.Fatal(err)
	}
	return c
}

// of are the resources of a type.
func (s stack) of(kind string) []resource {
	var found []resource
	for _, r := range s.resources {
		if r.Type == kind {
			found = append(found, r)
		}
	}
	return found
}

// about is the resource of a type whose attribute has the value, or nil.
func (s stack) about(kind, attribute, value string) *resource {
	for _, r := range s.of(kind) {
		if r.text(attribute) == value {
			return &r
		}
	}
	return nil
}

// at is the value at a path such as rule.0.status, or nil.
func (r *resource) at(path string) any {
	if r == nil {
		return nil
	}
	var v any = r.Values
	for name := range strings.SplitSeq(path, ".") {
		switch node := v.(type) {
		case map[string]any:
			v = node[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(node) {
				return nil
			}
			v = node[i]
		default:
			return nil
		}
	}
	return v
}

func (r *resource) text(path string) string {
	s, _ := r.at(path).(string)
	return s
}

func (r *resource) number(path string) float64 {
	n, _ := r.at(path).(float64)
	return n
}

func (r *resource) yes(path string) bool {
	b, _ := r.at(path).(bool)
	return b
}

func (r *resource) list(path string) []any {
	l, _ := r.at(path).([]any)
	return l
}

// items are the blocks under path, as resources of their own.
func (r *resource) items(path string) []*resource {
	var found []*resource
	for i, v := range r.list(path) {
		if values, ok := v.(map[string]any); ok {
			found = append(found, &resource{Address: fmt.Sprintf("%s.%s[%d]", r.Address, path, i), Values: values})
		}
	}
	return found
}
