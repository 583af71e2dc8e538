// Command bootstrap is the AWS Lambda function of the fleet (provided.al2023).
package main

import (
	"context"
	"os"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/worker"
)

func main() {
	log := zerolog.New(os.Stderr).With().Timestamp().Str("service", "lambda").Logger()
	if err := worker.ServeLambda(log.WithContext(context.Background())); err != nil {
		log.Error().Err(err).Msg("stopped")
		os.Exit(1)
	}
}
