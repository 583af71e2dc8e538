package compose

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/sagefleet/sagefleet/deploy/images"
	"github.com/sagefleet/sagefleet/deploy/programs"
)

// variants are what somebody starts.
var variants = map[string][]string{"plain": {"compose.yaml"}, "tls": {"compose.yaml", "compose.tls.yaml"}}

func load(t *testing.T, files ...string) types.Services {
	t.Helper()
	topology, err := Load(t.Context(), ".", files...)
	if err != nil {
		t.Fatal(err)
	}
	return topology.Services()
}

func TestServicesKeepTheRules(t *testing.T) {
	for variant, files := range variants {
		services := load(t, files...)
		for _, name := range []string{"nats", "provision", "worker", "bridge", "lambda", "serve", "notify", "sage", "admin", "gc"} {
			if _, ok := services[name]; !ok {
				t.Errorf("%s: there is no service %s", variant, name)
			}
		}
		for _, fault := range lint(services) {
			t.Errorf("%s: %s", variant, fault)
		}
	}
}

// TestRulesCatch breaks the services in one way after the other.
func TestRulesCatch(t *testing.T) {
	for name, b := range map[string]struct {
		rule, service string
		spoil         func(*types.ServiceConfig)
	}{
		"writable":        {"confined", "worker", func(s *types.ServiceConfig) { s.ReadOnly = false }},
		"root":            {"confined", "bridge", func(s *types.ServiceConfig) { s.User = "" }},
		"capabilities":    {"confined", "nats", func(s *types.ServiceConfig) { s.CapDrop = nil }},
		"more of them":    {"confined", "nats", func(s *types.ServiceConfig) { s.CapAdd = []string{"NET_ADMIN"} }},
		"new privileges":  {"confined", "lambda", func(s *types.ServiceConfig) { s.SecurityOpt = nil }},
		"privileged":      {"confined", "worker", func(s *types.ServiceConfig) { s.Privileged = true }},
		"latest":          {"image", "worker", func(s *types.ServiceConfig) { s.Image = "sagefleet/worker:latest" }},
		"no tag":          {"image", "worker", func(s *types.ServiceConfig) { s.Image = "sagefleet/worker" }},
		"unknown target":  {"image", "worker", func(s *types.ServiceConfig) { s.Build.Target = "workers" }},
		"another target":  {"image", "worker", func(s *types.ServiceConfig) { s.Build.Target = "bridge" }},
		"no limit":        {"memory", "lambda", func(s *types.ServiceConfig) { s.MemLimit = 0 }},
		"Go has too much": {"memory", "worker", func(s *types.ServiceConfig) { s.Environment["GOMEMLIMIT"] = new("3GiB") }},
		"killed":          {"grace", "worker", func(s *types.ServiceConfig) { s.StopGracePeriod = new(types.Duration(time.Minute)) }},
		"default grace":   {"grace", "bridge", func(s *types.ServiceConfig) { s.StopGracePeriod = nil }},
		"open to all":     {"ports", "nats", func(s *types.ServiceConfig) { s.Ports[0].HostIP = "" }},
		"no such port":    {"ports", "bridge", func(s *types.ServiceConfig) { s.Environment["METRICS_LISTEN"] = new(":9191") }},
		"no such service": {"ports", "worker", func(s *types.ServiceConfig) { s.Environment["NATS_URL"] = new("nats://nat:4222") }},
		"other storage":   {"storage", "bridge", func(s *types.ServiceConfig) { s.Volumes = nil }},
		"unknown setting": {"settings", "worker", func(s *types.ServiceConfig) { s.Environment["SLOT"] = new("4") }},
		"refused setting": {"settings", "worker", func(s *types.ServiceConfig) { s.Environment["SLOTS"] = new("four") }},
		"other limits":    {"budget", "serve", func(s *types.ServiceConfig) { s.Environment["BUDGET_HOUR_USD"] = new("7") }},
		"shows no limits": {"budget", "sage", func(s *types.ServiceConfig) { delete(s.Environment, "BUDGET_DAY_USD") }},
		"no way out":      {"network", "notify", func(s *types.ServiceConfig) { delete(s.Networks, "host") }},
		"a way out":       {"network", "worker", func(s *types.ServiceConfig) { s.Networks["host"] = nil }},
		"too early":       {"order", "worker", func(s *types.ServiceConfig) { s.DependsOn = nil }},
	} {
		services := load(t, "compose.yaml")
		s := services[b.service]
		b.spoil(&s)
		services[b.service] = s
		faults := lint(services)
		if !slices.ContainsFunc(faults, func(f string) bool {
			return strings.HasPrefix(f, b.service+":") && strings.HasSuffix(f, "(rule "+b.rule+")")
		}) {
			t.Errorf("%s: rule %s says nothing of %s; the rules say %q", name, b.rule, b.service, faults)
		}
	}
}

