package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/caarlos0/env/v11"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/worker/cache"
	"github.com/sagefleet/sagefleet/worker/executor"
	"github.com/sagefleet/sagefleet/worker/function"
	"github.com/sagefleet/sagefleet/worker/processor"
)

// LambdaConfig is everything the Lambda can be told.
type LambdaConfig struct {
	StorageURL string `env:"STORAGE_URL,required"`
	// Guarded connects to NATS, so that direct invocations are locked and recorded
	// while it can be reached. Delegated work needs no NATS: the bridge holds its lock.
	Guarded bool `env:"LAMBDA_GUARDED" envDefault:"false"`
	// Metrics writes one line of the log for each execution that CloudWatch makes metrics of.
	Metrics  bool `env:"LAMBDA_METRICS" envDefault:"true"`
	Fleet    bus.Config
	Guard    guard.Config
	Executor executor.Config
	Engine   processor.Config
	Cache    cache.Config
}

// ServeLambda is the Lambda: it answers invocations until the platform ends the
// process. It is here, and not in its main, so that the demo can be its own Lambda.
func ServeLambda(ctx context.Context) error {
	cfg, err := settings.Parse[LambdaConfig](env.ToMap(os.Environ()))
	if err == nil {
		err = errors.Join(cfg.Fleet.Validate(), cfg.Guard.Validate(), cfg.Executor.Validate(), cfg.Engine.Validate(), cfg.Cache.Validate())
	}
	if err != nil {
		return err
	}
	objects, err := storage.Open(ctx, cfg.StorageURL)
	if err != nil {
		return fmt.Errorf("STORAGE_URL: %w", err)
	}
	host := os.Getenv("AWS_LAMBDA_LOG_STREAM_NAME")
	cfg.Executor.Scratch = ownScratch(cfg.Executor.Scratch, host)
	outcomes := outcome.New(objects)
	work := executor.New(objects, NewProcessor(cfg.Engine, cfg.Executor.Scratch, cache.New(objects, cfg.Cache)), execution.OnLambda, host, cfg.Executor)
	opts := []function.Option{function.WithOutcomes(outcomes), function.WithScratch(cfg.Executor.Scratch)}
	if cfg.Metrics {
		opts = append(opts, function.WithMetrics(os.Stdout, os.Getenv("AWS_LAMBDA_FUNCTION_NAME")))
	}
	if cfg.Guarded {
		d, err := connectDirect(ctx, cfg, outcomes, work, host)
		if err != nil {
			return err
		}
		defer d.nc.Close()
		_, _ = d.guard(ctx) // whoever is invoked first needn't wait; without NATS there is no need to, either
		opts = append(opts, function.WithGuard(d), function.WithThaw(func(idle time.Duration) { d.thaw(ctx, idle) }))
	}
	lambda.StartWithOptions(function.New(work, opts...).Handle, lambda.WithContext(ctx))
	return nil
}

// ownScratch is a folder that no other environment has, also where they share the one
// given: everything in it is removed between invocations. A process that is started
// again in the same environment has the same.
func ownScratch(parent, environment string) string {
	if parent == "" {
		parent = os.TempDir()
	}
	sum := sha256.Sum256([]byte(environment))
	return filepath.Join(parent, "sage-lambda-"+hex.EncodeToString(sum[:8]))
}
