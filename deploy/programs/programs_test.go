package programs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"testing"
)

// TestConfigurationsAreTheMains compares the structs here, which a test can use, with
// those in the mains, which it can't import.
func TestConfigurationsAreTheMains(t *testing.T) {
	for name, p := range All {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("../..", p.Main), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if p.Config == "" {
			continue
		}
		var have, want []string
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.Name == p.Config {
				for _, field := range spec.Type.(*ast.StructType).Fields.List {
					want = append(want, types.ExprString(field.Type))
				}
			}
			return true
		})
		for field := range p.reads.Fields() {
			have = append(have, field.Type.String())
		}
		if p.Config == "served" { // STORAGE_URL is a flag of every command of sage
			have = slices.DeleteFunc(have, func(kind string) bool { return kind == "string" })
		}
		slices.Sort(have)
		slices.Sort(want)
		if len(want) == 0 || !slices.Equal(have, want) {
			t.Errorf("%s: %s reads %v, and this package knows of %v", name, p.Main, want, have)
		}
	}
}

func TestCheck(t *testing.T) {
	right := map[string]string{"STORAGE_URL": "file:///srv", "SLOTS": "4", "AWS_REGION": "eu-central-1"}
	worker, ok := Of("worker", []string{"--help"})
	if !ok {
		t.Fatal("no worker")
	}
	if err := worker.Check(right); err != nil {
		t.Error(err)
	}
	for name, variables := range map[string]map[string]string{
		"unknown":   {"STORAGE_URL": "file:///srv", "SLOT": "4"},
		"another's": {"STORAGE_URL": "file:///srv", "LAMBDA_FUNCTION": "sage"},
		"missing":   {"SLOTS": "4"},
		"no number": {"STORAGE_URL": "file:///srv", "SLOTS": "four"},
		"too small": {"STORAGE_URL": "file:///srv", "LOCAL_SLOTS": "-1"},
	} {
		if err := worker.Check(variables); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, ok := Of("sage", []string{"admin", "gc", "--json"}); !ok {
		t.Error("sage admin gc is not known")
	}
}