// lint says what is wrong with services, each with its rule.
func lint(services types.Services) (faults []string) {
	built, err := images.All()
	if err != nil {
		return []string{err.Error()}
	}
	for _, name := range slices.Sorted(maps.Keys(services)) {
		s := services[name]
		variables := Environment(s)
		report := func(rule, format string, args ...any) {
			faults = append(faults, fmt.Sprintf("%s: %s (rule %s)", name, fmt.Sprintf(format, args...), rule))
		}
		if !s.ReadOnly || s.Privileged || s.User != "65532:65532" || !slices.Equal(s.CapDrop, []string{"ALL"}) || len(s.CapAdd) > 0 ||
			!slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			report("confined", "expected a read-only root, user 65532:65532, no capability and no new privileges")
		}
		image, tag, _ := strings.Cut(strings.TrimPrefix(s.Image, "sagefleet/"), ":")
		if tag == "" || tag == "latest" {
			report("image", "%s has no version", s.Image)
		}
		if !slices.ContainsFunc(built, func(i images.Image) bool { return i.Target == image && (s.Build == nil || s.Build.Target == image) }) {
			report("image", "%s is not what the Dockerfile builds", s.Image)
		}
		soft := types.UnitBytes(0)
		_ = soft.DecodeMapstructure(strings.ToLower(strings.Replace(variables["GOMEMLIMIT"], "iB", "", 1))) // 0 is refused below
		if share := float64(soft) / float64(max(s.MemLimit, 1)); s.MemLimit == 0 || variables["GOMEMLIMIT"] != "" && (share < 0.75 || share > 0.95) {
			report("memory", "mem_limit is %d, and GOMEMLIMIT %q; expected a limit, and 75 to 95 %% of it", s.MemLimit, variables["GOMEMLIMIT"])
		}
		if drain, err := time.ParseDuration(variables["DRAIN"]); variables["DRAIN"] != "" &&
			(err != nil || s.StopGracePeriod == nil || time.Duration(*s.StopGracePeriod) < drain+15*time.Second) {
			report("grace", "stop_grace_period leaves less than DRAIN, %s, and 15s", variables["DRAIN"])
		}
		if drain, err := time.ParseDuration(variables["SERVE_DRAIN"]); variables["SERVE_DRAIN"] != "" &&
			(err != nil || s.StopGracePeriod == nil || time.Duration(*s.StopGracePeriod) < drain+15*time.Second) {
			report("grace", "stop_grace_period leaves less than SERVE_DRAIN, %s, and 15s", variables["SERVE_DRAIN"])
		}
		for _, port := range s.Ports {
			if ip := net.ParseIP(port.HostIP); ip == nil || !ip.IsLoopback() {
				report("ports", "port %d is published to everybody", port.Target)
			}
		}
		outside := slices.ContainsFunc(slices.Collect(maps.Keys(s.Networks)), func(n string) bool { return n != "fleet" })
		if wants := len(s.Ports) > 0 || variables["ANSWERS_FILE"] != ""; outside != wants {
			report("network", "it can connect to the outside: %v, and has business there: %v", outside, wants)
		}
		for _, fault := range addresses(services, s) {
			report("ports", "%s", fault)
		}
		if path, ok := strings.CutPrefix(variables["STORAGE_URL"], "file://"); ok && name != "provision" &&
			!slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Target == path && v.Source == "storage" }) {
			report("storage", "%s is not on the fleet's volume", path)
		}
		if variables["STORAGE_URL"] != "" && (name == "worker" || name == "bridge" || name == "serve" || name == "notify") &&
			s.DependsOn["provision"].Condition != types.ServiceConditionCompletedSuccessfully {
			report("order", "it starts before there are streams")
		}
		if name == "serve" || name == "sage" {
			if own, kept := programs.Budget(variables), programs.Budget(Environment(services["bridge"])); !maps.Equal(own, kept) {
				report("budget", "it shows the limits %v, and the bridge keeps to %v", own, kept)
			}
		}
		if program, ok := programs.Of(image, s.Command); ok {
			for shared := range Environment(services["provision"]) { // settings of the fleet, not all of them everybody's
				if !program.Reads(shared) {
					delete(variables, shared)
				}
			}
			if err := program.Check(variables); err != nil {
				report("settings", "%v", err)
			}
		} else if image != "nats" && image != "lambdalocal" && name != "sage" && name != "admin" {
			report("settings", "no program is known for %s %v", image, s.Command)
		}
	}
	return faults
}

// addresses are the faults in what a service is told of others, and of its own ports.
func addresses(services types.Services, s types.ServiceConfig) (faults []string) {
	variables := Environment(s)
	for _, name := range []string{"METRICS_LISTEN", "LISTEN"} {
		if listen := variables[name]; listen != "" && !slices.Contains(s.Expose, listen[strings.LastIndexByte(listen, ':')+1:]) {
			faults = append(faults, "it listens at "+listen+", and doesn't expose it")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		for one := range strings.SplitSeq(variables[name], ",") {
			_, address, ok := strings.Cut(one, "://")
			if !ok || strings.HasPrefix(address, "/") {
				continue
			}
			host, port, _ := strings.Cut(address, ":")
			if !slices.Contains(services[host].Expose, port) {
				faults = append(faults, fmt.Sprintf("%s says %s, where nobody is", name, one))
			}
		}
	}
	return faults
}
