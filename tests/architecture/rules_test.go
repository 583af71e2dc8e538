package architecture_test

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/sagefleet/sagefleet/shared/bus"
)

// The tables of the architecture. A new folder, layer or name is a decision: it
// is made here first.
var (
	services    = []string{"producer", "worker", "bridge"}
	codeFolders = append([]string{"shared", "deploy", "tests"}, services...)
	folders     = append([]string{".ci", ".github"}, codeFolders...)

	// layers are the packages of shared, from the bottom up. Each imports only
	// packages of rows above its own, and the first two nothing foreign.
	layers = [][]string{
		{"fault", "failpoint"},
		{"execution", "planning"},
		{"settings"},
		{"secret", "conflict", "completion"},
		{"lock", "state", "delegation", "bus", "storage", "event", "spec", "machine", "trace"},
		{"outcome", "intake", "heartbeat", "lead"},
		{"guard", "queue"},
		{"history", "ledger", "telemetry", "notify"},
	}
	wordLayers = 2

	vagueNames = []string{"util", "utils", "common", "types", "models", "errors", "config", "mocks"}

	// busNames are the streams and buckets. Each may be spelled where it is
	// defined, and nowhere else.
	busNames = []string{
		bus.StreamExecutions, bus.StreamLater, bus.StreamEvents, bus.StreamDecisions, bus.StreamDead, bus.StreamAdvisories,
		bus.BucketLocks, bus.BucketState, bus.BucketFleet, bus.BucketDelegations, bus.BucketBudget, bus.BucketAccess,
		bus.BucketNotices,
	}

	// lambdaRoots start in a cold Lambda, where every package costs start-up time
	// and every megabyte of code is fetched first.
	lambdaRoots   = []string{"worker/function", "worker/cmd/lambda"}
	lambdaRefuses = []string{"html/template", "text/template", "github.com/nats-io/nats-server",
		"github.com/prometheus/client_golang", "go.opentelemetry.io/otel/sdk", "github.com/aws/aws-sdk-go-v2/feature/rds"}
)

const (
	testServer = "shared/bus/bustest"
	maxLines   = 450
)

// violation is one break of one rule, at a file and line or at a folder.
type violation struct{ rule, at, what string }

func (v violation) String() string { return fmt.Sprintf("%s: %s (rule %q)", v.at, v.what, v.rule) }

// rules are pure: what they see is all in the tree.
var rules = map[string]func(t tree, report func(at, format string, args ...any)){
	"folders":  checkFolders,
	"services": checkServices,
	"layers":   checkLayers,
	"names":    checkNames,
	"spelling": checkSpelling,
	"bustest":  checkTestServer,
	"lambda":   checkLambda,
	"size":     checkSize,
}

// check applies every rule to t.
func check(t tree) []violation {
	var found []violation
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		rules[name](t, func(at, format string, args ...any) {
			found = append(found, violation{name, at, fmt.Sprintf(format, args...)})
		})
	}
	return found
}

func checkFolders(t tree, report func(at, format string, args ...any)) {
	for _, folder := range t.folders {
		if !slices.Contains(folders, folder) {
			report(folder, "is no top-level folder of the project; it has %s", strings.Join(folders, ", "))
		}
	}
}

// checkServices holds for tests beside the code too: a service that needs another
// one to be tested is tested under tests. The local Lambda is no service.
func checkServices(t tree, report func(at, format string, args ...any)) {
	for _, s := range t.sources {
		from := top(s.path)
		for _, imported := range s.ownImports() {
			to := top(imported)
			switch {
			case from == to || to == "shared" || from == "tests":
			case from == "deploy" && to != "tests":
			case s.isTest() && within(imported, "deploy/lambdalocal"): // stands for AWS, as bustest does for NATS
			case within(s.dir(), from+"/cmd") && slices.Contains(services, to):
			case slices.Contains(services, from) && slices.Contains(services, to):
				report(s.path, "imports %s: services never import each other; compose them in a main, in deploy or in tests", imported)
			default:
				report(s.path, "imports %s, which lies above it", imported)
			}
		}
	}
}

