package k8s

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"

	"github.com/sagefleet/sagefleet/deploy/programs"
	"github.com/sagefleet/sagefleet/producer/alarms"
	"github.com/sagefleet/sagefleet/producer/answers"
	"github.com/sagefleet/sagefleet/shared/settings"
)

// TestProgramsTakeTheirEnvironment gives each container's variables to the program
// that it runs: every name must be one that it reads, every value one that it takes.
func TestProgramsTakeTheirEnvironment(t *testing.T) {
	t.Parallel()
	foreign := []string{"nats", "lambdalocal", "aws-otel-collector"} // no program of ours reads its variables
	for _, overlay := range overlays {
		s := objects(t, overlay)
		checked := 0
		for _, p := range s.pods() {
			for _, c := range p.containers() {
				name := program(c)
				if slices.Contains(foreign, name) {
					continue
				}
				of, ok := programs.Of(name, c.Args)
				if !ok {
					t.Errorf("%s: %s: no program is known for %s %s", overlay, p.name, name, strings.Join(c.Args, " "))
					continue
				}
				variables, err := s.environment(c)
				if err != nil {
					t.Errorf("%s: %s/%s: %v", overlay, p.name, c.Name, err)
					continue
				}
				// Settings of the fleet are everybody's, though not everybody reads all.
				for shared := range s.configMap("fleet") {
					if !of.Reads(shared) {
						delete(variables, shared)
					}
				}
				if err := of.Check(variables); err != nil {
					t.Errorf("%s: %s/%s: %v", overlay, p.name, c.Name, err)
				}
				checked++
			}
		}
		if checked < 6 {
			t.Errorf("%s: only %d containers were looked at", overlay, checked)
		}
		for name := range s.configMap("fleet") {
			if !slices.ContainsFunc([]string{"worker", "bridge", "sage serve", "sage notify"}, func(p string) bool { return programs.All[p].Reads(name) }) {
				t.Errorf("%s: %s is a setting of nobody", overlay, name)
			}
		}
	}
}

// program is what an image runs: its name without registry and tag.
func program(c core.Container) string {
	name := c.Image[strings.LastIndexByte(c.Image, '/')+1:]
	name, _, _ = strings.Cut(name, ":")
	return name
}

// TestAnswersAreUnderstood has `sage notify` read the files that it is given.
func TestAnswersAreUnderstood(t *testing.T) {
	t.Parallel()
	for overlay, mailboxes := range map[string]int{"minimal": 0, "production": 1} {
		s := objects(t, overlay)
		told := map[string]string{}
		for _, p := range s.pods() {
			if p.name != "Deployment/notify" {
				continue
			}
			variables, err := s.environment(p.spec.Containers[0])
			if err != nil {
				t.Fatal(err)
			}
			told = variables
			if v := volumeAt(p.spec, p.spec.Containers[0], path.Dir(told["ANSWERS_FILE"])); v == nil || v.ConfigMap == nil {
				t.Errorf("%s: nothing is mounted for %s", overlay, told["ANSWERS_FILE"])
			}
		}
		for _, name := range []string{"ANSWERS_FILE", "ALARMS_FILE"} {
			if told[name] == "" {
				continue
			}
			file := filepath.Join(t.TempDir(), path.Base(told[name]))
			if err := os.WriteFile(file, []byte(s.configMap("answers")[path.Base(told[name])]), 0o600); err != nil {
				t.Fatal(err)
			}
			told[name] = file
		}
		cfg, err := settings.Parse[answers.Config](told)
		if err != nil {
			t.Fatalf("%s: %v", overlay, err)
		}
		if read, err := cfg.Read(); err != nil || len(read.Mailboxes) != mailboxes {
			t.Errorf("%s: %d mailboxes, want %d: %v", overlay, len(read.Mailboxes), mailboxes, err)
		}
		operators, err := settings.Parse[alarms.Config](told)
		if err != nil {
			t.Fatalf("%s: %v", overlay, err)
		}
		if operators.On() != (overlay == "production") {
			t.Errorf("%s: ALARMS_FILE is %q", overlay, operators.File)
		}
		if !operators.On() {
			continue
		}
		if read, err := operators.Read(); err != nil || read.Channels["operators"].SNS == nil {
			t.Errorf("%s: operators are told through %v: %v", overlay, read.Channels, err)
		}
	}
}
