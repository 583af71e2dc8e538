package architecture_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/sagefleet/sagefleet/"

// tree is what the rules look at. Paths are slash-separated, from the module root.
type tree struct {
	folders []string // top-level ones that git would keep
	sources []source
}

// source is one hand-written Go file.
type source struct {
	path     string
	pkg      string    // the name in its package clause, without _test
	imports  []string  // import paths; the module's own without its prefix
	literals []literal // string literals
	lines    int
}

type literal struct {
	text string
	line int
}

func (s source) dir() string  { return path.Dir(s.path) }
func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

// ownImports are the imports of this module's packages, as folders.
func (s source) ownImports() []string {
	return slices.DeleteFunc(slices.Clone(s.imports), func(p string) bool { return !isOwn(p) })
}

// isOwn reports whether an import is a folder of this module.
func isOwn(imported string) bool { return slices.Contains(codeFolders, top(imported)) }

// top is the first element of a path.
func top(p string) string {
	first, _, _ := strings.Cut(p, "/")
	return first
}

// within reports whether p is folder or lies below it.
func within(p, folder string) bool { return p == folder || strings.HasPrefix(p, folder+"/") }

// parse reads one file. generated says that a tool wrote it, so that no rule
// about how people write applies.
func parse(name string, text []byte) (s source, generated bool, err error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return source{}, false, err
	}
	s = source{path: name, pkg: strings.TrimSuffix(file.Name.Name, "_test"), lines: fset.File(file.FileStart).LineCount()}
	ast.Inspect(file, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return true
		}
		if value, err := strconv.Unquote(lit.Value); err == nil { // the parser has checked it
			s.literals = append(s.literals, literal{value, fset.Position(lit.Pos()).Line})
		}
		return true
	})
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return source{}, false, fmt.Errorf("%s: import %s: %w", name, spec.Path.Value, err)
		}
		s.imports = append(s.imports, strings.TrimPrefix(imported, module))
	}
	return s, ast.IsGenerated(file), nil
}

// load reads the module that the working directory belongs to.
func load(t *testing.T) tree {
	t.Helper()
	root := moduleRoot(t)
	ignored := ignoredFolders(t, root)
	var found tree
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil || name == ".":
			return err
		case entry.IsDir() && !strings.Contains(name, "/"):
			if name == ".git" || ignored(name) {
				return fs.SkipDir
			}
			if strings.HasPrefix(name, ".") || holdsGo(os.DirFS(root), name) { // a report somebody made here is no folder of the project
				found.folders = append(found.folders, name)
			}
		}
		base := path.Base(name)
		hidden := strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata"
		switch {
		case entry.IsDir() && hidden:
			return fs.SkipDir // the go command does not look there either
		case entry.IsDir() || hidden || path.Ext(name) != ".go":
			return nil
		}
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		s, generated, err := parse(name, text)
		if err == nil && !generated {
			found.sources = append(found.sources, s)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil {
			if !strings.HasPrefix(string(text), "module "+strings.TrimSuffix(module, "/")+"\n") {
				t.Fatalf("%s is not the go.mod of %s", dir, module)
			}
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the working directory")
		}
	}
}

// ignoredFolders tells which top-level folders .gitignore names: what builds and
// runs leave behind is no part of the tree.
func ignoredFolders(t *testing.T, root string) func(name string) bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, ".gitignore"))
	if err != nil {
		t.Fatal(err)
	}
	patterns := strings.Fields(string(text))
	return func(name string) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool {
			matched, err := path.Match(strings.Trim(pattern, "/"), name)
			return err == nil && matched && strings.HasSuffix(pattern, "/")
		})
	}
}

// holdsGo reports whether any Go source lies below dir.
func holdsGo(root fs.FS, dir string) bool {
	found := false
	_ = fs.WalkDir(root, dir, func(name string, _ fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) == ".go" {
			found = err == nil
			return fs.SkipAll
		}
		return nil
	})
	return found
}
