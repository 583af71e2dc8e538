package ledger

import (
	"context"
	"net"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/rds/auth"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// CodeLogin says that no token could be made to log in with.
const CodeLogin fault.Code = "LEDGER_LOGIN"

// signer makes the token that a user logs in with at an endpoint, host:port: what
// [auth.BuildAuthToken] is.
type signer func(ctx context.Context, endpoint, region, user string, by aws.CredentialsProvider, more ...func(*auth.BuildAuthTokenOptions)) (string, error)

// login has every connection log in by IAM, if the URL has auth=iam: with a token in the
// place of a password. RDS takes one for 15 minutes, and asks for it at the login alone.
// Making it asks nobody; what it is made with are the credentials and the region that
// the AWS tools would find.
func login(ctx context.Context, cfg *pgx.ConnConfig, sign signer) ([]stdlib.OptionOpenDB, error) {
	how, asked := cfg.RuntimeParams["auth"]
	if !asked {
		return nil, nil
	}
	delete(cfg.RuntimeParams, "auth") // nothing that the server knows
	switch {
	case how != "iam":
		return nil, fault.New(CodeURL, "the ledger's URL has auth=%.20q", how).Expecting("auth=iam, or none").Permanent()
	case len(cfg.Fallbacks) > 0 || cfg.TLSConfig == nil || cfg.TLSConfig.InsecureSkipVerify:
		// Whoever else was told a token could log in with it.
		return nil, fault.New(CodeURL, "the ledger's URL has auth=iam, and doesn't make sure whose server it is").
			Expecting("one host, sslmode=verify-full, and sslrootcert=/path of the authorities that RDS has").Permanent()
	}
	found, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fault.New(CodeLogin, "log in to the ledger by IAM: %w", err)
	}
	if found.Region == "" {
		return nil, fault.New(CodeLogin, "log in to the ledger by IAM: no region is known").Advise("set AWS_REGION to the database's").Permanent()
	}
	return []stdlib.OptionOpenDB{stdlib.OptionBeforeConnect(func(ctx context.Context, c *pgx.ConnConfig) error {
		endpoint := net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
		token, err := sign(ctx, endpoint, found.Region, c.User, found.Credentials)
		if err != nil {
			return fault.New(CodeLogin, "log in to the ledger by IAM: %w", err).Advise("check this component's role")
		}
		c.Password = token
		return nil
	})}, nil
}
