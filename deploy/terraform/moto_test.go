package terraform

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-config-inspect/tfconfig"
)

var (
	applies  = flag.Bool("apply", false, "apply the production example to moto_server and destroy it, which takes minutes")
	realZip  = flag.String("package", "", "zip of the function to apply; one that only looks like it when empty")
	patience = flag.Duration("patience", 5*time.Minute, "how long one command of terraform may take")
)

// drifts are what moto gives back otherwise than it got it, by resource: attributes,
// with those that follow from them. A second plan has exactly these.
var drifts = map[string][]string{
	"module.database.aws_rds_cluster.this":     {"scaling_configuration"},
	"module.function.aws_lambda_function.this": {"kms_key_arn", "logging_config", "qualified_arn", "qualified_invoke_arn", "version"},
	"module.function.aws_lambda_alias.live":    {"function_version"},
}

// beyondMoto are the variables that leave out what moto can't apply: instances of a
// database, budgets, provisioned concurrency, trails. TestExamples plans them.
var beyondMoto = map[string]any{
	"database_instances": 0, "monthly_budget_usd": 0, "provisioned_concurrency": 0, "audit": false,
	"deletion_protection": false, "force_destroy": true, "rotation": map[string]any{}, // whose function is somebody else's
}

// TestProductionLeavesOut: the variables that TestApply needs are there.
func TestProductionLeavesOut(t *testing.T) {
	example, problems := tfconfig.LoadModule("examples/production")
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	for name := range beyondMoto {
		if example.Variables[name] == nil {
			t.Errorf("production has no variable %q to leave out what moto can't apply", name)
		}
	}
}

// TestApply applies the production example, holds what then stands against the
// policies, plans again and destroys it. Without -apply it isn't run, and nothing says
// that it passed: see TestMain. task deploy:test runs it, and so does CI.
func TestApply(t *testing.T) {
	endpoint := startMoto(t)
	variables := exampleVariables("production")
	maps.Copy(variables, beyondMoto)
	if *realZip != "" {
		path, err := filepath.Abs(*realZip)
		if err != nil {
			t.Fatal(err)
		}
		variables["package"] = path
	}
	dir := configure(t, "production", variables, "\nprovider \"aws\" {\n  s3_use_path_style = true\n}\n")
	aws := []string{"AWS_ENDPOINT_URL=" + endpoint}
	must := func(args ...string) []byte {
		t.Helper()
		began := time.Now()
		out, err := command(t, dir, aws, slices.Insert(slices.Clone(args), 1, "-no-color")...)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		t.Logf("%s: %v", args[0], time.Since(began).Round(time.Second))
		return out
	}
	show := func(args ...string) (s struct {
		Values  contents `json:"values"`
		Changes []change `json:"resource_changes"`
	}) {
		t.Helper()
		out, err := command(t, dir, aws, append([]string{"show", "-json"}, args...)...)
		if err == nil {
			err = json.Unmarshal(out, &s)
		}
		if err != nil {
			t.Fatalf("show: %v\n%.2000s", err, out)
		}
		return s
	}

	// As README says.
	must("plan", "-out", "plan")
	must("apply", "plan")
	must("output", "-raw", "storage_url")
	for _, name := range []string{"bridge_environment", "role_arns", "secret_arns"} {
		if !json.Valid(must("output", "-json", name)) {
			t.Errorf("output %s is no JSON", name)
		}
	}

	stood := show().Values.stack()
	zipped, err := os.ReadFile(variables["package"].(string))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(zipped)
	function := stood.of("aws_lambda_function")[0]
	if function.text("architectures.0") != "arm64" || function.text("source_code_hash") != base64.StdEncoding.EncodeToString(sum[:]) {
		t.Errorf("deployed %v with the hash %s, want arm64 and the package's", function.at("architectures"), function.text("source_code_hash"))
	}
	for _, v := range check(stood) {
		if v.at == "module.function.aws_lambda_function.this" && (v.rule == "encryption" || v.rule == "log groups") {
			continue // moto forgets the key and the log group, see drifts
		}
		t.Error(v)
	}
	must("plan", "-out=second")
	found := map[string][]string{}
	for _, c := range show("second").Changes {
		if !slices.Equal(c.Change.Actions, []string{"no-op"}) {
			found[c.Address] = c.attributes()
		}
	}
	if diff := cmp.Diff(drifts, found); diff != "" {
		t.Errorf("the second plan changes other things than moto is known for (-known +found):\n%s", diff)
	}
	must("destroy", "-auto-approve")
	if left := show().Values.stack().resources; len(left) > 0 {
		t.Errorf("%d resources are left, the first %s", len(left), left[0].Address)
	}
}

// change is what a plan does to a resource.
type change struct {
	Address string `json:"address"`
	Change  struct {
		Actions []string       `json:"actions"`
		Before  map[string]any `json:"before"`
		After   map[string]any `json:"after"`
	} `json:"change"`
}

func (c change) attributes() []string {
	var changed []string
	for name := range c.Change.Before {
		if !cmp.Equal(c.Change.Before[name], c.Change.After[name]) {
			changed = append(changed, name)
		}
	}
	slices.Sort(changed)
	return changed
}

// startMoto runs moto_server until the test ends and returns its address.
func startMoto(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("moto_server")
	if err != nil {
		t.Skip("moto_server is not on PATH; needed: moto 5 with its server (pip install 'moto[server]')")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	_ = free.Close()
	host, port, _ := strings.Cut(address, ":")
	var log bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, "-H", host, "-p", port)
	cmd.Env = append(os.Environ(), "MOTO_ACCOUNT_ID="+account)
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		answer, err := http.Get("http://" + address + "/moto-api/")
		if err == nil {
			_ = answer.Body.Close()
			return "http://" + address
		}
	}
	t.Fatal(fmt.Errorf("moto_server did not answer in a minute: %s", log.Bytes()))
	return ""
}
