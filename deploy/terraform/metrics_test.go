package terraform

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/sagefleet/sagefleet/shared/telemetry"
	"github.com/sagefleet/sagefleet/worker/function"
)

// TestMetricsAreTheFleets: alarms and dashboard look at metrics that the code has, and the
// CloudWatch agent's configuration brings those of them that the function doesn't write.
func TestMetricsAreTheFleets(t *testing.T) {
	t.Parallel()
	var written, served []string
	for _, file := range []string{"alarms.tf", "dashboard.tf"} {
		text, err := os.ReadFile("modules/monitoring/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, quoted := range regexp.MustCompile(`"sage_[a-z_]+"`).FindAllString(string(text), -1) {
			name := strings.Trim(quoted, `"`)
			if slices.Contains(function.MetricNames(), name) {
				written = append(written, name)
			} else {
				served = append(served, name)
			}
		}
	}
	slices.Sort(served)
	served = slices.Compact(served)
	if len(written) == 0 || len(served) == 0 {
		t.Fatal("no metrics were found")
	}
	for _, name := range served {
		if !slices.ContainsFunc(telemetry.Catalog, func(m telemetry.Metric) bool { return m.Name == name }) {
			t.Errorf("%s is watched, and nobody serves or writes it", name)
		}
	}
	brought := agentBrings(t)
	if !slices.Equal(brought, served) {
		t.Errorf("the agent brings %v, and %v is watched", brought, served)
	}
}

// agentBrings are the metrics that the agent is told to bring, sorted. Each has the
// dimensions that it is brought with as labels.
func agentBrings(t *testing.T) (names []string) {
	t.Helper()
	var cfg struct {
		Logs struct {
			Collected struct {
				Prometheus struct {
					Processor struct {
						Namespace    string `json:"metric_namespace"`
						Declarations []struct {
							Dimensions [][]string `json:"dimensions"`
							Selectors  []string   `json:"metric_selectors"`
						} `json:"metric_declaration"`
					} `json:"emf_processor"`
				} `json:"prometheus"`
			} `json:"metrics_collected"`
		} `json:"logs"`
	}
	text, err := os.ReadFile("modules/monitoring/agent.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &cfg); err != nil {
		t.Fatal(err)
	}
	processor := cfg.Logs.Collected.Prometheus.Processor
	if processor.Namespace != function.Namespace {
		t.Errorf("the agent's namespace is %s, the function's %s", processor.Namespace, function.Namespace)
	}
	for _, d := range processor.Declarations {
		for _, selector := range d.Selectors {
			name := strings.Trim(selector, "^$")
			names = append(names, name)
			i := slices.IndexFunc(telemetry.Catalog, func(m telemetry.Metric) bool { return m.Name == name })
			for _, label := range slices.Concat(d.Dimensions...) {
				if label != "job" && (i < 0 || !slices.Contains(telemetry.Catalog[i].Labels, label)) {
					t.Errorf("%s has no label %s", name, label)
				}
			}
		}
	}
	var scrape struct {
		Jobs []struct {
			Name string `yaml:"job_name"`
		} `yaml:"scrape_configs"`
	}
	if text, err = os.ReadFile("modules/monitoring/agent-scrape.yaml"); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &scrape); err != nil || len(scrape.Jobs) != 1 || scrape.Jobs[0].Name != "sage" {
		t.Errorf("scrapes %+v (%v), want the job sage", scrape, err)
	}
	slices.Sort(names)
	return names
}
