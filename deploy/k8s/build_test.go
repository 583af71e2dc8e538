package k8s

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// overlays are what somebody applies.
var overlays = []string{"minimal", "production"}

// document is one object as kustomize made it.
type document struct {
	apiVersion, kind, name string
	yaml                   []byte
}

func (d document) String() string { return d.kind + "/" + d.name }

// build returns the objects of an overlay.
var build = func() func(testing.TB, string) []document {
	var mu sync.Mutex
	built := map[string][]document{}
	return func(t testing.TB, overlay string) []document {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if built[overlay] == nil {
			built[overlay] = kustomize(t, overlay)
		}
		return built[overlay]
	}
}()

func kustomize(t testing.TB, overlay string) []document {
	t.Helper()
	options := krusty.MakeDefaultOptions()
	options.LoadRestrictions = types.LoadRestrictionsRootOnly
	resources, err := krusty.MakeKustomizer(options).Run(filesys.MakeFsOnDisk(), filepath.Join("overlays", overlay))
	if err != nil {
		t.Fatalf("kustomize build %s: %v", overlay, err)
	}
	var all []document
	for _, r := range resources.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, document{r.GetApiVersion(), r.GetKind(), r.GetName(), text})
	}
	if len(all) == 0 {
		t.Fatalf("kustomize build %s: nothing", overlay)
	}
	return all
}

// TestOverlaysBuild builds each overlay, and looks for what kustomize leaves as it was
// without a word.
func TestOverlaysBuild(t *testing.T) {
	t.Parallel()
	for _, overlay := range overlays {
		seen := map[string]bool{}
		for _, d := range build(t, overlay) {
			if seen[d.String()] {
				t.Errorf("%s: %s is there twice", overlay, d)
			}
			seen[d.String()] = true
			if d.kind != "Namespace" && !strings.Contains(string(d.yaml), "\n  namespace: sage\n") {
				t.Errorf("%s: %s is in no namespace", overlay, d)
			}
			for line := range strings.Lines(string(d.yaml)) {
				if text := strings.TrimSpace(line); strings.HasPrefix(text, "image: sagefleet/") {
					t.Errorf("%s: %s has %s, which no registry knows", overlay, d, text)
				}
			}
		}
		for _, want := range []string{"Deployment/worker", "Deployment/serve", "Deployment/notify", "StatefulSet/nats", "Job/provision", "CronJob/gc", "NetworkPolicy/default-deny"} {
			if !seen[want] {
				t.Errorf("%s: %s is missing", overlay, want)
			}
		}
	}
}
