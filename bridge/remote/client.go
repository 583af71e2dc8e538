package remote

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// defaultRegion signs requests to an endpoint of one's own, where any will do.
const defaultRegion = "us-east-1"

// NewClient returns a client that sends an invocation once. The SDK's own retries
// would invoke again after a lost connection, although the first may be running.
// Only the caller's context limits how long a call may last.
func NewClient(ctx context.Context, cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	web := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.ReadBufferSize, t.WriteBufferSize = 2<<10, 2<<10 // of each connection; messages are small
		t.MaxIdleConnsPerHost = cfg.Concurrency
		t.MaxIdleConns = max(t.MaxIdleConns, cfg.Concurrency)
	})
	options := []func(*config.LoadOptions) error{
		config.WithHTTPClient(web), // also for what credentials are asked for with
		config.WithRetryer(sendOnce),
	}
	if cfg.Region != "" {
		options = append(options, config.WithRegion(cfg.Region))
	}
	if isLoopback(cfg.Endpoint) {
		options = append(options, config.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider("local", "local", "")))
	}
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("aws configuration: %w", err)
	}
	switch {
	case loaded.Region != "":
	case cfg.Endpoint == "":
		return nil, refuse("LAMBDA_REGION", "no region").Advise("set it, or AWS_REGION")
	default:
		loaded.Region = defaultRegion
	}
	sdk := lambda.NewFromConfig(loaded, func(o *lambda.Options) {
		if cfg.Endpoint != "" {
			o.BaseEndpoint = &cfg.Endpoint
		}
	})
	return &Client{sdk: sdk, transport: web.GetTransport()}, nil
}

func sendOnce() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = 1
		o.RateLimiter = ratelimit.None // nil would panic
	})
}

func isLoopback(endpoint string) bool {
	parsed, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	host := parsed.Hostname()
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}
