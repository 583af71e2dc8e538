package bus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/settings"
)

// CodeDenied says that the server doesn't let an identity use a subject.
const CodeDenied fault.Code = "NATS_DENIED"

// credentials gets the secrets from where they are kept.
func (c Config) credentials(ctx context.Context) ([]nats.Option, error) {
	var opts []nats.Option
	creds, err := c.Creds.Value(ctx)
	if err != nil {
		return nil, fmt.Errorf("NATS_CREDS: %w", err)
	}
	if creds != "" {
		if _, err := nkeys.ParseDecoratedUserNKey([]byte(creds)); err != nil {
			return nil, settings.Invalid("NATS_CREDS", c.Creds, "the text of a credentials file, or file:// and its path")
		}
		opts = append(opts, nats.UserCredentialBytes([]byte(creds)))
	}
	seed, err := c.NKeySeed.Value(ctx)
	if err != nil {
		return nil, fmt.Errorf("NATS_NKEY_SEED: %w", err)
	}
	if seed != "" {
		pair, err := nkeys.FromSeed([]byte(seed))
		if err != nil {
			return nil, settings.Invalid("NATS_NKEY_SEED", c.NKeySeed, "the seed of a user's NKey, or file:// and the path of one")
		}
		public, err := pair.PublicKey()
		if err != nil {
			return nil, fmt.Errorf("NATS_NKEY_SEED: %w", err)
		}
		opts = append(opts, nats.Nkey(public, pair.Sign))
	}
	if c.User != "" {
		password, err := c.Password.Value(ctx)
		if err != nil {
			return nil, fmt.Errorf("NATS_PASSWORD: %w", err)
		}
		opts = append(opts, nats.UserInfo(c.User, password))
	}
	security, err := c.tls(ctx)
	if security != nil {
		opts = append(opts, nats.Secure(security))
	}
	return opts, err
}

// tls is how the server is known, and the client to it; nil when neither was told.
func (c Config) tls(ctx context.Context) (*tls.Config, error) {
	if c.TLSCA == "" && c.TLSCert == "" {
		return nil, nil //nolint:nilnil // nothing is a choice
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.TLSCA != "" {
		bundle, err := os.ReadFile(c.TLSCA)
		if err != nil {
			return nil, settings.Invalid("NATS_TLS_CA", c.TLSCA, "the path of a file that can be read: "+err.Error())
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(bundle) {
			return nil, settings.Invalid("NATS_TLS_CA", c.TLSCA, "the path of a file with PEM certificates")
		}
	}
	if c.TLSCert == "" {
		return cfg, nil
	}
	cert, err := os.ReadFile(c.TLSCert)
	if err != nil {
		return nil, settings.Invalid("NATS_TLS_CERT", c.TLSCert, "the path of a file that can be read: "+err.Error())
	}
	key, err := c.TLSKey.Value(ctx)
	if err != nil {
		return nil, fmt.Errorf("NATS_TLS_KEY: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, []byte(key))
	if err != nil {
		return nil, settings.Invalid("NATS_TLS_KEY", c.TLSKey, "the PEM key of the certificate in NATS_TLS_CERT")
	}
	cfg.Certificates = []tls.Certificate{pair}
	return cfg, nil
}

var violation = regexp.MustCompile(`(?i)permissions violation for (publish|subscription) to "([^"]+)"`)

// lacks says of the server's refusal who lacks what. Other errors it returns as
// they are.
func (i Identity) lacks(err error) error {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return err
	}
	denied := fault.New(CodeDenied, "identity %s: %w", i, err)
	if m := violation.FindStringSubmatch(err.Error()); m != nil {
		what := map[bool]string{true: "publish to", false: "subscribe to"}[strings.EqualFold(m[1], "publish")]
		denied = fault.New(CodeDenied, "identity %s may not %s %s", i, what, m[2])
	}
	return denied.Expecting("credentials of the identity that this needs").
		Advise("make the server's configuration anew with `sage admin nats-config`, or check NATS_IDENTITY")
}
