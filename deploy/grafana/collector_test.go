package grafana

import (
	"os"
	"testing"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/config"
	_ "github.com/prometheus/prometheus/discovery/dns" // for dns_sd_configs
	"go.yaml.in/yaml/v3"
)

// TestCollectorsScrapeIsUnderstood has Prometheus read what deploy/k8s tells the collector
// to scrape: it reads that with Prometheus's own code.
func TestCollectorsScrapeIsUnderstood(t *testing.T) {
	text, err := os.ReadFile("../k8s/components/cloudwatch/settings.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var settings struct {
		Receivers struct {
			Prometheus struct{ Config yaml.Node }
		}
	}
	if err := yaml.Unmarshal(text, &settings); err != nil {
		t.Fatal(err)
	}
	scrape, err := yaml.Marshal(&settings.Receivers.Prometheus.Config)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(string(scrape), promslog.NewNopLogger())
	if err != nil {
		t.Fatalf("%v\n%s", err, scrape)
	}
	if len(cfg.ScrapeConfigs) != 1 || len(cfg.ScrapeConfigs[0].ServiceDiscoveryConfigs) != 2 || len(cfg.ScrapeConfigs[0].RelabelConfigs) != 2 {
		t.Errorf("scrapes %+v", cfg.ScrapeConfigs)
	}
}
