// Package ledgertest starts a real PostgreSQL server for tests.
package ledgertest

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a running PostgreSQL server of one test.
type Server struct {
	query   url.Values // where its socket is
	schemas atomic.Int64
}

// URL is the server's database, as the ledger wants to be told of it.
func (s *Server) URL() string {
	return "postgres://sage@/postgres?" + s.query.Encode()
}

// Schema makes a schema and returns the URL of a ledger that has it for itself.
func (s *Server) Schema(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", s.schemas.Add(1))
	conn, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	if _, err := conn.Exec(t.Context(), "CREATE SCHEMA "+name); err != nil {
		t.Fatal(err)
	}
	return s.URL() + "&search_path=" + name
}

// Postgres starts a server on a socket in a folder of its own, and stops it with the
// test. Where PostgreSQL isn't installed the test is skipped.
func Postgres(t testing.TB) *Server {
	t.Helper()
	return start(t, func(dir string, as *identity) []string { return []string{"-c", "listen_addresses="} })
}

// Secured starts one that also listens at an address of the loopback interface, with a
// certificate, and asks for a password in the clear there, as RDS does of those who log
// in by IAM.
func Secured(t testing.TB, cert, key string) (s *Server, address string) {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = free.Addr().String()
	_ = free.Close()
	_, port, _ := net.SplitHostPort(address)
	s = start(t, func(dir string, as *identity) []string {
		hba := "local all all trust\nhostssl all all 127.0.0.1/32 password\n"
		give(t, as, filepath.Join(dir, "data", "pg_hba.conf"), []byte(hba))
		for _, file := range []string{cert, key} {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			give(t, as, filepath.Join(dir, filepath.Base(file)), text)
		}
		return []string{"-c", "listen_addresses=127.0.0.1", "-p", port, "-c", "ssl=on",
			"-c", "ssl_cert_file=" + filepath.Join(dir, filepath.Base(cert)), "-c", "ssl_key_file=" + filepath.Join(dir, filepath.Base(key))}
	}, "port", port)
	return s, address
}

// give writes a file that the server alone can read.
func give(t testing.TB, as *identity, path string, text []byte) {
	t.Helper()
	err := os.WriteFile(path, text, 0o600)
	if err == nil && as != nil {
		err = os.Chown(path, as.uid, as.gid)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// start starts a server in a folder, with the arguments that prepare returns. Its URL has
// the pairs of query besides.
func start(t testing.TB, prepare func(dir string, as *identity) (args []string), query ...string) *Server {
	t.Helper()
	initdb, postgres := tool(t, "initdb"), tool(t, "postgres")
	dir, err := os.MkdirTemp("", "ledger") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	as := someone(t)
	if as != nil {
		if err := os.Chown(dir, as.uid, as.gid); err != nil {
			t.Fatal(err)
		}
	}
	data := filepath.Join(dir, "data")
	run := exec.Command(initdb, "--pgdata", data, "--username", "sage", "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync")
	run.Dir, run.SysProcAttr = dir, as.attributes()
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-D", data, "-k", dir, "-c", "fsync=off", "-c", "max_connections=200"}, prepare(dir, as)...)
	server := exec.Command(postgres, args...)
	server.Dir, server.Stdout, server.Stderr = dir, log, log
	server.SysProcAttr = as.attributes()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	s := &Server{query: url.Values{"host": {dir}}}
	for i := 0; i < len(query); i += 2 {
		s.query.Set(query[i], query[i+1])
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(os.Interrupt) // a fast shutdown
		if err := server.Wait(); err != nil {
			t.Errorf("postgres: %v", err)
		}
		_ = log.Close()
	})
	s.await(t, log.Name())
	return s
}

// await waits until the server answers.
func (s *Server) await(t testing.TB, log string) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := pgx.Connect(t.Context(), s.URL())
		if err == nil {
			_ = conn.Close(t.Context())
			return
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log)
			t.Fatalf("PostgreSQL doesn't answer: %v\n%s", err, text)
		}
	}
}

// tool finds a program of PostgreSQL, which Debian keeps out of the PATH.
func tool(t testing.TB, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	paths, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(paths) == 0 {
		t.Skipf("there is no %s: install PostgreSQL (Debian: apt-get install postgresql)", name)
	}
	slices.Sort(paths)
	return paths[len(paths)-1]
}

// identity is a user of this machine.
type identity struct{ uid, gid int }

// someone is who runs PostgreSQL, which root may not; nil is whoever we are.
func someone(t testing.TB) *identity {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err1 == nil && err2 == nil {
			return &identity{uid, gid}
		}
	}
	t.Skip("root can't run PostgreSQL, and there is neither a user postgres nor nobody")
	return nil
}
