// Package architecture_test enforces what ARCHITECTURE.md says of folders,
// imports and names, by parsing the sources.
//
// It asks no go command: such a test's result would be cached past the change it
// should catch.
package architecture_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFleet(t *testing.T) {
	t.Parallel()
	fleet := load(t)
	for _, folder := range codeFolders {
		if !slices.ContainsFunc(fleet.sources, func(s source) bool { return top(s.path) == folder }) {
			t.Errorf("no sources found in %s: the rules were not applied to them", folder)
		}
	}
	for _, v := range check(fleet) {
		t.Error(v)
	}
}

// importing is a file of package pkg that imports the packages given; one that
// starts with / is the module's own.
func importing(pkg string, imports ...string) string {
	var b strings.Builder
	b.WriteString("package " + pkg + "\n")
	for _, p := range imports {
		if own, ok := strings.CutPrefix(p, "/"); ok {
			p = module + own
		}
		b.WriteString("import _ \"" + p + "\"\n")
	}
	return b.String()
}

func saying(literal string) string { return "package p\nconst name = " + literal + "\n" }

// TestRules shows that each rule catches what it forbids, and only that.
func TestRules(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		folders []string
		files   map[string]string // path → text
		want    []string          // rule and place
	}{
		"agreed folders": {folders: []string{".ci", ".github", "producer", "worker", "bridge", "shared", "deploy", "tests"}},
		"new folder":     {folders: []string{"pkg", "worker"}, want: []string{"folders pkg"}},

		"service imports service": {
			files: map[string]string{"worker/w.go": importing("worker", "/bridge/overflow")},
			want:  []string{"services worker/w.go"},
		},
		"service's test imports service": {
			files: map[string]string{"bridge/b_test.go": importing("bridge_test", "/worker")},
			want:  []string{"services bridge/b_test.go"},
		},
		"service imports deploy": {
			files: map[string]string{"producer/p.go": importing("producer", "/deploy/local")},
			want:  []string{"services producer/p.go"},
		},
		"service's test imports deploy": {
			files: map[string]string{"bridge/remote/r_test.go": importing("remote_test", "/deploy/local")},
			want:  []string{"services bridge/remote/r_test.go"},
		},
		"service's test runs the local Lambda": {
			files: map[string]string{"bridge/remote/r_test.go": importing("remote_test", "/deploy/lambdalocal")},
		},
		"service imports tests": {
			files: map[string]string{"worker/w.go": importing("worker", "/tests/load")},
			want:  []string{"services worker/w.go"},
		},
		"main composes services": {
			files: map[string]string{"producer/cmd/sage/main.go": importing("main", "/producer", "/worker/engine", "/shared/bus")},
		},
		"main imports deploy": {
			files: map[string]string{"bridge/cmd/bridge/main.go": importing("main", "/deploy/local")},
			want:  []string{"services bridge/cmd/bridge/main.go"},
		},
		"a folder that only starts with cmd": {
			files: map[string]string{"worker/cmdline/c.go": importing("cmdline", "/bridge")},
			want:  []string{"services worker/cmdline/c.go"},
		},
		"deploy and tests compose services": {
			files: map[string]string{
				"deploy/local/l.go":    importing("local", "/producer", "/worker", "/bridge", "/shared/queue"),
				"tests/e2e/e_test.go":  importing("e2e_test", "/deploy/local", "/worker"),
				"tests/load/driver.go": importing("load", "/deploy/local", "/bridge", "/shared/bus/bustest"),
			},
		},
		"deploy imports tests": {
			files: map[string]string{"deploy/local/l.go": importing("local", "/tests/load")},
			want:  []string{"services deploy/local/l.go"},
		},
		"shared imports service": {
			files: map[string]string{"shared/queue/q.go": importing("queue", "/worker")},
			want:  []string{"services shared/queue/q.go"},
		},
		"shared's test imports service": {
			files: map[string]string{"shared/queue/q_test.go": importing("queue_test", "/worker")},
			want:  []string{"services shared/queue/q_test.go"},
		},

		"words import the standard library and fault": {
			files: map[string]string{
				"shared/fault/f.go":     importing("fault", "errors", "encoding/json"),
				"shared/execution/e.go": importing("execution", "context", "/shared/fault"),
			},
		},
		"words import a library": {
			files: map[string]string{
				"shared/fault/f.go":     importing("fault", "github.com/rs/zerolog"),
				"shared/execution/e.go": importing("execution", "golang.org/x/text/cases"),
			},
			want: []string{"layers shared/execution/e.go", "layers shared/fault/f.go"},
		},
		"fault imports execution": {
			files: map[string]string{"shared/fault/f.go": importing("fault", "/shared/execution")},
			want:  []string{"layers shared/fault/f.go"},
		},
		"layer 1 imports words and libraries": {
			files: map[string]string{"shared/bus/b.go": importing("bus", "github.com/nats-io/nats.go", "/shared/execution", "/shared/fault")},
		},
		"layer 1 imports its own layer": {
			files: map[string]string{"shared/state/s.go": importing("state", "/shared/bus")},
			want:  []string{"layers shared/state/s.go"},
		},
		"layer 1 imports above": {
			files: map[string]string{"shared/storage/s.go": importing("storage", "/shared/outcome")},
			want:  []string{"layers shared/storage/s.go"},
		},
		"a package and its own part": {
			files: map[string]string{
				"shared/bus/bustest/b.go": importing("bustest", "/shared/bus", "github.com/nats-io/nats-server/v2/server"),
				"shared/bus/b_test.go":    importing("bus_test", "/shared/bus/bustest", "/shared/queue"),
			},
		},
		"outcome imports above": {
			files: map[string]string{"shared/outcome/o.go": importing("outcome", "/shared/storage", "/shared/guard")},
			want:  []string{"layers shared/outcome/o.go"},
		},
		"top layer imports below": {
			files: map[string]string{"shared/guard/g.go": importing("guard", "/shared/outcome", "/shared/lock", "/shared/fault")},
		},
		"top layer imports itself": {
			files: map[string]string{"shared/guard/g.go": importing("guard", "/shared/queue")},
			want:  []string{"layers shared/guard/g.go"},
		},
		"package without a layer": {
			files: map[string]string{"shared/retry/r.go": importing("retry")},
			want:  []string{"layers shared/retry/r.go"},
		},

		"vague package": {
			files: map[string]string{"worker/engine/util/u.go": importing("util")},
			want:  []string{"names worker/engine/util/u.go"},
		},
		"vague folder": {
			files: map[string]string{"worker/common/c.go": importing("shapes")},
			want:  []string{"names worker/common/c.go"},
		},
		"file with a vague name": {files: map[string]string{"bridge/remote/config.go": importing("remote")}},

		"subject": {
			files: map[string]string{"worker/w.go": saying(`"sage.exec."`)},
			want:  []string{"spelling worker/w.go:2"},
		},
		"raw string": {
			files: map[string]string{"deploy/local/l.go": saying("`$JS.API.>`")},
			want:  []string{"spelling deploy/local/l.go:2"},
		},
		"stream": {
			files: map[string]string{"shared/queue/q.go": saying(`"EXECUTIONS"`)},
			want:  []string{"spelling shared/queue/q.go:2"},
		},
		"bucket": {
			files: map[string]string{"shared/lock/l.go": saying(`"sage_locks"`)},
			want:  []string{"spelling shared/lock/l.go:2"},
		},
		"dead as a stream":   {files: map[string]string{"shared/queue/q.go": saying(`"DEAD"`)}, want: []string{"spelling shared/queue/q.go:2"}},
		"dead as an outcome": {files: map[string]string{"shared/execution/o.go": saying(`"DEAD"`)}},
		"compare and set":    {files: map[string]string{"shared/lock/l.go": saying(`"$KV."`), "shared/state/s.go": saying(`"$KV."`)}},
		"other KV subject":   {files: map[string]string{"bridge/b.go": saying(`"$KV.sage_locks.x"`)}, want: []string{"spelling bridge/b.go:2"}},
		"where names belong": {files: map[string]string{
			"shared/bus/names.go": saying(`"sage.exec."`), "shared/queue/q_test.go": saying(`"EXECUTIONS"`), "tests/load/l.go": saying(`"sage.exec.x"`),
		}},
		"ordinary text": {files: map[string]string{"worker/w.go": saying(`"message.EXECUTIONS"`)}},

		"product starts a test server": {
			files: map[string]string{"deploy/local/l.go": importing("local", "/shared/bus/bustest")},
			want:  []string{"bustest deploy/local/l.go"},
		},

		"lambda reaches a template": {
			files: map[string]string{
				"worker/function/f.go": importing("function", "/worker/executor"),
				"worker/executor/e.go": importing("executor", "/worker/engine/report"),
				"worker/engine/report/r.go": importing("report",
					"/worker/executor", // a cycle must not hang the search
					"html/template"),
			},
			want: []string{"lambda worker/function"},
		},
		"lambda reaches a server": {
			files: map[string]string{"worker/cmd/lambda/main.go": importing("main", "github.com/nats-io/nats-server/v2/server")},
			want:  []string{"lambda worker/cmd/lambda"},
		},
		"lambda's test starts a server": {
			files: map[string]string{
				"worker/function/f.go":      importing("function", "text/tabwriter"),
				"worker/function/f_test.go": importing("function_test", "/shared/bus/bustest"),
			},
		},

		"long file":      {files: map[string]string{"worker/w.go": "package worker" + strings.Repeat("\n", 451)}, want: []string{"size worker/w.go"}},
		"full file":      {files: map[string]string{"worker/w.go": "package worker" + strings.Repeat("\n", 450)}},
		"long test":      {files: map[string]string{"worker/w_test.go": "package worker" + strings.Repeat("\n", 999)}},
		"generated file": {files: map[string]string{"worker/w.go": "// Code generated by x. DO NOT EDIT.\n" + saying(`"sage.exec."`)}},
	}
	caught := map[string]bool{}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, v := range check(parseTree(t, tt.folders, tt.files)) {
				got = append(got, v.rule+" "+v.at)
				caught[v.rule] = true
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
	for name := range rules {
		if !caught[name] {
			t.Errorf("no case shows that rule %q catches anything", name)
		}
	}
}

func parseTree(t *testing.T, folders []string, files map[string]string) tree {
	t.Helper()
	parsed := tree{folders: folders}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		s, generated, err := parse(name, []byte(files[name]))
		if err != nil {
			t.Fatal(err)
		}
		if !generated {
			parsed.sources = append(parsed.sources, s)
		}
	}
	return parsed
}
