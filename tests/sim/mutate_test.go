package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mutantVariable names the mutant that a program built by build is.
const mutantVariable = "SIM_MUTANT"

// build compiles this package with every mutant in it. A function that one changes is
// there twice, and asks at its beginning which of them it is.
func build(t *testing.T, mutants []mutant) (binary string) {
	t.Helper()
	dir, replace := t.TempDir(), map[string]string{}
	put := func(file string, source []byte) {
		changed := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(changed, source, 0o600); err != nil {
			t.Fatal(err)
		}
		full, err := filepath.Abs(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		replace[full] = changed
	}
	files := map[string]*mutable{}
	for _, m := range mutants {
		sources := m.mutated(t)
		for _, file := range slices.Sorted(maps.Keys(sources)) {
			if files[file] == nil {
				files[file] = newMutable(t, original(t, file))
			}
			files[file].add(t, m.name, sources[file])
		}
	}
	for file, f := range files {
		put(file, f.print(t))
		put(filepath.Join(filepath.Dir(file), "mutant_generated.go"),
			fmt.Appendf(nil, "package %s\n\nimport \"os\"\n\nvar mutant = os.Getenv(%q)\n", f.tree.Name.Name, mutantVariable))
	}
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, data, 0o600); err != nil {
		t.Fatal(err)
	}
	binary = filepath.Join(dir, "mutants.test")
	command := exec.Command("go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", binary, ".")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("the mutants do not compile: %v\n%s", err, out)
	}
	return binary
}

// mutable is a source file that mutants are added to.
type mutable struct {
	set   *token.FileSet
	tree  *ast.File
	text  map[string]string // of each function as it was, by name
	extra strings.Builder   // functions of the mutants
}

func newMutable(t *testing.T, source string) *mutable {
	t.Helper()
	m := &mutable{set: token.NewFileSet(), text: map[string]string{}}
	var err error
	if m.tree, err = parser.ParseFile(m.set, "", source, parser.SkipObjectResolution); err != nil {
		t.Fatal(err)
	}
	for f := range functions(m.tree) {
		m.text[nameOf(f)] = printed(t, m.set, f)
	}
	return m
}

func functions(tree *ast.File) func(func(*ast.FuncDecl) bool) {
	return func(yield func(*ast.FuncDecl) bool) {
		for _, d := range tree.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && !yield(f) {
				return
			}
		}
	}
}

// nameOf tells methods of different types apart.
func nameOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	var receiver bytes.Buffer
	_ = printer.Fprint(&receiver, token.NewFileSet(), f.Recv.List[0].Type)
	return receiver.String() + "." + f.Name.Name
}

func printed(t *testing.T, set *token.FileSet, node any) string {
	t.Helper()
	var out bytes.Buffer
	if err := printer.Fprint(&out, set, node); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// add has the functions that source has otherwise be other ones for the mutant called name.
func (m *mutable) add(t *testing.T, name, source string) {
	t.Helper()
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, "", source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatalf("mutant %s: %v", name, err)
	}
	for f := range functions(tree) {
		text, was := m.text[nameOf(f)], printed(t, set, f)
		if text == was {
			continue
		}
		if text != "" {
			m.divert(nameOf(f), name)
			f.Name.Name += "Mutant" + name
			was = printed(t, set, f)
		}
		m.extra.WriteString("\n" + was + "\n")
	}
}

// divert has a function be the mutant's when it is asked for.
func (m *mutable) divert(function, mutant string) {
	for f := range functions(m.tree) {
		if nameOf(f) != function {
			continue
		}
		call := &ast.CallExpr{Fun: ast.NewIdent(f.Name.Name + "Mutant" + mutant)}
		if f.Recv != nil {
			call.Fun = &ast.SelectorExpr{X: ast.NewIdent(f.Recv.List[0].Names[0].Name), Sel: ast.NewIdent(f.Name.Name + "Mutant" + mutant)}
		}
		for _, p := range f.Type.Params.List {
			for _, n := range p.Names {
				call.Args = append(call.Args, ast.NewIdent(n.Name))
			}
			if _, variadic := p.Type.(*ast.Ellipsis); variadic {
				call.Ellipsis = 1
			}
		}
		then := &ast.BlockStmt{List: []ast.Stmt{&ast.ExprStmt{X: call}, &ast.ReturnStmt{}}}
		if f.Type.Results != nil {
			then.List = []ast.Stmt{&ast.ReturnStmt{Results: []ast.Expr{call}}}
		}
		is := &ast.BinaryExpr{X: ast.NewIdent("mutant"), Op: token.EQL, Y: &ast.BasicLit{Kind: token.STRING, Value: `"` + mutant + `"`}}
		f.Body.List = append([]ast.Stmt{&ast.IfStmt{Cond: is, Body: then}}, f.Body.List...)
	}
}

func (m *mutable) print(t *testing.T) []byte {
	t.Helper()
	return []byte(printed(t, m.set, m.tree) + m.extra.String())
}
