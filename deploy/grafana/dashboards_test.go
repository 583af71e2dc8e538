package grafana

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sagefleet/sagefleet/shared/telemetry"
)

// dashboard is the part of a dashboard that can be wrong.
type dashboard struct {
	UID    string `json:"uid"`
	Title  string `json:"title"`
	Links  []struct{ URL string }
	Panels []struct {
		ID      int
		Title   string
		Grid    struct{ X, Y, W, H int } `json:"gridPos"`
		Targets []struct {
			Expr, LegendFormat string
			Datasource         struct{ UID string }
		}
	}
}

func dashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob("*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	all := map[string]dashboard{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[d.UID] = d
	}
	return all
}

var legendLabel = regexp.MustCompile(`{{\s*([a-z_]+)\s*}}`)

// TestDashboards: every query is one that Prometheus understands, about what is served; every
// legend shows labels that its query keeps; no panel lies on another.
func TestDashboards(t *testing.T) {
	t.Parallel()
	all := dashboards(t)
	for uid, d := range all {
		taken := map[[2]int]string{}
		for _, p := range d.Panels {
			for x := p.Grid.X; x < p.Grid.X+p.Grid.W; x++ {
				for y := p.Grid.Y; y < p.Grid.Y+p.Grid.H; y++ {
					if other, ok := taken[[2]int{x, y}]; ok || x >= 24 {
						t.Fatalf("%s: %q lies on %q, or beside the page", d.Title, p.Title, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
			if len(p.Targets) == 0 || p.Title == "" {
				t.Errorf("%s: panel %d %q shows nothing", d.Title, p.ID, p.Title)
			}
			for _, target := range p.Targets {
				checkTarget(t, d.Title+": "+p.Title, target.Expr, target.LegendFormat)
				if target.Datasource.UID != "${datasource}" {
					t.Errorf("%s: %s asks %q, want whatever is chosen", d.Title, p.Title, target.Datasource.UID)
				}
			}
		}
		for _, link := range d.Links {
			if _, ok := all[strings.TrimPrefix(link.URL, "/d/")]; !ok || link.URL == "/d/"+uid {
				t.Errorf("%s links to %s", d.Title, link.URL)
			}
		}
	}
}

func checkTarget(t *testing.T, where, text, legend string) {
	t.Helper()
	expr, err := expressions.ParseExpr(text)
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	for _, problem := range unknown(expr) {
		if !strings.HasPrefix(problem, "nobody serves go_") && !strings.HasPrefix(problem, "nobody serves process_") {
			t.Errorf("%s: %s", where, problem)
		}
	}
	for _, label := range legendLabel.FindAllStringSubmatch(legend, -1) {
		keeps := regexp.MustCompile(`by \([^)]*\b` + label[1] + `\b[^)]*\)`)
		if !keeps.MatchString(text) && strings.Contains(text, " by (") || strings.HasPrefix(text, "sum(") || strings.HasPrefix(text, "max(") {
			t.Errorf("%s: %s keeps no label %s", where, text, label[1])
		}
	}
}

// TestEveryMetricIsLookedAt: what nobody looks at needn't be served.
func TestEveryMetricIsLookedAt(t *testing.T) {
	t.Parallel()
	looked := map[string]bool{telemetry.LocalBacklogBefore.Name: true} // for autoscalers that know the earlier name
	note := func(text string) {
		expr, err := expressions.ParseExpr(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range selectors(expr) {
			looked[s.Name] = true
		}
	}
	for _, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				note(target.Expr)
			}
		}
	}
	for _, r := range alerts(t) {
		note(r.Expr)
	}
	names := slices.Collect(maps.Keys(looked))
	for _, m := range telemetry.Catalog {
		if !slices.ContainsFunc(names, func(name string) bool { return name == m.Name || strings.HasPrefix(name, m.Name+"_") }) {
			t.Errorf("%s is on no dashboard and in no rule", m.Name)
		}
	}
}
