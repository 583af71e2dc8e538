package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

type versionCommand struct{}

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
