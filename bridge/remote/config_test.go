package remote_test

import (
	"math"
	"testing"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/sagefleet/sagefleet/bridge/remote"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// TestDefaults: the function's name is all that has to be said.
func TestDefaults(t *testing.T) {
	cfg, err := env.ParseAsWithOptions[remote.Config](env.Options{Environment: map[string]string{"LAMBDA_FUNCTION": "sage"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
	if cfg.Longest() != 920*time.Second {
		t.Errorf("waits %v", cfg.Longest())
	}
}

func TestConfigIsRefused(t *testing.T) {
	tests := map[string]func(*remote.Config){
		"LAMBDA_FUNCTION":      func(c *remote.Config) { c.Function = "" },
		"REMOTE_MODE":          func(c *remote.Config) { c.Mode = "batch" },
		"LAMBDA_EVENT_AGE":     func(c *remote.Config) { c.Mode, c.EventAge = remote.Event, time.Second },
		"LAMBDA_TIMEOUT":       func(c *remote.Config) { c.Timeout = time.Hour },
		"LAMBDA_MARGIN":        func(c *remote.Config) { c.Margin = -1 },
		"LAMBDA_POLL":          func(c *remote.Config) { c.Poll = 0 },
		"LAMBDA_BUSY":          func(c *remote.Config) { c.Busy = 0 },
		"LAMBDA_CONCURRENCY":   func(c *remote.Config) { c.Concurrency = 0 },
		"LAMBDA_MEMORY_MB":     func(c *remote.Config) { c.MemoryMB = 64 },
		"LAMBDA_ARCHITECTURE":  func(c *remote.Config) { c.Architecture = "riscv" },
		"LAMBDA_PRICE_GBS":     func(c *remote.Config) { c.PriceGBSecond = math.NaN() },
		"LAMBDA_PRICE_REQUEST": func(c *remote.Config) { c.PriceRequest = 0.2 * 1e6 },
	}
	for field, change := range tests {
		t.Run(field, func(t *testing.T) {
			cfg := config()
			change(&cfg)
			_, err := remote.New(nil, nil, cfg)
			if described := fault.Describe(err); described == nil || described.Code != remote.CodeConfig || described.Field != field {
				t.Errorf("got %v", err)
			}
			if _, err := remote.NewClient(t.Context(), cfg); err == nil {
				t.Error("a client for it")
			}
		})
	}
}

func TestClientNeedsARegion(t *testing.T) {
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	_, err := remote.NewClient(t.Context(), config())
	if described := fault.Describe(err); described == nil || described.Field != "LAMBDA_REGION" {
		t.Errorf("got %v", err)
	}
}

func TestCost(t *testing.T) {
	tests := map[string]struct {
		change func(*remote.Config)
		want   float64
	}{
		"arm64":      {func(*remote.Config) {}, 0.0000002 + 2*2*0.0000133334},
		"x86":        {func(c *remote.Config) { c.Architecture = "x86_64" }, 0.0000002 + 2*2*0.0000166667},
		"configured": {func(c *remote.Config) { c.PriceGBSecond, c.PriceRequest = 0.5, 0.25 }, 0.25 + 2*2*0.5},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := config()
			tt.change(&cfg)
			if got := cfg.Cost(2*time.Second, 2048); math.Abs(got-tt.want) > 1e-12 {
				t.Errorf("got $%.10f, want $%.10f", got, tt.want)
			}
			if got := cfg.MaxCost(); got < cfg.Cost(cfg.Timeout, cfg.MemoryMB) {
				t.Errorf("at most $%.10f is less than a timeout costs", got)
			}
		})
	}
}
