// Package ledger keeps the history of executions in a database, for lists, searches
// and charts: PostgreSQL, or SQLite when there is no other.
//
// Nothing is decided by it. It is projected from what the fleet tells and stores, and
// may be thrown away and built again at any time; how one execution ended stands in
// its OUTCOME.
//
// Each row is made of all that is known of its generation, whatever came first. So
// events may come late, in any order and more than once. How far the stream was read
// is written together with what was read: a database that is restored from a backup
// goes on from where it was.
package ledger

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/feature/rds/auth"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	_ "modernc.org/sqlite" // the driver sqlite

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/secret"
	"github.com/sagefleet/sagefleet/shared/settings"
)

// Codes of what keeps a ledger from being opened or read.
const (
	CodeURL    fault.Code = "LEDGER_URL_INVALID"
	CodeOpen   fault.Code = "LEDGER_UNAVAILABLE"
	CodeCursor fault.Code = "LEDGER_CURSOR_INVALID"
)

// Config says where the ledger is.
type Config struct {
	// URL is where the history is kept: `sqlite:///path` or `postgres://user:password@host/database`, for RDS also `postgres://user@host/database?auth=iam&sslmode=verify-full&sslrootcert=/path` (*secret*)
	URL secret.Secret `env:"LEDGER_URL"`
}

// Open opens the ledger that is configured.
func (c Config) Open(ctx context.Context) (*Ledger, error) {
	if !c.URL.IsSet() {
		return nil, fault.New(settings.CodeMissing, "LEDGER_URL is not set").Expecting(urlExpected).
			Advise("set it to what `sage serve` has").Permanent()
	}
	value, err := c.URL.Value(ctx)
	if err != nil {
		return nil, fmt.Errorf("LEDGER_URL: %w", err)
	}
	return Open(ctx, value)
}

// Exists reports whether there is a ledger to open, which would be made otherwise: a file
// of SQLite. Of PostgreSQL only opening it can tell.
func (c Config) Exists(ctx context.Context) (bool, error) {
	value, err := c.URL.Value(ctx)
	if err != nil {
		return false, fmt.Errorf("LEDGER_URL: %w", err)
	}
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "sqlite" {
		return true, nil
	}
	if _, err = os.Stat(u.Path); errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return true, nil
}

const urlExpected = "sqlite:///path or postgres://user@host/database"

// Ledger is an open database. It may be used by several goroutines at once.
type Ledger struct {
	db       *sql.DB
	postgres bool
}

// Open opens the database at url, sqlite:///path or postgres://…, and makes or
// upgrades its tables. The caller closes it. Errors don't show what is in url.
func Open(ctx context.Context, url string) (*Ledger, error) {
	return open(ctx, url, auth.BuildAuthToken)
}

func open(ctx context.Context, url string, sign signer) (*Ledger, error) {
	var l *Ledger
	var err error
	switch scheme, _, _ := strings.Cut(url, "://"); scheme { // what is no URL may be a password
	case "sqlite":
		l, err = openSQLite(url)
	case "postgres", "postgresql":
		l, err = openPostgres(ctx, url, sign)
	default:
		err = fault.New(CodeURL, "the ledger's URL has another scheme, or none").Expecting(urlExpected).Permanent()
	}
	if err != nil {
		return nil, err
	}
	if err := l.migrate(ctx); err != nil {
		_ = l.db.Close()
		return nil, fault.New(CodeOpen, "open the ledger: %w", err).
			Advise("check that the database of LEDGER_URL can be reached, and written to")
	}
	return l, nil
}

// Close closes the connections.
func (l *Ledger) Close() error { return l.db.Close() }

func openSQLite(text string) (*Ledger, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host != "" || u.Path == "" || u.RawQuery != "" {
		return nil, fault.New(CodeURL, "the ledger's URL names no file").Expecting("sqlite:///path, with three slashes").Permanent()
	}
	path := filepath.Clean(u.Path)
	// It holds names of files and senders: others than we have no business there.
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fault.New(CodeOpen, "open the ledger: %w", err).Advise("check that the path of LEDGER_URL may be written to").Permanent()
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fault.New(CodeOpen, "open the ledger: %w", err).Advise("check that the path of LEDGER_URL may be written to").Permanent()
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	// A transaction that will write takes its turn at its begin: one that reads first
	// and then writes could be refused at any moment.
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{
		"_pragma": {"busy_timeout(30000)", "journal_mode(WAL)", "synchronous(NORMAL)", "cache_size(-32768)"},
		"_txlock": {"immediate"}}.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	const readers = 8
	db.SetMaxOpenConns(readers)
	db.SetMaxIdleConns(readers)
	return &Ledger{db: db}, nil
}

// schemaName is where the tables are in PostgreSQL, unless the URL has a search_path.
const schemaName = "sage_ledger"

func openPostgres(ctx context.Context, url string, sign signer) (*Ledger, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil { // its text has the URL without the password
		return nil, fault.New(CodeURL, "the ledger's URL: %w", err).Expecting(urlExpected).Permanent()
	}
	if cfg.RuntimeParams["search_path"] == "" {
		cfg.RuntimeParams["search_path"] = schemaName
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "sage ledger"
	}
	options, err := login(ctx, cfg, sign)
	if err != nil {
		return nil, err
	}
	l := &Ledger{db: stdlib.OpenDB(*cfg, options...), postgres: true}
	const connections = 10
	l.db.SetMaxOpenConns(connections)
	l.db.SetMaxIdleConns(connections)
	if cfg.RuntimeParams["search_path"] != schemaName {
		return l, nil
	}
	var exists bool
	err = l.db.QueryRowContext(ctx, "SELECT to_regnamespace('"+schemaName+"') IS NOT NULL").Scan(&exists)
	if err == nil && !exists {
		_, err = l.db.ExecContext(ctx, "CREATE SCHEMA IF NOT EXISTS "+schemaName)
	}
	if err != nil {
		_ = l.db.Close()
		return nil, fault.New(CodeOpen, "open the ledger: %w", err).
			Advise("check that the database of LEDGER_URL can be reached, and that its user may make a schema there")
	}
	return l, nil
}

//go:embed schema
var schema embed.FS

// migrate brings the tables to the newest version. Several may do so at once.
func (l *Ledger) migrate(ctx context.Context) error {
	dialect, dir := goose.DialectSQLite3, "sqlite"
	opts := []goose.ProviderOption{goose.WithTableName("schema_version")}
	if l.postgres {
		dialect, dir = goose.DialectPostgres, "postgres"
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60)) // each second, for a minute
		if err != nil {
			return err
		}
		opts = append(opts, goose.WithSessionLocker(locker))
	}
	scripts, err := sub(dir)
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(dialect, l.db, scripts, opts...)
	if err != nil {
		return err
	}
	if pending, err := provider.HasPending(ctx); err != nil || !pending {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// rebind numbers the question marks of a statement as PostgreSQL wants them. None of
// ours has one in a text.
func (l *Ledger) rebind(statement string) string {
	if !l.postgres {
		return statement
	}
	var b strings.Builder
	n := 0
	for part := range strings.SplitSeq(statement, "?") {
		if n > 0 {
			b.WriteString("$" + strconv.Itoa(n))
		}
		b.WriteString(part)
		n++
	}
	return b.String()
}
