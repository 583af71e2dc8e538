package terraform

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var validations = flag.Bool("validations", false, "have terraform refuse the values in validations, which takes half a minute")

var (
	ruled    = regexp.MustCompile(`(?ms)^variable "(\w+)" \{\n(.*?)^\}`)
	runs     = regexp.MustCompile(`(?ms)^run "\w+" \{\n(.*?)^\}`)
	moduleOf = regexp.MustCompile(`source = "\./(modules/\w+)"`)
	expected = regexp.MustCompile(`(?s)expect_failures = \[(.*?)\]`)
)

// TestValuesAreRefused: validations has a value that each rule of each variable
// refuses; with -validations Terraform is asked whether it does.
func TestValuesAreRefused(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("validations/variables.tftest.hcl")
	if err != nil {
		t.Fatal(err)
	}
	refused := map[string]int{}
	for _, r := range runs.FindAllStringSubmatch(string(text), -1) {
		failures := expected.FindStringSubmatch(r[1])
		if failures == nil {
			continue
		}
		for name := range strings.SplitSeq(failures[1], ",") {
			refused[moduleOf.FindStringSubmatch(r[1])[1]+" "+strings.TrimPrefix(strings.TrimSpace(name), "var.")]++
		}
	}
	files, err := filepath.Glob("modules/*/variables.tf")
	if err != nil || len(files) < 9 {
		t.Fatalf("%d modules: %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range ruled.FindAllStringSubmatch(string(text), -1) {
			if want, got := strings.Count(v[2], "validation {"), refused[fmt.Sprintf("%s %s", filepath.Dir(file), v[1])]; got < want {
				t.Errorf("%s: variable %q has %d rules, and tests have %d values that they refuse", file, v[1], want, got)
			}
		}
	}
	if !*validations {
		return // the long form is task deploy:test
	}
	dir := initialise(t, ".")
	run(t, dir, "init", "-no-color", "-test-directory=validations")
	run(t, dir, "test", "-no-color", "-test-directory=validations", "-var", "package="+packagePath())
}
