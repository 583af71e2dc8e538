package terraform

import (
	"testing"

	"github.com/caarlos0/env/v11"

	"github.com/sagefleet/sagefleet/bridge/remote"
)

// TestBridgeUnderstandsItsSettings: what the examples print for the bridge is what the
// function is, in the bridge's own words.
func TestBridgeUnderstandsItsSettings(t *testing.T) {
	for _, example := range []string{"minimal", "production"} {
		s := mocked(t)[example]
		printed, ok := s.outputs["bridge_environment"].(map[string]any)
		if !ok {
			t.Fatalf("%s prints no bridge_environment: %v", example, s.outputs)
		}
		variables := map[string]string{}
		for name, value := range printed {
			variables[name], _ = value.(string)
		}
		cfg, err := env.ParseAsWithOptions[remote.Config](env.Options{Environment: variables})
		if err == nil {
			err = cfg.Validate()
		}
		if err != nil {
			t.Fatalf("%s: %v", example, err)
		}
		function := s.of("aws_lambda_function")[0]
		for name, is := range map[string][2]any{
			"LAMBDA_TIMEOUT":      {cfg.Timeout.Seconds(), function.number("timeout")},
			"LAMBDA_MEMORY_MB":    {float64(cfg.MemoryMB), function.number("memory_size")},
			"LAMBDA_ARCHITECTURE": {cfg.Architecture, function.text("architectures.0")},
			"LAMBDA_CONCURRENCY":  {float64(cfg.Concurrency), function.number("reserved_concurrent_executions")},
			"LAMBDA_REGION":       {cfg.Region, region},
		} {
			if is[0] != is[1] {
				t.Errorf("%s: %s says %v, and the function has %v", example, name, is[0], is[1])
			}
		}
		if want := "arn:aws:lambda:" + region + ":" + account + ":function:" + function.text("function_name") + ":live"; cfg.Function != want {
			t.Errorf("%s: LAMBDA_FUNCTION is %s, want %s", example, cfg.Function, want)
		}
	}
}
