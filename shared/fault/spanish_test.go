package fault_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// Every code that the engine, the formats and the configuration have is said in Spanish, and
// nothing is that is no code any more.
func TestCodesInSpanish(t *testing.T) {
	t.Parallel()
	declared := regexp.MustCompile(`\bCode\w+\s+(?:fault\.Code\s+)?= "([A-Z][A-Z0-9_]+)"`)
	known := map[string]bool{}
	for _, folder := range []string{"shared", "worker", "producer"} {
		err := filepath.WalkDir(filepath.Join("../..", folder), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
				known[m[1]] = true
				dir := filepath.ToSlash(filepath.Dir(path))
				if (strings.HasSuffix(dir, "worker/engine/reader") || strings.HasSuffix(dir, "worker/processor")) && fault.Code(m[1]).Spanish() == "" {
					t.Errorf("%s: nobody says %s in Spanish", path, m[1])
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile("spanish.go")
	if err != nil {
		t.Fatal(err)
	}
	said := regexp.MustCompile(`(?m)^\t"([A-Z0-9_]+)":`).FindAllStringSubmatch(string(text), -1)
	if len(said) < 60 {
		t.Fatalf("%d codes", len(said))
	}
	for _, m := range said {
		if !known[m[1]] {
			t.Errorf("%s is no code", m[1])
		}
	}
}
