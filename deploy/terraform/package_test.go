package terraform

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/bridge/remote"
	"github.com/sagefleet/sagefleet/deploy/bundle"
	"github.com/sagefleet/sagefleet/deploy/lambdalocal"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/settings"
)

// TestPackageRunsUnderItsRole makes the function's package, starts what is in it with the
// variables that production gives the function, and has a bridge delegate to it. The
// bucket asks the function's role and its own policy first.
func TestPackageRunsUnderItsRole(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs Linux, which the package is for")
	}
	f := &site{T: t, cloud: newCloud(t), js: bustest.Start(t)}
	function := mocked(t)["production"].of("aws_lambda_function")[0]
	variables, ok := function.at("environment.0.variables").(map[string]any)
	if !ok {
		t.Fatalf("the function has no variables: %v", function.at("environment"))
	}
	told := map[string]string{"AWS_REGION": region}
	for name, value := range variables {
		told[name], _ = value.(string)
	}
	for name, value := range offlineCredentials {
		told[name] = value
	}
	address := f.open("function", function.text("function_name"))
	if !strings.HasPrefix(address, told["STORAGE_URL"]) {
		t.Errorf("the function has its files at %s, the others at %s", told["STORAGE_URL"], address)
	}
	told["STORAGE_URL"] = address

	f.intake("p1", "id\n1\n")
	request := f.request("p1")
	// An outcome holds it, and has no room for more: reports become objects of their own.
	request.Config.Text += "# " + strings.Repeat("x", outcome.InlineLimit-len(config)-2)
	o, err := f.delegate(startFunction(t, function.text("function_name"), told), execution.Attempt{Request: request, Token: 7, Number: 1, Enqueued: time.Now()})
	if err != nil || o.Kind != execution.Succeeded || o.Executor != execution.OnLambda {
		t.Fatalf("it ended %s on %q: %v, %v", o.Kind, o.Executor, o.Fault, err)
	}

	server := f.servers["function"]
	for _, c := range server.refused {
		t.Errorf("the function may not %s on %s", c.action, c.resource)
	}
	written := map[string]int{}
	for _, c := range server.allowed {
		if c.action != "s3:PutObject" {
			continue
		}
		folder, _, _ := strings.Cut(strings.TrimPrefix(c.resource, "arn:aws:s3:::"+bucketName+"/"), "/")
		written[folder]++
		if c.context["s3:x-amz-server-side-encryption"] != "aws:kms" || c.context["s3:x-amz-server-side-encryption-aws-kms-key-id"] == "" {
			t.Errorf("%s was written with the encryption %v", c.resource, c.context)
		}
		if folder == "outcome" && c.context["s3:if-none-match"] != "*" {
			t.Errorf("%s was written whether or not there was one", c.resource)
		}
	}
	if written["outcome"] != 1 || written["attempts"] == 0 {
		t.Errorf("it wrote %v, want one outcome, and results beside it", written)
	}
}

// delegate has a bridge ask the function at endpoint, with the variables that production
// prints for bridges.
func (f *site) delegate(endpoint string, a execution.Attempt) (execution.Outcome, error) {
	variables := map[string]string{}
	printed, _ := mocked(f.T)["production"].outputs["bridge_environment"].(map[string]any)
	for name, value := range printed {
		variables[name], _ = value.(string)
	}
	variables["LAMBDA_ENDPOINT"] = endpoint
	cfg, err := settings.Parse[remote.Config](variables)
	f.must(err)
	client, err := remote.NewClient(f.Context(), cfg)
	f.must(err)
	bridge, err := remote.New(client, outcome.New(f.stores["bridge"]), cfg)
	f.must(err)
	return bridge.Execute(f.Context(), a)
}

// startFunction runs what is in the package until the test ends, and returns where it is
// invoked.
func startFunction(t *testing.T, name string, variables map[string]string) (endpoint string) {
	t.Helper()
	made, err := bundle.Make(t.Context(), "../..", t.TempDir(), runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	var logs bytes.Buffer
	cfg := lambdalocal.Config{Function: name, Command: []string{unpack(t, made.Path)}, Concurrency: 1, Logs: &logs}
	for name, value := range variables {
		cfg.Env = append(cfg.Env, name+"="+value)
	}
	service, err := lambdalocal.Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the function wrote:\n%s", logs.Bytes())
		}
	})
	return service.URL()
}

// unpack writes the bootstrap of a package, as Lambda would, and returns its path.
func unpack(t *testing.T, path string) string {
	t.Helper()
	r, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	in, err := r.Open("bootstrap")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	bootstrap := filepath.Join(t.TempDir(), "bootstrap")
	out, err := os.OpenFile(bootstrap, os.O_CREATE|os.O_WRONLY, r.File[0].Mode())
	if err == nil {
		_, err = io.Copy(out, in)
	}
	if err == nil {
		err = out.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return bootstrap
}
