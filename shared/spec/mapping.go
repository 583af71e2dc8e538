package spec

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// Codes of what can be wrong with the structure of a configuration.
const (
	CodeMissingKey   fault.Code = "CONFIG_MISSING_KEY"
	CodeUnknownKey   fault.Code = "CONFIG_UNKNOWN_KEY"
	CodeDuplicateKey fault.Code = "CONFIG_DUPLICATE_KEY"
	CodeWrongKind    fault.Code = "CONFIG_WRONG_KIND"
	CodeManyIssues   fault.Code = "CONFIG_TOO_MANY_ISSUES"
)

// reader walks the nodes of a document and collects what is wrong.
type reader struct {
	file    string
	text    *ruler // for the places inside rules
	visited int
	issues  Issues
	counts  [Message + 1]int // by severity, of all issues
}

func (r *reader) report(severity Severity, at *yaml.Node, e *fault.Error) {
	r.add(Issue{Error: e.At(r.file, at.Line, at.Column), Severity: severity})
}

// maxIssues of a severity are listed: nobody reads more, and a configuration of
// 1 MiB can have 100,000.
const maxIssues = 1000

// add lists an issue, or says once that there are too many.
func (r *reader) add(i Issue) {
	r.counts[i.Severity]++
	if n := r.counts[i.Severity]; n == maxIssues+1 {
		i.Error = fault.New(CodeManyIssues, "there are more than %d issues of severity %s", maxIssues, i.Severity).
			Expecting("few").Advise("mend those that are listed first; the rest is not").At(r.file, i.Line, i.Column)
	} else if n > maxIssues {
		return
	}
	r.issues = append(r.issues, i)
}

// entry is a key of a mapping with its value, aliases resolved.
type entry struct {
	key   *yaml.Node
	value *yaml.Node
}

// resolve follows an alias. It returns nil, once and for all, when aliases have
// repeated more than any configuration needs.
func (r *reader) resolve(node *yaml.Node) *yaml.Node {
	r.visited++
	if r.visited > maxNodes {
		if r.visited == maxNodes+1 {
			r.report(Error, node, fault.New(CodeTooLarge, "the configuration expands to more than %d values", maxNodes).
				Expecting("fewer aliases").Advise("write out what the aliases repeat, or split the configuration"))
		}
		return nil
	}
	if node.Kind == yaml.AliasNode {
		return node.Alias // the library refuses an anchor inside itself only later, so depth is bounded by the schema
	}
	return node
}

// mapping returns the entries of a mapping in the order of the file: the last of
// equal keys wins, and those merged with << give way, as in PyYAML.
func (r *reader) mapping(node *yaml.Node, what string) ([]entry, bool) {
	node = r.resolve(node)
	if node == nil {
		return nil, false
	}
	if node.Kind != yaml.MappingNode {
		r.report(Error, node, fault.New(CodeWrongKind, "%s is %s", what, kindOf(node)).Expecting("keys with values"))
		return nil, false
	}
	return r.entries(node, 0), true
}

func (r *reader) entries(node *yaml.Node, merges int) []entry {
	var merged, entries []entry
	index := make(map[string]int, len(node.Content)/2)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := r.resolve(node.Content[i]), r.resolve(node.Content[i+1])
		if key == nil || value == nil {
			return entries
		}
		if key.Tag == "!!merge" {
			merged = append(merged, r.merge(value, merges)...)
			continue
		}
		if key.Kind != yaml.ScalarNode {
			r.report(Error, key, fault.New(CodeWrongKind, "a key is %s", kindOf(key)).Expecting("a name"))
			continue
		}
		if at, double := index[key.Value]; double {
			r.report(Warning, key, fault.New(CodeDuplicateKey, "the key %s stands here twice, first in line %d", key.Value, entries[at].key.Line).
				Expecting("it once").Advise("the last one counts"))
			entries[at] = entry{key, value}
			continue
		}
		index[key.Value] = len(entries)
		entries = append(entries, entry{key, value})
	}
	for _, e := range merged {
		if _, own := index[e.key.Value]; !own {
			index[e.key.Value] = len(entries)
			entries = append(entries, e)
		}
	}
	return entries
}

// merge returns the entries that the value of << brings in. A merge inside a
// merge inside … is bounded, since an anchor may contain itself.
func (r *reader) merge(value *yaml.Node, merges int) []entry {
	if merges >= maxDepth {
		r.report(Error, value, fault.New(CodeTooDeep, "merge keys nest deeper than %d levels", maxDepth).Expecting("fewer merge keys"))
		return nil
	}
	sources := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode {
		sources = value.Content
	}
	var entries []entry
	for _, source := range sources {
		switch source = r.resolve(source); {
		case source == nil:
			return entries
		case source.Kind != yaml.MappingNode:
			r.report(Error, source, fault.New(CodeWrongKind, "what << merges is %s", kindOf(source)).Expecting("keys with values"))
		default:
			entries = append(entries, r.entries(source, merges+1)...)
		}
	}
	return entries
}

// object is a mapping whose keys are known beforehand.
type object struct {
	r       *reader
	node    *yaml.Node
	what    string // for messages: "the catalog ventas"
	entries map[string]entry
	ok      bool
}

// object reads a mapping and warns of the keys that nobody will read.
func (r *reader) object(node *yaml.Node, what string, keys ...string) object {
	entries, ok := r.mapping(node, what)
	o := object{r: r, node: node, what: what, entries: make(map[string]entry, len(entries)), ok: ok}
	var unknown []entry
	for _, e := range entries {
		if slices.Contains(keys, e.key.Value) {
			o.entries[e.key.Value] = e
		} else {
			unknown = append(unknown, e)
		}
	}
	for _, e := range unknown {
		warning := fault.New(CodeUnknownKey, "%s has an unknown key %s", what, e.key.Value)
		free := slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return o.entries[k].key != nil })
		if near := nearest(e.key.Value, free); near != "" {
			warning = warning.Expecting("%s", near)
		} else {
			warning = warning.Expecting("one of %s", strings.Join(keys, ", "))
		}
		r.report(Warning, e.key, warning.Advise("it is ignored"))
	}
	return o
}

// get returns the value of a key; nil when there is none or it is null.
func (o object) get(key string) *yaml.Node {
	value := o.entries[key].value
	if value == nil || isNull(value) {
		return nil
	}
	return value
}

// require returns the value of a key, and reports it when there is none.
func (o object) require(key, expected string) *yaml.Node {
	value := o.get(key)
	if value == nil && o.ok {
		at := o.node
		if e := o.entries[key]; e.key != nil {
			at = e.key
		}
		o.r.report(Error, at, fault.New(CodeMissingKey, "%s lacks %s", o.what, key).Expecting("%s: %s", key, expected))
	}
	return value
}

// sequence returns the items of a list; a missing one is empty.
func (r *reader) sequence(node *yaml.Node, what string) []*yaml.Node {
	if node == nil {
		return nil
	}
	if node.Kind != yaml.SequenceNode {
		r.report(Error, node, fault.New(CodeWrongKind, "%s is %s", what, kindOf(node)).Expecting("a list, with a dash before each item"))
		return nil
	}
	items := make([]*yaml.Node, 0, len(node.Content))
	for _, item := range node.Content {
		if item = r.resolve(item); item == nil {
			break
		}
		items = append(items, item)
	}
	return items
}

func kindOf(node *yaml.Node) string {
	switch {
	case isNull(node):
		return "empty"
	case node.Kind == yaml.MappingNode:
		return "a group of keys"
	case node.Kind == yaml.SequenceNode:
		return "a list"
	default:
		return "the value " + quoted(node.Value)
	}
}
