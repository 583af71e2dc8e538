package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/sagefleet/sagefleet/deploy/programs"
)

// TestDeployedCommandsAreUnderstood parses what deploy/k8s and deploy/compose tell
// lambdalocal, as it does.
func TestDeployedCommandsAreUnderstood(t *testing.T) {
	for _, kind := range []string{"k8s", "compose"} {
		deployed, err := programs.Commands("../../"+kind, "lambdalocal")
		if err != nil {
			t.Fatal(err)
		}
		if len(deployed) != 1 {
			t.Errorf("deploy/%s starts %d local Lambdas, want one", kind, len(deployed))
		}
		for _, d := range deployed {
			var opts options
			parser, err := kong.New(&opts)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parser.Parse(d.Args); err != nil {
				t.Errorf("%s/%s: lambdalocal %s: %v", kind, d.File, strings.Join(d.Args, " "), err)
			} else if !slices.Equal(opts.Bootstrap, []string{"/usr/local/bin/lambda"}) {
				t.Errorf("%s/%s: the function's program is %q", kind, d.File, opts.Bootstrap)
			}
		}
	}
}
