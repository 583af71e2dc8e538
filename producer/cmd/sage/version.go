package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

type versionCommand struct {
	JSON bool `name:"json" help:"Print one line of JSON."`
}

// built is what --json prints.
type built struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Help gives an example, and documents the exit codes.
func (versionCommand) Help() string {
	return `Prints what the build recorded of itself: version, commit, Go and platform.

	sage version

Exit codes:

	0  printed`
}

// Run prints what the build recorded of itself.
func (c versionCommand) Run(a *app) error {
	b := built{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			b.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				b.Revision = s.Value[:min(12, len(s.Value))]
			case s.Key == "vcs.modified" && s.Value == "true":
				b.Modified = true
			}
		}
	}
	if c.JSON {
		return printJSON(a.stdout, b)
	}
	about := b.Version + " " + b.Revision
	if b.Modified {
		about += " modified"
	}
	_, err := fmt.Fprintf(a.stdout, "sage %s, %s %s\n", strings.Join(strings.Fields(about), " "), b.Go, b.Platform)
	return err
}
