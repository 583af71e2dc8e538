// Package compose starts what compose.yaml describes as plain processes of this
// machine: the same programs, told the same, without containers.
//
// Names of services become the loopback interface, their ports free ones, and the
// paths of volumes folders.
package compose

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// Topology is a Compose project.
type Topology struct{ project *types.Project }

// Load reads the Compose files in dir. It looks at no variable of this process.
func Load(ctx context.Context, dir string, files ...string) (*Topology, error) {
	var paths []string
	for _, file := range files {
		paths = append(paths, filepath.Join(dir, file))
	}
	options, err := cli.NewProjectOptions(paths, cli.WithWorkingDirectory(dir), cli.WithResolvedPaths(true), cli.WithProfiles([]string{"*"}))
	if err != nil {
		return nil, fmt.Errorf("compose files in %s: %w", dir, err)
	}
	project, err := options.LoadProject(ctx)
	if err != nil {
		return nil, fmt.Errorf("compose files in %s: %w", dir, err)
	}
	return &Topology{project}, nil
}

// Services are all services, those of profiles included, by name.
func (t *Topology) Services() types.Services { return t.project.Services }

// Environment is what a service is told, its files included.
func Environment(service types.ServiceConfig) map[string]string {
	variables := map[string]string{}
	for name, value := range service.Environment {
		if value != nil {
			variables[name] = *value
		}
	}
	return variables
}

// ordered are the services that start by themselves, each after those that it
// depends on.
func (t *Topology) ordered() ([]types.ServiceConfig, error) {
	var sorted []types.ServiceConfig
	started := func(name string) bool {
		return slices.ContainsFunc(sorted, func(s types.ServiceConfig) bool { return s.Name == name })
	}
	names := slices.Sorted(func(yield func(string) bool) {
		for name, s := range t.project.Services {
			if len(s.Profiles) == 0 && !yield(name) {
				return
			}
		}
	})
	for len(sorted) < len(names) {
		before := len(sorted)
		for _, name := range names {
			s := t.project.Services[name]
			if !started(name) && !slices.ContainsFunc(s.GetDependencies(), func(d string) bool { return !started(d) }) {
				sorted = append(sorted, s)
			}
		}
		if len(sorted) == before {
			return nil, fmt.Errorf("services depend on each other: %s", strings.Join(names, ", "))
		}
	}
	return sorted, nil
}
