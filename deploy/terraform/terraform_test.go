// Package terraform holds the Terraform of this folder against what it promises,
// without an account: formatting, plans, policies over what would stand after an
// apply, the calls of the code against the rights of its role, generated documents.
//
// The tests work on a copy of the sources, so that nothing is left in the folder.
package terraform

import (
	"archive/zip"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const (
	account = "111122223333"
	region  = "eu-central-1"

	// mirrorVariable names a folder with providers, for machines that reach no registry.
	mirrorVariable = "SAGE_TF_PLUGINS"
)

var workspace string // a temporary folder; the copy of the sources is in src

func TestMain(m *testing.M) {
	flag.Parse()
	if skip := flag.Lookup("test.skip"); !*applies && skip.Value.String() == "" {
		_ = skip.Value.Set("^TestApply$")
	}
	for name, value := range offlineCredentials { // for the SDK in this process
		_ = os.Setenv(name, value)
	}
	var err error
	if workspace, err = os.MkdirTemp("", "sage-terraform-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(workspace)
	os.Exit(code)
}

// offlineCredentials mean nothing, and keep everybody from looking for others.
var offlineCredentials = map[string]string{
	"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true",
	"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
}

// sources returns the copy that commands run in, without Terraform when there is
// none to run.
var sources = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(workspace, "src")
	if err := os.CopyFS(dir, sourceFS{os.DirFS(".")}); err != nil {
		return "", err
	}
	return dir, writePackage(packagePath())
})

// sourceFS leaves out what Terraform doesn't read, and what it leaves behind.
type sourceFS struct{ fs.FS }

func (s sourceFS) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(s.FS, name)
	var kept []fs.DirEntry
	for _, entry := range entries {
		if entry.IsDir() && !strings.HasPrefix(entry.Name(), ".") || strings.HasSuffix(entry.Name(), ".hcl") || strings.HasSuffix(entry.Name(), ".tf") {
			kept = append(kept, entry)
		}
	}
	return kept, err
}

func packagePath() string { return filepath.Join(workspace, "package.zip") }

// writePackage makes a zip such as the function's: nothing here runs it.
func writePackage(path string) error {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	file, err := z.Create("bootstrap")
	if err != nil {
		return err
	}
	if _, err := file.Write([]byte("#!/bin/sh\n")); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// command runs terraform in a folder of the copy, with extra variables of the
// environment, and returns what it printed.
func command(t *testing.T, dir string, env []string, args ...string) ([]byte, error) {
	t.Helper()
	program, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("terraform is not on PATH; needed: version 1.9 or later")
	}
	ctx, cancel := context.WithTimeout(t.Context(), *patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append(environment(t), env...)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return append(out.Bytes(), problems.Bytes()...), fmt.Errorf("terraform %s: %w", args[0], err)
	}
	return out.Bytes(), nil
}

// environment is this process's, without what could reach a real account.
func environment(t *testing.T) []string {
	t.Helper()
	var env []string
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		switch {
		case strings.HasPrefix(name, "AWS_"), name == "TF_CLI_CONFIG_FILE" && !exists(value), strings.HasPrefix(name, "TF_VAR_"):
		default:
			env = append(env, variable)
		}
	}
	env = append(env, "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1", "TF_INPUT=0")
	for name, value := range offlineCredentials {
		env = append(env, name+"="+value)
	}
	if mirror := os.Getenv(mirrorVariable); mirror != "" {
		file := filepath.Join(workspace, "mirror.tfrc")
		config := fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", mirror)
		if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
			t.Fatal(err)
		}
		return append(env, "TF_CLI_CONFIG_FILE="+file)
	}
	if os.Getenv("TF_PLUGIN_CACHE_DIR") == "" { // the provider is downloaded once, not once for each folder
		cache := filepath.Join(workspace, "plugins")
		if err := os.MkdirAll(cache, 0o755); err != nil {
			t.Fatal(err)
		}
		env = append(env, "TF_PLUGIN_CACHE_DIR="+cache)
	}
	return env
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// initialised are the folders that init has run in; one at a time, since they may
// share a cache of providers.
var initialised = struct {
	sync.Mutex
	folders map[string]bool
}{folders: map[string]bool{}}

// initialise runs init in a folder of the copy, once, and returns the folder.
func initialise(t *testing.T, folder string) string {
	t.Helper()
	root, err := sources()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, folder)
	initialised.Lock()
	defer initialised.Unlock()
	if initialised.folders[dir] {
		return dir
	}
	out, err := command(t, dir, nil, "init", "-no-color", "-backend=false")
	switch {
	case err != nil && bytes.Contains(out, []byte("Failed to query available provider packages")):
		t.Skipf("no provider hashicorp/aws: no registry answers, and %s names no folder that has it", mirrorVariable)
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	}
	initialised.folders[dir] = true
	return dir
}

// run runs terraform and fails the test when it fails.
func run(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	out, err := command(t, dir, nil, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}
