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
	dir, err := sources()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := command(t, dir, nil, "fmt", "-check", "-diff", "-recursive", "-no-color"); err != nil {
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

// exampleVariables are what the examples can't do without.
func exampleVariables(example string) map[string]any {
	variables := map[string]any{"account_id": account, "region": region, "package": packagePath()}
	if example == "production" {
		variables["availability_zones"] = []string{region + "a", region + "b", region + "c"}
		variables["emails"] = []string{"operaciones@example.org"}
		variables["provisioned_concurrency"] = 5
		variables["kubernetes"] = map[string]string{
			"oidc_provider_arn": "arn:aws:iam::" + account + ":oidc-provider/oidc.eks." + region + ".amazonaws.com/id/ABC",
		}
	}
	return variables
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
	for name, content := range map[string][]byte{"test.auto.tfvars.json": text, "provider_override.tf": []byte(provider)} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestPlan validates and plans both examples with the real provider, which checks
// more than mocks do; and what it plans is what the policies were held against.
func TestPlan(t *testing.T) {
	for _, example := range []string{"minimal", "production"} {
		t.Run(example, func(t *testing.T) {
			dir := configure(t, example, exampleVariables(example), offline)
			stood := mocked(t)[example]
			t.Parallel()
			out := run(t, dir, "plan", "-json", "-refresh=false", "-lock=false")
			var planned []string
			for line := range bytes.Lines(out) {
				var message struct {
					Change *struct {
						Action   string `json:"action"`
						Resource struct {
							Address string `json:"addr"`
						} `json:"resource"`
					} `json:"change"`
				}
				if err := json.Unmarshal(line, &message); err != nil {
					t.Fatalf("%v: %s", err, line)
				}
				if message.Change == nil {
					continue
				}
				if message.Change.Action != "create" {
					t.Errorf("%s of %s", message.Change.Action, message.Change.Resource.Address)
				}
				planned = append(planned, message.Change.Resource.Address)
			}
			slices.Sort(planned)
			var judged []string
			for _, r := range stood.resources {
				judged = append(judged, r.Address)
			}
			slices.Sort(judged)
			if diff := cmp.Diff(judged, planned); diff != "" {
				t.Errorf("the policies saw other resources than are planned (-policies +plan):\n%s", diff)
			}
			t.Logf("%d resources", len(planned))
		})
	}
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
