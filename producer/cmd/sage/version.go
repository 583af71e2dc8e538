package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

type versionCommand struct{}

// Help gives an example, and documents the exit codes.
func (versionCommand) Help() string {
	return `Prints what the build recorded of itself: version, commit, Go and platform.

	sage version

Exit codes:

	0  printed`
}

// Run prints what the build recorded of itself.
func (versionCommand) Run(a *app) error {
	version, revision, modified := "(devel)", "", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				revision = s.Value[:min(12, len(s.Value))]
			case s.Key == "vcs.modified" && s.Value == "true":
				modified = "modified"
			}
		}
	}
	about := strings.Join(strings.Fields(version+" "+revision+" "+modified), " ")
	_, err := fmt.Fprintf(a.stdout, "sage %s, %s %s/%s\n", about, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
