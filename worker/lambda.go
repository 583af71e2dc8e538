package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/caarlos0/env/v11"
	"github.com/rs/zerolog"

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
	// Guarded connects to NATS, so that direct invocations are locked and
	// recorded. Delegated work needs no NATS: the bridge holds its lock.
	Guarded  bool `env:"LAMBDA_GUARDED" envDefault:"false"`
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
	work := executor.New(objects, NewProcessor(cfg.Engine, cfg.Executor.Scratch, cache.New(objects, cfg.Cache)), execution.OnLambda, host, cfg.Executor)
	var opts []function.Option
	if cfg.Guarded {
		nc, js, err := bus.Join(ctx, cfg.Fleet, bus.IdentityLambda)
		if err != nil {
			return err
		}
		defer nc.Close()
		who := guard.Identity{Executor: execution.OnLambda, Host: host}
		g, err := guard.Open(ctx, js, cfg.Fleet, outcome.New(objects), work, who, cfg.Guard)
		if err != nil {
			return err
		}
		opts = append(opts, function.WithGuard(g), function.WithThaw(func(idle time.Duration) {
			// After a freeze the connection looks alive and is not.
			if err := nc.ForceReconnect(); err != nil {
				zerolog.Ctx(ctx).Warn().Err(err).Dur("idle", idle).Msg("reconnect after thaw")
			}
		}))
	}
	lambda.StartWithOptions(function.New(work, opts...).Handle, lambda.WithContext(ctx))
	return nil
}
