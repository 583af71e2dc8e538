package terraform

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFormat(t *testing.T) {
	t.Parallel()
	if out, err := command(t, ".", nil, "fmt", "-check", "-diff", "-recursive", "-no-color"); err != nil {
		t.Errorf("not formatted, run terraform fmt -recursive:\n%s", out)
	}
}

// offline lets the real provider plan without asking anybody.
const offline = `
provider "aws" {
  allowed_account_ids         = null
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}
`

// exampleVariables are what the examples can't do without. Production has the rest
// from the README.
func exampleVariables(example string) map[string]any {
	if example == "production" {
		return map[string]any{"package": packagePath(), "provisioned_concurrency": 5,
			"rotation": map[string]any{"serve": map[string]any{"function_arn": "arn:aws:lambda:" + region + ":" + account + ":function:rotate", "days": 90}}}
	}
	return map[string]any{"package": packagePath(), "account_id": account, "region": region}
}

// readmeVariables is the terraform.tfvars that README has an operator write.
func readmeVariables(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "cat > terraform.tfvars <<END\n")
	variables, _, closed := strings.Cut(rest, "   END\n")
	if !found || !closed {
		t.Fatal("README.md has no terraform.tfvars")
	}
	return []byte(variables)
}

// configure prepares a copy of an example with its variables and an override of its
// provider, and returns its folder.
func configure(t *testing.T, example string, variables map[string]any, provider string) string {
	t.Helper()
	dir := initialise(t, filepath.Join("examples", example))
	text, err := json.Marshal(variables)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"test.auto.tfvars.json": text, "provider_override.tf": []byte(provider)}
	if example == "production" {
		files["terraform.tfvars"] = readmeVariables(t)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestExamples validates and plans both examples with the real provider, which checks
// more than mocks do, and applies them to mocks meanwhile: what is planned is what the
// policies are held against.
func TestExamples(t *testing.T) {
	for _, example := range []string{"minimal", "production"} {
		t.Run("plan of "+example, func(t *testing.T) {
			dir := configure(t, example, exampleVariables(example), offline)
			t.Parallel()
			planned := planned(t, dir)
			var judged []string
			for _, r := range mocked(t)[example].resources {
				judged = append(judged, r.Address)
			}
			slices.Sort(judged)
			if diff := cmp.Diff(judged, planned); diff != "" {
				t.Errorf("the policies see other resources than are planned (-policies +plan):\n%s", diff)
			}
			t.Logf("%d resources", len(planned))
		})
	}
	t.Run("apply to mocks", func(t *testing.T) {
		initialise(t, ".")
		t.Parallel()
		mocked(t)
	})
}

// planned are the addresses of what a first plan creates; it does nothing else.
func planned(t *testing.T, dir string) []string {
	t.Helper()
	var addresses []string
	for line := range bytes.Lines(run(t, dir, "plan", "-json", "-refresh=false", "-lock=false")) {
		var message struct {
			Type   string `json:"type"`
			Change struct {
				Action   string `json:"action"`
				Resource struct {
					Address string `json:"addr"`
				} `json:"resource"`
			} `json:"change"`
		}
		if err := json.Unmarshal(line, &message); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if message.Type != "planned_change" {
			continue
		}
		if message.Change.Action != "create" {
			t.Errorf("%s of %s", message.Change.Action, message.Change.Resource.Address)
		}
		addresses = append(addresses, message.Change.Resource.Address)
	}
	slices.Sort(addresses)
	return addresses
}

// TestNoOtherAccount: an example names the account that it is for, and every
// ARN in it is of that account or of none.
func TestNoOtherAccount(t *testing.T) {
	for name, s := range mocked(t) {
		text, err := json.Marshal(s.resources)
		if err != nil {
			t.Fatal(err)
		}
		for part := range strings.SplitSeq(string(text), "arn:aws:") {
			fields := strings.SplitN(part, ":", 4)
			if len(fields) == 4 && len(fields[2]) == 12 && strings.Trim(fields[2], "0123456789") == "" && fields[2] != account {
				t.Errorf("%s names account %s: arn:aws:%.80s", name, fields[2], part)
			}
		}
	}
}
