package terraform

import (
	"fmt"
	"maps"
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
// collector's configuration brings those of them that the function doesn't write.
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
	brought := collectorBrings(t)
	if !slices.Equal(brought, served) {
		t.Errorf("the collector brings %v, and %v is watched", brought, served)
	}
}

// collectorBrings are the metrics that the collector is told to bring, sorted. Each has the
// dimensions that it is brought with as labels, besides the fleet, which all are given.
func collectorBrings(t *testing.T) (names []string) {
	t.Helper()
	cfg := collector(t)
	if cfg.Exporters.EMF.Namespace != function.Namespace {
		t.Errorf("the collector's namespace is %s, the function's %s", cfg.Exporters.EMF.Namespace, function.Namespace)
	}
	for _, d := range cfg.Exporters.EMF.Declarations {
		for _, selector := range d.Selectors {
			name := strings.Trim(selector, "^$")
			names = append(names, name)
			i := slices.IndexFunc(telemetry.Catalog, func(m telemetry.Metric) bool { return m.Name == name })
			for _, label := range slices.Concat(d.Dimensions...) {
				if label != "fleet" && (i < 0 || !slices.Contains(telemetry.Catalog[i].Labels, label)) {
					t.Errorf("%s has no label %s", name, label)
				}
			}
		}
	}
	slices.Sort(names)
	return names
}

// collected is what deploy/k8s tells the collector of metrics.
type collected struct {
	Receivers struct {
		Prometheus struct {
			Config struct {
				Jobs []struct {
					Relabel []struct {
						Label string `yaml:"target_label"`
						Value string `yaml:"replacement"`
					} `yaml:"relabel_configs"`
				} `yaml:"scrape_configs"`
			}
		}
	}
	Exporters struct {
		EMF struct {
			Namespace    string
			LogGroup     string        `yaml:"log_group_name"`
			Declarations []declaration `yaml:"metric_declarations"`
		} `yaml:"awsemf"`
	}
}

// declaration says with which dimensions some metrics are brought.
type declaration struct {
	Dimensions [][]string
	Selectors  []string `yaml:"metric_name_selectors"`
}

func collector(t *testing.T) (cfg collected) {
	t.Helper()
	if err := yaml.Unmarshal(source(t, "components/cloudwatch/settings.yaml"), &cfg); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// uncollected says what keeps the metrics that the collector brings from the alarms.
func uncollected(s stack, cfg collected) (faults []string) {
	report := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	group := s.about("aws_cloudwatch_log_group", "name", cfg.Exporters.EMF.LogGroup)
	role := s.about("aws_iam_role", "name", "sage-collector")
	arn := "arn:aws:logs:" + region + ":" + account + ":log-group:" + cfg.Exporters.EMF.LogGroup + ":*"
	for _, action := range []string{"logs:CreateLogStream", "logs:PutLogEvents"} {
		if group == nil || role == nil || !s.grants(role, action, arn) {
			report("nobody makes the log group %s, or its collector may not %s", cfg.Exporters.EMF.LogGroup, action)
		}
	}
	given := map[string]string{}
	for _, job := range cfg.Receivers.Prometheus.Config.Jobs {
		for _, r := range job.Relabel {
			given[r.Label] = r.Value
		}
	}
	for _, alarm := range s.of("aws_cloudwatch_metric_alarm") {
		if alarm.text("namespace") != cfg.Exporters.EMF.Namespace {
			continue
		}
		dimensions, _ := alarm.at("dimensions").(map[string]any)
		for name, value := range dimensions {
			if given[name] != value {
				report("%s looks at %s=%v, and the collector says %q", alarm.Address, name, value, given[name])
			}
		}
		if len(dimensions) == 0 || !slices.ContainsFunc(cfg.Exporters.EMF.Declarations, func(d declaration) bool {
			return slices.Contains(d.Selectors, "^"+alarm.text("metric_name")+"$") && slices.ContainsFunc(d.Dimensions, func(set []string) bool {
				return slices.Equal(set, slices.Sorted(maps.Keys(dimensions)))
			})
		}) {
			report("%s looks at %v, which nobody brings with its dimensions", alarm.Address, alarm.text("metric_name"))
		}
	}
	return faults
}

// TestAlarmsSeeTheFleet: what the collector writes arrives where alarms look.
func TestAlarmsSeeTheFleet(t *testing.T) {
	s := mocked(t)["production"]
	for _, fault := range uncollected(s, collector(t)) {
		t.Error(fault)
	}
	for name, spoil := range map[string]func(*breaker, *collected){
		"another log group": func(_ *breaker, c *collected) { c.Exporters.EMF.LogGroup = "/sage/other" },
		"no right to write": func(b *breaker, _ *collected) {
			b.edit("aws_iam_role_policy.metrics", "policy", "PutLogEvents", "GetLogEvents")
		},
		"another fleet":      func(_ *breaker, c *collected) { c.Receivers.Prometheus.Config.Jobs[0].Relabel[0].Value = "other" },
		"another dimension":  func(_ *breaker, c *collected) { c.Exporters.EMF.Declarations[0].Dimensions = [][]string{{"pod"}} },
		"a metric forgotten": func(_ *breaker, c *collected) { c.Exporters.EMF.Declarations[0].Selectors = nil },
	} {
		b, cfg := &breaker{t, s.clone(t)}, collector(t)
		spoil(b, &cfg)
		if len(uncollected(b.stack, cfg)) == 0 {
			t.Errorf("%s: nobody says so", name)
		}
	}
}
