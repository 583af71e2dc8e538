package images

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// workflow is what GitHub does, as far as images and releases go.
type workflow struct {
	Jobs map[string]*struct {
		Needs    string
		Uses     string
		Strategy struct{ Matrix struct{ Image []string } }
		Steps    []struct {
			Uses, Run string
			With      map[string]string
		}
	}
}

// TestWorkflowsMakeTheImages: CI builds every image of the Dockerfile, for both
// platforms, and a release pushes them, which is made of nothing that CI refuses.
func TestWorkflowsMakeTheImages(t *testing.T) {
	ci, release := workflows(t)
	for _, fault := range published(t, ci, release) {
		t.Error(fault)
	}
	for name, spoil := range map[string]func(ci, release workflow){
		"an image forgotten":     func(_, r workflow) { r.Jobs["images"].Strategy.Matrix.Image = []string{"worker"} },
		"one that nobody tries":  func(ci, _ workflow) { ci.Jobs["images"].Strategy.Matrix.Image = nil },
		"images of any commit":   func(_, r workflow) { r.Jobs["images"].Needs = "" },
		"a release of anything":  func(_, r workflow) { r.Jobs["release"].Needs = "" },
		"CI that isn't CI":       func(_, r workflow) { r.Jobs["ci"].Uses = "./.github/workflows/release.yml" },
		"pushed by every change": func(ci, _ workflow) { with(ci)["push"] = "true" },
		"pushed by nobody":       func(_, r workflow) { with(r)["push"] = "false" },
		"one platform":           func(_, r workflow) { with(r)["platforms"] = "linux/amd64" },
		"another name":           func(_, r workflow) { with(r)["tags"] = "ghcr.io/sagefleet/sage:latest" },
	} {
		ci, release := workflows(t)
		spoil(ci, release)
		if len(published(t, ci, release)) == 0 {
			t.Errorf("%s: nobody says so", name)
		}
	}
}

func workflows(t *testing.T) (ci, release workflow) {
	t.Helper()
	for name, w := range map[string]*workflow{"ci": &ci, "release": &release} {
		text, err := os.ReadFile("../../.github/workflows/" + name + ".yml")
		if err == nil {
			err = yaml.Unmarshal(text, w)
		}
		if err != nil || w.Jobs["images"] == nil {
			t.Fatalf("%s: %v, or no job for images", name, err)
		}
	}
	return ci, release
}

// with is what a workflow tells the step that builds an image.
func with(w workflow) map[string]string {
	for _, step := range w.Jobs["images"].Steps {
		if strings.HasPrefix(step.Uses, "docker/build-push-action@") {
			return step.With
		}
	}
	return nil
}

func published(t *testing.T, ci, release workflow) (faults []string) {
	t.Helper()
	images, err := All()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, image := range images {
		want = append(want, image.Target)
	}
	slices.Sort(want)
	for name, w := range map[string]workflow{"ci": ci, "release": release} {
		have := slices.Sorted(slices.Values(w.Jobs["images"].Strategy.Matrix.Image))
		if !slices.Equal(have, want) {
			faults = append(faults, fmt.Sprintf("%s builds %v, and the Dockerfile has %v", name, have, want))
		}
		step := with(w)
		if step["platforms"] != "linux/amd64,linux/arm64" || step["file"] != "deploy/images/Dockerfile" || step["target"] != "${{ matrix.image }}" ||
			step["push"] != fmt.Sprint(name == "release") {
			faults = append(faults, fmt.Sprintf("%s builds images with %v", name, step))
		}
	}
	if with(release)["tags"] != "ghcr.io/sagefleet/${{ matrix.image }}:${{ steps.version.outputs.tag }}" {
		faults = append(faults, "images are pushed under another name than deploy/k8s asks for")
	}
	if release.Jobs["ci"] == nil || release.Jobs["ci"].Uses != "./.github/workflows/ci.yml" {
		faults = append(faults, "a release doesn't run CI")
	}
	for name, job := range release.Jobs {
		if name != "ci" && job.Needs != "ci" {
			faults = append(faults, name+" doesn't wait for CI")
		}
	}
	return faults
}
