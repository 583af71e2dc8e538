package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"

	"github.com/sagefleet/sagefleet/shared/secret"
)

// loadTLS reads a certificate and its key.
func loadTLS(ctx context.Context, file string, key secret.Secret) (*tls.Config, error) {
	chain, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("TLS_CERT: %w", err)
	}
	text, err := key.Value(ctx)
	if err != nil {
		return nil, fmt.Errorf("TLS_KEY: %w", err)
	}
	pair, err := tls.X509KeyPair(chain, []byte(text))
	if err != nil {
		return nil, fmt.Errorf("TLS_CERT and TLS_KEY: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}, nil
}
