package remote_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/sagefleet/sagefleet/bridge/remote"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// TestStatus: which answers of the service say that the function did not run.
// Each is asked for once.
func TestStatus(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		status int
		header string // X-Amzn-ErrorType
		body   string
		code   fault.Code
		busy   bool
	}{
		"denied":            {403, "AccessDeniedException", `{"Message":"no"}`, remote.CodeUnavailable, true},
		"signature expired": {403, "InvalidSignatureException", `{"message":"old"}`, remote.CodeUnavailable, true},
		"throttled":         {429, "TooManyRequestsException", `{"Reason":"CallerRateLimitExceeded"}`, remote.CodeThrottled, true},
		"another 429":       {429, "", `slow down`, remote.CodeUnavailable, true},
		"request timeout":   {408, "", `{}`, remote.CodeUnknown, false},
		"service error":     {500, "ServiceException", `{"Message":"oops"}`, remote.CodeUnknown, false},
		"bad gateway":       {502, "", `<html>`, remote.CodeUnknown, false},
		"gateway timeout":   {504, "", ``, remote.CodeUnknown, false},
		"no JSON":           {200, "", `<html>`, remote.CodeFailed, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requests := make(chan struct{}, 10)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				requests <- struct{}{}
				if tt.header != "" {
					w.Header().Set("X-Amzn-ErrorType", tt.header)
				}
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.body)
			}))
			defer server.Close()
			cfg := config()
			cfg.Endpoint, cfg.Timeout, cfg.Margin = server.URL, 500*time.Millisecond, 0
			client, err := remote.NewClient(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			check(t, client, cfg, tt.code, tt.busy)
			if len(requests) != 1 {
				t.Errorf("%d requests", len(requests))
			}
		})
	}
}

// TestCredentialsFail: what was never signed was never sent.
func TestCredentialsFail(t *testing.T) {
	t.Parallel()
	client := lambda.New(lambda.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(refusing()), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, errors.New("token has expired")
		}),
	})
	check(t, client, config(), remote.CodeUnavailable, true)
}

func check(t *testing.T, client remote.Invoker, cfg remote.Config, code fault.Code, busy bool) {
	t.Helper()
	e, err := remote.New(client, outcomesFunc(none), cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.Execute(t.Context(), attempt("x"))
	if _, ok := errors.AsType[*execution.BusyError](err); ok != busy || fault.CodeOf(err) != code || fault.IsPermanent(err) {
		t.Errorf("got %v, want %s, busy %v", err, code, busy)
	}
}
