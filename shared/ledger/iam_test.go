package ledger_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/rds/auth"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/ledger"
	"github.com/sagefleet/sagefleet/shared/ledger/ledgertest"
)

// credentials are what a component finds; they mean nothing to anybody.
func credentials(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "test", "AWS_SESSION_TOKEN": strings.Repeat("s", 800),
		"AWS_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true"} {
		t.Setenv(name, value)
	}
}

// TestLoginByIAM logs in to a server with TLS that takes nothing but the token that was
// made last, as RDS takes none that is old: each connection has to bring one of its own.
func TestLoginByIAM(t *testing.T) {
	credentials(t)
	made := bustest.Secure(t, t.TempDir(), nil) // certificates for this machine
	server, address := ledgertest.Secured(t, made.Config.Cert, made.Config.Key)
	super, err := pgx.Connect(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = super.Close(context.WithoutCancel(t.Context())) }()
	must := func(statement string) {
		t.Helper()
		if _, err := super.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	must("CREATE ROLE rds_iam") // which RDS has
	must("CREATE DATABASE sage")
	must(installation(t))

	var tokens atomic.Int64
	rds := func(ctx context.Context, endpoint, region, user string, by aws.CredentialsProvider, more ...func(*auth.BuildAuthTokenOptions)) (string, error) {
		token, err := auth.BuildAuthToken(ctx, endpoint, region, user, by, more...)
		if err != nil {
			return "", err
		}
		if endpoint != address {
			t.Errorf("a token for %s, want %s", endpoint, address)
		}
		// No two of a second are different.
		token += "&n=" + string(rune('a'+tokens.Add(1)))
		_, err = super.Exec(ctx, "ALTER ROLE sage_ledger PASSWORD '"+token+"'")
		return token, err
	}
	query := url.Values{"auth": {"iam"}, "sslmode": {"verify-full"}, "sslrootcert": {made.CA}}
	at := "postgres://sage_ledger@" + address + "/sage?" + query.Encode()
	l, err := ledger.OpenSigning(t.Context(), at, rds)
	if err != nil {
		t.Fatal(err)
	}
	before := tokens.Load()
	must("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'sage_ledger'")
	var rows [][]string
	for range 10 { // each of the pool's connections has to be found cut
		if rows, err = l.Rows(t.Context(), "SELECT current_user, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"); err == nil {
			break
		}
	}
	if want := [][]string{{"sage_ledger", "true"}}; !cmp.Equal(rows, want) {
		t.Errorf("after its connections were cut it has %v, %v; want %v", rows, err, want)
	}
	if tokens.Load() == before {
		t.Error("a new connection had an old token")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}

	// Another authority's server gets no token.
	query.Set("sslrootcert", bustest.Secure(t, t.TempDir(), nil).CA)
	if _, err := ledger.OpenSigning(t.Context(), "postgres://sage_ledger@"+address+"/sage?"+query.Encode(), rds); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a server that nobody vouches for: %v", err)
	}
}

// installation is what the runbook has the database's owner type.
func installation(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/runbooks/install.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```sql\n")
	statements, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("the runbook has no SQL")
	}
	return statements
}

// TestToken: what AWS is shown says who logs in where, is signed, and is made anew.
func TestToken(t *testing.T) {
	credentials(t)
	const endpoint = "sage-ledger.cluster-abc.eu-central-1.rds.amazonaws.com"
	ca := bustest.Secure(t, t.TempDir(), nil).CA
	var token string
	sign := func(ctx context.Context, at, region, user string, by aws.CredentialsProvider, more ...func(*auth.BuildAuthTokenOptions)) (string, error) {
		made, err := auth.BuildAuthToken(ctx, at, region, user, by, more...)
		token = made
		return made, errors.Join(err, context.Canceled) // nobody is asked
	}
	_, refusal := ledger.OpenSigning(t.Context(), "postgres://sage_ledger@"+endpoint+":5432/sage?auth=iam&sslmode=verify-full&sslrootcert="+ca, sign)
	if refusal == nil || !strings.Contains(refusal.Error(), "log in to the ledger by IAM") {
		t.Fatalf("a login that can't be signed: %v", refusal)
	}
	u, err := url.Parse("https://" + token)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if u.Host != net.JoinHostPort(endpoint, "5432") || q.Get("Action") != "connect" || q.Get("DBUser") != "sage_ledger" || q.Get("X-Amz-Expires") != "900" ||
		len(q.Get("X-Amz-Signature")) != 64 || !strings.Contains(q.Get("X-Amz-Credential"), "/eu-central-1/rds-db/") {
		t.Errorf("the token is %s", token)
	}
	if strings.Contains(refusal.Error(), q.Get("X-Amz-Signature")) {
		t.Errorf("the error shows the token: %v", refusal)
	}
}

// TestIAMRefuses: a token isn't given to whoever listens, and not without a region.
func TestIAMRefuses(t *testing.T) {
	credentials(t)
	ca := bustest.Secure(t, t.TempDir(), nil).CA
	for name, query := range map[string]string{
		"another way":     "auth=ldap&sslmode=verify-full&sslrootcert=" + ca,
		"no TLS":          "auth=iam&sslmode=disable",
		"TLS if it likes": "auth=iam&sslmode=prefer",
		"anybody's":       "auth=iam&sslmode=require",
		"any host's":      "auth=iam&sslmode=verify-ca&sslrootcert=" + ca,
		"no authority":    "auth=iam&sslmode=verify-full&sslrootcert=" + filepath.Join(t.TempDir(), "none.pem"),
	} {
		_, err := ledger.Open(t.Context(), "postgres://sage_ledger@127.0.0.1:1/sage?"+query)
		if fault.CodeOf(err) != ledger.CodeURL {
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	if _, err := ledger.Open(t.Context(), "postgres://sage_ledger@127.0.0.1:1/sage?auth=iam&sslmode=verify-full&sslrootcert="+ca); fault.CodeOf(err) != ledger.CodeLogin {
		t.Errorf("without a region: %v", err)
	}
}