func checkLayers(t tree, report func(at, format string, args ...any)) {
	for _, s := range t.sources {
		if top(s.path) != "shared" || s.isTest() {
			continue
		}
		from := layerOf(s.dir())
		if from < 0 {
			report(s.path, "%s has no layer; give it one in layers", s.dir())
			continue
		}
		for _, imported := range s.imports {
			switch {
			case !isOwn(imported):
				if from < wordLayers && strings.Contains(top(imported), ".") {
					report(s.path, "imports %s: %s takes only the standard library", imported, sharedUnit(s.dir()))
				}
			case top(imported) == "shared" && sharedUnit(imported) != sharedUnit(s.dir()) && layerOf(imported) >= from:
				report(s.path, "imports %s, which is not in a layer below", imported)
			}
		}
	}
}

// sharedUnit is the package of shared that a folder belongs to: shared/bus for
// shared/bus/bustest.
func sharedUnit(dir string) string {
	parts := strings.SplitN(dir, "/", 3)
	return path.Join(parts[:min(len(parts), 2)]...)
}

func layerOf(dir string) int {
	name := path.Base(sharedUnit(dir))
	return slices.IndexFunc(layers, func(row []string) bool { return slices.Contains(row, name) })
}

func checkNames(t tree, report func(at, format string, args ...any)) {
	for _, s := range t.sources {
		for _, name := range []string{s.pkg, path.Base(s.dir())} {
			if slices.Contains(vagueNames, name) {
				report(s.path, "package %s says nothing of what it provides", name)
				break
			}
		}
	}
}

func checkSpelling(t tree, report func(at, format string, args ...any)) {
	for _, s := range t.sources {
		if s.isTest() || top(s.path) == "tests" || within(s.dir(), "shared/bus") {
			continue
		}
		for _, lit := range s.literals {
			if spellsBusName(lit.text, s.dir()) {
				report(fmt.Sprintf("%s:%d", s.path, lit.line), "spells %q; only shared/bus spells names of subjects, streams and buckets", lit.text)
			}
		}
	}
}

func spellsBusName(text, dir string) bool {
	switch {
	case strings.HasPrefix(text, "$KV."):
		return dir != "shared/lock" && dir != "shared/state" && dir != "shared/delegation" // they compare and set by hand
	case text == bus.StreamDead && dir == "shared/execution":
		return false // the kind of outcome that the stream is named for
	}
	return strings.HasPrefix(text, "sage.") || strings.HasPrefix(text, "$JS.") || slices.Contains(busNames, text)
}

func checkTestServer(t tree, report func(at, format string, args ...any)) {
	for _, s := range t.sources {
		if s.isTest() || top(s.path) == "tests" || within(s.dir(), testServer) {
			continue
		}
		if slices.Contains(s.imports, testServer) {
			report(s.path, "imports %s, which is for tests", testServer)
		}
	}
}

// checkLambda follows the module's own imports from each root and reports the
// first way to each package that a Lambda refuses.
func checkLambda(t tree, report func(at, format string, args ...any)) {
	imports := map[string][]string{}
	for _, s := range t.sources {
		if !s.isTest() {
			imports[s.dir()] = append(imports[s.dir()], s.imports...)
		}
	}
	for _, root := range lambdaRoots {
		seen := map[string]bool{root: true}
		for ways := [][]string{{root}}; len(ways) > 0; ways = ways[1:] {
			way := ways[0]
			for _, imported := range imports[way[len(way)-1]] {
				if seen[imported] {
					continue
				}
				seen[imported] = true
				longer := append(slices.Clone(way), imported)
				ways = append(ways, longer)
				if slices.ContainsFunc(lambdaRefuses, func(p string) bool { return within(imported, p) }) {
					report(root, "imports %s by way of %s", imported, strings.Join(longer, " → "))
				}
			}
		}
	}
}

func checkSize(t tree, report func(at, format string, args ...any)) {
	for _, s := range t.sources {
		if !s.isTest() && s.lines > maxLines {
			report(s.path, "has %d lines; beyond %d a file holds more than one idea", s.lines, maxLines)
		}
	}
}
