package k8s

import (
	"regexp"
	"slices"
	"strings"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	admission "k8s.io/pod-security-admission/api"
	security "k8s.io/pod-security-admission/policy"
)

// checkRestricted asks what a cluster that enforces the standard "restricted" would
// admit.
func checkRestricted(s set, report reporter) {
	evaluator, err := security.NewEvaluator(security.DefaultChecks(), nil)
	if err != nil {
		panic(err)
	}
	level := admission.LevelVersion{Level: admission.LevelRestricted, Version: admission.LatestVersion()}
	for _, p := range s.pods() {
		for _, result := range evaluator.EvaluatePod(level, p.meta, p.spec) {
			if !result.Allowed {
				report(p.name, "%s: %s", result.ForbiddenReason, result.ForbiddenDetail)
			}
		}
	}
	for name, o := range all[core.Namespace](s) {
		if o.Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
			report(name, "does not enforce the pod security standard restricted")
		}
	}
}

// checkConfined is about what that standard leaves open: what a container may write
// to, and what it could ask the cluster.
func checkConfined(s set, report reporter) {
	for _, p := range s.pods() {
		if p.spec.ServiceAccountName == "" || p.spec.ServiceAccountName == "default" {
			report(p.name, "runs as the namespace's default account")
		}
		if token := p.spec.AutomountServiceAccountToken; token == nil || *token {
			report(p.name, "has a token for the cluster's API, which it needs for nothing")
		}
		if links := p.spec.EnableServiceLinks; links == nil || *links {
			report(p.name, "gets variables of whatever services there are")
		}
		for _, c := range p.containers() {
			if ro := c.SecurityContext.ReadOnlyRootFilesystem; ro == nil || !*ro {
				report(p.name, "%s may write to its root file system", c.Name)
			}
		}
	}
	for name, o := range all[core.ServiceAccount](s) {
		if token := o.AutomountServiceAccountToken; token == nil || *token {
			report(name, "puts a token into its pods")
		}
	}
}

var fixedTag = regexp.MustCompile(`^[a-z0-9.-]+/[a-z0-9/.-]+(:v?[0-9]+\.[0-9]+\.[0-9]+[a-z0-9.-]*|@sha256:[0-9a-f]{64})$`)

func checkImages(s set, report reporter) {
	for _, p := range s.pods() {
		for _, c := range p.containers() {
			if !fixedTag.MatchString(c.Image) {
				report(p.name, "%s is of %q; expected registry/name with a whole version or a digest", c.Name, c.Image)
			}
		}
	}
}

// checkResources wants requests of everything, a limit of memory that Go knows of, and
// none of CPU, which would stop a program in the middle.
func checkResources(s set, report reporter) {
	for _, p := range s.pods() {
		for _, c := range p.containers() {
			for _, name := range []core.ResourceName{core.ResourceCPU, core.ResourceMemory, core.ResourceEphemeralStorage} {
				if c.Resources.Requests[name] == (resource.Quantity{}) {
					report(p.name, "%s requests no %s", c.Name, name)
				}
			}
			if c.Resources.Limits.Memory().IsZero() || c.Resources.Limits.StorageEphemeral().IsZero() {
				report(p.name, "%s has no limit of memory or of ephemeral storage", c.Name)
			}
			if !c.Resources.Limits.Cpu().IsZero() {
				report(p.name, "%s has a limit of CPU", c.Name)
			}
			if !p.lasting {
				continue
			}
			variables, err := s.environment(c)
			if err != nil {
				continue // another rule says so
			}
			soft, err := resource.ParseQuantity(strings.TrimSuffix(variables["GOMEMLIMIT"], "B"))
			share := float64(soft.Value()) / float64(max(c.Resources.Limits.Memory().Value(), 1))
			if err != nil || share < 0.75 || share > 0.95 {
				report(p.name, "GOMEMLIMIT of %s is %q; expected 75 to 95 %% of its limit of memory, %s", c.Name,
					variables["GOMEMLIMIT"], c.Resources.Limits.Memory())
			}
		}
	}
}

// checkScratch: as many files at once as a worker has slots, each as large as may be.
func checkScratch(s set, report reporter) {
	for _, p := range s.pods() {
		for _, c := range p.containers() {
			variables, err := s.environment(c)
			if err != nil || variables["SCRATCH_DIR"] == "" {
				continue
			}
			needs := number(variables["MAX_INPUT_BYTES"]) * (number(variables["SLOTS"]) + number(variables["LOCAL_SLOTS"]))
			if volume := volumeAt(p.spec, c, variables["SCRATCH_DIR"]); volume == nil || volume.EmptyDir == nil ||
				volume.EmptyDir.SizeLimit == nil || volume.EmptyDir.SizeLimit.Value() < needs {
				report(p.name, "%s has no volume of %s at %s: SLOTS and LOCAL_SLOTS files of MAX_INPUT_BYTES", c.Name,
					resource.NewQuantity(needs, resource.BinarySI), variables["SCRATCH_DIR"])
			}
			if limit := c.Resources.Limits.StorageEphemeral().Value(); limit < needs {
				report(p.name, "%s is evicted before its volume at %s is full", c.Name, variables["SCRATCH_DIR"])
			}
		}
	}
}

func number(text string) int64 {
	q, err := resource.ParseQuantity(text)
	if err != nil {
		return 0
	}
	return q.Value()
}

func volumeAt(spec *core.PodSpec, c core.Container, path string) *core.Volume {
	for _, m := range c.VolumeMounts {
		if m.MountPath != path {
			continue
		}
		for _, v := range spec.Volumes {
			if v.Name == m.Name {
				return &v
			}
		}
	}
	return nil
}

func checkProbes(s set, report reporter) {
	for _, p := range s.pods() {
		for _, c := range p.containers() {
			if !p.lasting || program(c) == "lambdalocal" { // that one is for trying, on the loopback interface
				continue
			}
			for name, probe := range map[string]*core.Probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
				switch {
				case probe == nil || probe.HTTPGet == nil:
					report(p.name, "%s has no %s probe", c.Name, name)
				case !slices.ContainsFunc(c.Ports, func(port core.ContainerPort) bool { return port.Name == probe.HTTPGet.Port.StrVal }):
					report(p.name, "%s has no port %s, which its %s probe asks", c.Name, probe.HTTPGet.Port.StrVal, name)
				case program(c) != "nats" && program(c) != "aws-otel-collector" && (probe.HTTPGet.Path == "/readyz") != (name == "readiness"):
					// A worker that can't reach NATS is not ready, and starting it again changes nothing.
					report(p.name, "the %s probe of %s asks %s", name, c.Name, probe.HTTPGet.Path)
				}
			}
		}
	}
}

// checkGrace: who is killed while it drains has its work done a second time, or its
// uploads cut.
func checkGrace(s set, report reporter) {
	const margin = 15 * time.Second
	for _, p := range s.pods() {
		for _, c := range p.containers() {
			variables, err := s.environment(c)
			if err != nil {
				continue // another rule says so
			}
			for _, name := range []string{"DRAIN", "SERVE_DRAIN"} {
				if variables[name] == "" {
					continue
				}
				drain, err := time.ParseDuration(variables[name])
				grace := p.spec.TerminationGracePeriodSeconds
				if err != nil || grace == nil || time.Duration(*grace)*time.Second < drain+margin {
					report(p.name, "terminationGracePeriodSeconds leaves %s less than %s, %s, and %v", c.Name, name, variables[name], margin)
				}
			}
		}
	}
}
