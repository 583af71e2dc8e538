package spec_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/sagefleet/sagefleet/shared/spec"
)

const digested = `
sage_yaml: {name: n, description: d, version: "1", author: a, comments: c}
catalogs:
  ventas:
    name: Ventas
    description: d
    filename: ventas.csv
    file_format: {type: CSV, delimiter: ";", header: true}
    fields:
      - {name: sku, type: texto, required: true, unique: true, validation_rules: [{name: r1, description: m, rule: "df['sku'].str.len() > 3", severity: warning}]}
      - {name: precio, type: decimal}
    row_validation: [{name: r2, description: m, rule: "df['precio'] > 0", severity: error}]
    catalog_validation: [{name: r3, description: m, rule: "df['precio'].sum() > 0"}]
  clientes:
    name: Clientes
    description: d
    filename: clientes.csv
    file_format: {type: CSV, delimiter: ",", header: false}
    fields: [{name: id, type: entero}]
packages:
  todo:
    name: Todo
    description: d
    file_format: {type: ZIP}
    catalogs: [ventas, clientes]
    package_validation: [{name: r4, description: m, rule: "df['ventas']['sku'].isin(['a']) | True"}]
`

func digest(t *testing.T, file string, data []byte) [32]byte {
	t.Helper()
	c, issues := spec.Parse(file, data)
	if c == nil {
		t.Fatalf("%v\n%s", issues, data)
	}
	return c.Digest()
}

// TestDigestIgnoresWriting rewrites configurations in every way that YAML allows.
func TestDigestIgnoresWriting(t *testing.T) {
	t.Parallel()
	sources := map[string][]byte{"own": []byte(digested)}
	files, err := filepath.Glob("testdata/cases/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if c, _ := spec.Parse(name, data); c != nil {
			sources[name] = data
		}
	}
	random := rand.New(rand.NewPCG(3, 4))
	for name, data := range sources {
		want := digest(t, name, data)
		for range 20 {
			var doc yaml.Node
			if err := yaml.Unmarshal(data, &doc); err != nil {
				t.Fatal(err)
			}
			rewrite(random, &doc, "")
			var out bytes.Buffer
			enc := yaml.NewEncoder(&out)
			enc.SetIndent(2 + random.IntN(5))
			if err := enc.Encode(&doc); err != nil {
				t.Fatal(err)
			}
			if got := digest(t, "other name.yaml", out.Bytes()); got != want {
				t.Fatalf("%s has another digest when it is written\n%s", name, &out)
			}
		}
	}
}

// rewrite changes styles, adds comments and shuffles keys, except where their
// order decides what is selected first.
func rewrite(random *rand.Rand, node *yaml.Node, key string) {
	node.HeadComment, node.LineComment, node.FootComment = "", "", ""
	if random.IntN(4) == 0 {
		node.HeadComment = "# a comment: with a colon"
	}
	switch node.Kind {
	case yaml.ScalarNode:
		if node.Tag == "!!str" {
			node.Style = []yaml.Style{0, yaml.SingleQuotedStyle, yaml.DoubleQuotedStyle}[random.IntN(3)]
		}
	case yaml.MappingNode, yaml.SequenceNode:
		if node.Style = 0; random.IntN(3) == 0 {
			node.Style = yaml.FlowStyle
		}
	}
	if node.Kind != yaml.MappingNode {
		for _, child := range node.Content {
			rewrite(random, child, key)
		}
		return
	}
	seen := map[string]bool{}
	for i := 0; i < len(node.Content); i += 2 {
		rewrite(random, node.Content[i+1], node.Content[i].Value)
		seen[node.Content[i].Value] = true
	}
	if key == "catalogs" || key == "packages" || len(seen) < len(node.Content)/2 { // of equal keys the last counts
		return
	}
	random.Shuffle(len(node.Content)/2, func(i, j int) {
		for k := range 2 {
			node.Content[2*i+k], node.Content[2*j+k] = node.Content[2*j+k], node.Content[2*i+k]
		}
	})
}

// TestDigestSeesEveryField changes each exported field of the configuration, and
// the order and number of everything that has one.
func TestDigestSeesEveryField(t *testing.T) {
	t.Parallel()
	want := digest(t, "a.yaml", []byte(digested))
	seen := map[string]bool{}
	for i := 0; ; i++ { // each time another value of a fresh copy
		c, _ := spec.Parse("a.yaml", []byte(digested))
		n := i
		name := alter(reflect.ValueOf(c).Elem(), "Config", &n)
		if name == "" {
			break
		}
		if seen[name] = true; c.Digest() == want {
			t.Errorf("a change of %s goes unseen", name)
		}
	}
	for _, name := range []string{"Config.Packages.Catalogs", "Config.Catalogs.Fields.Rules.Source", "Config.Packages.Rules.Severity"} {
		if !seen[name] {
			t.Errorf("%s was not tried", name)
		}
	}
}

// alter changes value number n of those below v, and returns its name; "" when
// there are fewer.
func alter(v reflect.Value, name string, n *int) string {
	for field, value := range v.Fields() {
		path := name + "." + field.Name
		switch {
		case !field.IsExported(), path == "Config.File", field.Name == "Expr", field.Name == "Err":
			continue // they follow from the others, or are for messages
		case field.Type.Kind() == reflect.Slice:
			if found := alterList(value, path, n); found != "" {
				return found
			}
			continue
		}
		if *n--; *n >= 0 {
			continue
		}
		switch value.Kind() {
		case reflect.String:
			value.SetString(value.String() + "x")
		case reflect.Bool:
			value.SetBool(!value.Bool())
		case reflect.Uint8:
			value.SetUint(value.Uint() + 1)
		case reflect.Int32:
			value.SetInt(value.Int() + 1)
		default:
			panic(fmt.Sprintf("%s is a %s", path, value.Kind()))
		}
		return path
	}
	return ""
}

func alterList(list reflect.Value, path string, n *int) string {
	if list.Len() == 0 {
		return ""
	}
	if *n--; *n < 0 {
		list.Set(list.Slice(0, list.Len()-1))
		return path
	}
	if list.Len() > 1 {
		if *n--; *n < 0 {
			reflect.Swapper(list.Interface())(0, 1)
			return path
		}
	}
	if strings.HasSuffix(path, "Packages.Catalogs") {
		return ""
	}
	for i := range list.Len() {
		if found := alter(list.Index(i).Elem(), path, n); found != "" {
			return found
		}
	}
	return ""
}

func TestReadsClock(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{
		"df['precio'] > 0": false,
		"pd.Timestamp.now() > pd.Timestamp('2020-01-01')":                                                true,
		"df.apply(lambda x: 1 if pd.to_datetime('2020-01-01') < pd.Timestamp.now() else 0, axis=1) == 1": true,
		"np.where(df['precio'] > 0, pd.Timestamp.now().year, 0) > 0":                                     true,
		"df['precio'] > 0 and 'now' == 'now'":                                                            false,
	}
	for rule, want := range tests {
		data := strings.Replace(digested, `"df['precio'] > 0"`, fmt.Sprintf("%q", rule), 1)
		c, issues := spec.Parse("a.yaml", []byte(data))
		if c == nil || issues.Errors() > 0 {
			t.Errorf("%s: %v", rule, issues)
			continue
		}
		if got := c.ReadsClock(); got != want {
			t.Errorf("%s reads the clock: %t, want %t", rule, got, want)
		}
	}
}
