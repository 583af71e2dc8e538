package watch

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/sagefleet/sagefleet/shared/telemetry"
)

// quiet are the metrics that a fleet without trouble, a budget, an inbox and `sage notify` has no values of.
var quiet = []telemetry.Metric{
	telemetry.StorageErrors, telemetry.AttemptsFailed, telemetry.ExecutionsDead, telemetry.ExecutionsLate,
	telemetry.BudgetLimit, telemetry.BudgetDebt, telemetry.BudgetReserved, telemetry.BudgetFree, telemetry.BudgetUsed,
	telemetry.InboxFiles, telemetry.InboxWaiting, telemetry.Notices, telemetry.AnswersWaiting, telemetry.AlarmsWaiting, telemetry.IncidentsOpen,
}

// TestCatalogIsServed: a fleet serves what the reference lists, with those labels, and
// nothing of its own besides.
func TestCatalogIsServed(t *testing.T) {
	t.Parallel()
	served := map[string]*dto.MetricFamily{}
	for _, f := range fleet(t).families {
		served[f.GetName()] = f
		known := slices.ContainsFunc(telemetry.Catalog, func(m telemetry.Metric) bool { return m.Name == f.GetName() })
		if strings.HasPrefix(f.GetName(), "sage") && !known {
			t.Errorf("%s is served and not in the catalog", f.GetName())
		}
	}
	for _, m := range telemetry.Catalog {
		f := served[m.Name]
		if isQuiet := slices.ContainsFunc(quiet, func(q telemetry.Metric) bool { return q.Name == m.Name }); f == nil {
			if !isQuiet {
				t.Errorf("%s is in the catalog and not served", m.Name)
			}
			continue
		}
		if kind := telemetry.Kind(strings.ToLower(f.GetType().String())); kind != m.Kind {
			t.Errorf("%s is a %s, the catalog says %s", m.Name, kind, m.Kind)
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		want := slices.Sorted(slices.Values(m.Labels))
		if slices.Sort(labels); !slices.Equal(labels, want) {
			t.Errorf("%s has labels %v, the catalog says %v", m.Name, labels, want)
		}
	}
}

// sum adds up the series of a metric that have a label's value.
func (s seen) sum(name, label, value string) (sum float64) {
	for _, f := range s.families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetName() == label && l.GetValue() == value }) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

// TestCountsAgree: what metrics count is what happened.
func TestCountsAgree(t *testing.T) {
	t.Parallel()
	s := fleet(t)
	all := float64(len(s.keys))
	for name, label := range map[string]string{
		telemetry.Executions.Name: "mailbox=ventas", telemetry.Messages.Name: "end=ended",
	} {
		label, value, _ := strings.Cut(label, "=")
		if n := s.sum(name, label, value); n != all {
			t.Errorf("%s counts %v of %v", name, n, all)
		}
	}
	for _, name := range []string{telemetry.Executions.Name, telemetry.Attempts.Name, telemetry.ExecutionRun.Name, telemetry.ExecutionWait.Name, telemetry.ExecutionTurnaround.Name} {
		local, lambda := s.sum(name, "executor", "worker"), s.sum(name, "executor", "lambda")
		if local+lambda != all || lambda < 1 || local < 1 {
			t.Errorf("%s counts %v on workers and %v on Lambdas of %v", name, local, lambda, all)
		}
	}
	if n := s.sum(telemetry.Delegations.Name, "state", "outcome"); n != s.sum(telemetry.Executions.Name, "executor", "lambda") {
		t.Errorf("the ledger has the outcomes of %v invocations", n)
	}
}

// TestReadyIsTold: while everything is there, each part says so.
func TestReadyIsTold(t *testing.T) {
	t.Parallel()
	text := fleet(t).ready
	for _, part := range []string{"nats", "storage", "worker-1", "bridge"} {
		if !strings.HasPrefix(text, "ready\n") || !strings.Contains(text, fmt.Sprintf("\n%-8s ok\n", part)) {
			t.Errorf("%s isn't ready: %s", part, text)
		}
	}
}
