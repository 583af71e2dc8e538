package grafana

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"go.yaml.in/yaml/v3"

	"github.com/sagefleet/sagefleet/shared/telemetry"
)

// rule is one alerting rule.
type rule struct {
	rulefmt.Rule
	expr parser.Expr
}

var expressions = parser.NewParser(parser.Options{})

// alerts reads alerts.yaml as Prometheus does.
func alerts(t *testing.T) []rule {
	t.Helper()
	groups, errs := rulefmt.ParseFile("alerts.yaml", false, model.UTF8Validation, expressions, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	var all []rule
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			expr, err := expressions.ParseExpr(r.Expr)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, rule{r, expr})
		}
	}
	return all
}

// selectors are the series that an expression asks for.
func selectors(expr parser.Expr) (all []*parser.VectorSelector) {
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		if s, ok := n.(*parser.VectorSelector); ok {
			all = append(all, s)
		}
		return nil
	})
	return all
}

// served are the names that the metrics of the catalog have as series, with their labels.
func served() map[string][]string {
	all := map[string][]string{}
	for _, m := range telemetry.Catalog {
		if m.Kind != telemetry.Histogram {
			all[m.Name] = m.Labels
			continue
		}
		all[m.Name+"_count"], all[m.Name+"_sum"], all[m.Name+"_bucket"] = m.Labels, m.Labels, append(slices.Clone(m.Labels), "le")
	}
	return all
}

// scraped are the labels that Prometheus adds.
var scraped = []string{labels.MetricName, "job", "instance"}

// unknown says what an expression asks for that nobody serves.
func unknown(expr parser.Expr) (problems []string) {
	names := served()
	for _, s := range selectors(expr) {
		if s.Name == "up" {
			continue // Prometheus's own
		}
		known, ok := names[s.Name]
		if !ok {
			problems = append(problems, "nobody serves "+s.Name)
			continue
		}
		for _, m := range s.LabelMatchers {
			if !slices.Contains(known, m.Name) && !slices.Contains(scraped, m.Name) {
				problems = append(problems, s.Name+" has no label "+m.Name)
			}
		}
	}
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		a, ok := n.(*parser.AggregateExpr)
		if !ok {
			return nil
		}
		for _, s := range selectors(a) {
			for _, by := range a.Grouping {
				if !slices.Contains(names[s.Name], by) && !slices.Contains(scraped, by) {
					problems = append(problems, s.Name+" has no label "+by)
				}
			}
		}
		return nil
	})
	return problems
}

// TestUnknown shows what the check of names catches.
func TestUnknown(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		`sage_slots > 1`:                       0,
		`sage_slot > 1`:                        1,
		`sage_slots{queue="fleet",job="sage"}`: 0,
		`sage_slots{mailbox="x"}`:              1,
		`sum by (queue) (sage_slots)`:          0,
		`sum by (executor) (sage_slots)`:       1,
		`sage_execution_run_seconds`:           1,
		`rate(sage_execution_run_seconds_bucket{le="1",executor="worker"}[5m])`: 0,
	} {
		expr, err := expressions.ParseExpr(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := unknown(expr); len(got) != want {
			t.Errorf("%s: %v, want %d problems", text, got, want)
		}
	}
}

// TestAlertsAreOfTheFleet: rules ask for what is served, say how bad it is and what to do.
func TestAlertsAreOfTheFleet(t *testing.T) {
	t.Parallel()
	for _, r := range alerts(t) {
		for _, problem := range unknown(r.expr) {
			t.Errorf("%s: %s", r.Alert, problem)
		}
		if s := r.Labels["severity"]; s != "page" && s != "ticket" {
			t.Errorf("%s is of severity %q", r.Alert, s)
		}
		book := r.Annotations["runbook"]
		if name, ok := strings.CutPrefix(book, "deploy/runbooks/"); !ok || !strings.HasSuffix(name, ".md") || r.Annotations["summary"] == "" {
			t.Errorf("%s: summary %q, runbook %q", r.Alert, r.Annotations["summary"], book)
		}
	}
}

// trial is what is expected of one rule.
type trial struct {
	Alert  string                         `yaml:"alert"`
	Series []map[string]string            `yaml:"series"`
	At     map[string][]map[string]string `yaml:"at"`
}

func trials(t *testing.T) map[string]trial {
	t.Helper()
	text, err := os.ReadFile("alerts_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	var all []trial
	if err := decoder.Decode(&all); err != nil {
		t.Fatal(err)
	}
	byAlert := map[string]trial{}
	for _, one := range all {
		byAlert[one.Alert] = one
	}
	return byAlert
}

// TestAlerts has every rule evaluated once a minute over made-up series. Each is shown to
// fire, and not to.
func TestAlerts(t *testing.T) {
	t.Parallel()
	all := trials(t)
	for _, r := range alerts(t) {
		one, ok := all[r.Alert]
		if !ok {
			t.Errorf("no trial of %s", r.Alert)
			continue
		}
		delete(all, r.Alert)
		t.Run(r.Alert, func(t *testing.T) {
			t.Parallel()
			try(t, r, one)
		})
	}
	for name := range all {
		t.Errorf("a trial of %s, which is no rule", name)
	}
}

func try(t *testing.T, r rule, one trial) {
	t.Helper()
	var load strings.Builder
	load.WriteString("load 1m\n")
	for _, s := range one.Series {
		for series, values := range s {
			load.WriteString("  " + series + " " + values + "\n")
		}
	}
	store := promqltest.LoadedStorage(t, load.String())
	t.Cleanup(func() { _ = store.Close() })
	engine := promqltest.NewTestEngine(t, false, 5*time.Minute, 1_000_000)
	alerting := rules.NewAlertingRule(r.Alert, r.expr, time.Duration(r.For), time.Duration(r.KeepFiringFor), labels.FromMap(r.Labels),
		labels.FromMap(r.Annotations), labels.EmptyLabels(), "", true, slog.New(slog.NewTextHandler(io.Discard, nil)))
	query := rules.EngineQueryFunc(engine, store)
	minutes := map[time.Duration][]map[string]string{}
	last := time.Duration(0)
	fires, rests := false, false
	for text, want := range one.At {
		at, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		minutes[at], last = want, max(last, at)
		fires, rests = fires || len(want) > 0, rests || len(want) == 0
	}
	if !fires || !rests {
		t.Errorf("it is shown to fire: %v, and not to: %v", fires, rests)
	}
	for at := time.Duration(0); at <= last; at += time.Minute {
		if _, err := alerting.Eval(t.Context(), 0, time.Unix(0, 0).Add(at), query, nil, 0); err != nil {
			t.Fatal(err)
		}
		want, asked := minutes[at]
		if !asked {
			continue
		}
		got := []map[string]string{}
		for _, a := range alerting.ActiveAlerts() {
			if a.State == rules.StateFiring {
				m := a.Labels.Map()
				delete(m, labels.AlertName)
				got = append(got, m)
			}
		}
		if diff := cmp.Diff(append([]map[string]string{}, want...), got); diff != "" {
			t.Errorf("after %v (-want +got):\n%s", at, diff)
		}
	}
}
