package peers

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/tests/process"
)

// postgresUsers may own a cluster: PostgreSQL refuses to run as root.
var postgresUsers = []string{"postgres", "nobody"}

// postgresTool finds a program of PostgreSQL, which Debian keeps out of PATH.
func postgresTool(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	paths, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(paths) == 0 {
		return "", fmt.Errorf("there is no %s: install PostgreSQL (Debian: apt-get install postgresql)", name)
	}
	slices.Sort(paths)
	return paths[len(paths)-1], nil
}

// unprivileged is args for a user who may run PostgreSQL, and who that is: -1 for
// whoever we are.
func unprivileged(args ...string) ([]string, int, error) {
	if os.Getuid() != 0 {
		return args, -1, nil
	}
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		return nil, 0, fmt.Errorf("root can't run PostgreSQL, and there is no setpriv: install util-linux, or be another user")
	}
	for _, name := range postgresUsers {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.Atoi(u.Uid)
		if err != nil {
			return nil, 0, err
		}
		// A change of user forgets that we end the process when we end.
		return append([]string{setpriv, "--reuid", u.Uid, "--regid", u.Gid, "--clear-groups", "--pdeathsig", "KILL"}, args...), uid, nil
	}
	return nil, 0, fmt.Errorf("root can't run PostgreSQL, and there is none of the users %v", postgresUsers)
}

// newCluster makes the directory of a cluster.
func newCluster() (string, error) {
	initdb, err := postgresTool("initdb")
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(base, "postgres-")
	if err != nil {
		return "", err
	}
	args, uid, err := unprivileged(initdb, "--pgdata", dir, "--username", "bench", "--auth", "trust", "--encoding", "UTF8", "--locale", "C")
	if err != nil {
		return "", err
	}
	if uid >= 0 {
		if err := os.Chown(dir, uid, -1); err != nil {
			return "", err
		}
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = "/"
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return dir, nil
}

// cluster is made once, and serves the measurements one after the other.
var cluster = sync.OnceValues(newCluster)

// startPostgres starts a server on dir and returns its URL, having checked that it
// is ours that answers.
func startPostgres(t testing.TB, dir string, d bus.Durability) string {
	t.Helper()
	postgres, err := postgresTool("postgres")
	if err != nil {
		t.Fatal(err)
	}
	port, release := process.ClosedPort(t)
	commit := "on"
	if d == bus.Fast {
		commit = "off"
	}
	args, _, err := unprivileged(postgres, "-D", dir, "-p", fmt.Sprint(port), "-c", "listen_addresses=127.0.0.1",
		"-c", "unix_socket_directories=", "-c", "synchronous_commit="+commit)
	if err != nil {
		t.Fatal(err)
	}
	release()
	p := process.Start(t, args[0], nil, args[1:]...)
	t.Cleanup(func() {
		p.Signal(t, os.Interrupt) // a fast shutdown; a killed one leaves shared memory behind
		p.Exit(t, 30*time.Second)
	})
	url := fmt.Sprintf("postgres://bench@127.0.0.1:%d/postgres?sslmode=disable", port)
	process.Eventually(t, 30*time.Second, "PostgreSQL answers", func() bool {
		if !p.Running() {
			t.Fatalf("%s ended:\n%s", p, p.Tail(4<<10))
		}
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			return false
		}
		defer func() { _ = conn.Close(t.Context()) }()
		var serves string
		if err := conn.QueryRow(t.Context(), "SHOW data_directory").Scan(&serves); err != nil {
			return false
		}
		if serves != dir {
			t.Fatalf("the server at %s serves %s, which is not our %s", url, serves, dir)
		}
		return true
	})
	return url
}

// riverQueue is River over PostgreSQL.
type riverQueue struct {
	peer
	pool   *pgxpool.Pool
	client *river.Client[pgx.Tx]
}

func startRiver(t testing.TB, d bus.Durability) queue {
	t.Helper()
	dir, err := cluster()
	if err != nil {
		t.Fatal(err)
	}
	return newRiver(t, d, dir)
}

func newRiver(t testing.TB, d bus.Durability, dir string) *riverQueue {
	t.Helper()
	q := &riverQueue{peer: newPeer(t, "river", startPostgres(t, dir, d))}
	var err error
	if q.pool, err = pgxpool.New(t.Context(), q.address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.pool.Close)
	driver := riverpgxv5.New(q.pool)
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := migrator.Migrate(t.Context(), rivermigrate.DirectionUp, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := q.pool.Exec(t.Context(), "TRUNCATE river_job, river_leader"); err != nil {
		t.Fatal(err)
	}
	// It tells workers of new jobs as often as it would fetch them.
	if q.client, err = river.NewClient(driver, &river.Config{Logger: quiet, FetchCooldown: time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	return q
}

var quiet = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))

// riverJob is the request as it is on our wire.
type riverJob struct {
	Request json.RawMessage `json:"request"`
}

func (riverJob) Kind() string { return "check" }

func (q *riverQueue) submit(t testing.TB, rs []execution.Request) {
	t.Helper()
	for chunk := range slices.Chunk(rs, 1000) {
		params := make([]river.InsertManyParams, len(chunk))
		for i, r := range chunk {
			data, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			params[i].Args = riverJob{data}
		}
		if _, err := q.client.InsertManyFast(t.Context(), params); err != nil {
			t.Fatal(err)
		}
	}
}

func (q *riverQueue) done(t testing.TB) int {
	t.Helper()
	var done int
	err := q.pool.QueryRow(t.Context(), "SELECT count(*) FROM river_job WHERE state = 'completed'").Scan(&done)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

type riverHandler struct {
	river.WorkerDefaults[riverJob]
	*handler
}

func (h riverHandler) Work(ctx context.Context, job *river.Job[riverJob]) error {
	return h.handle(ctx, job.Args.Request)
}

// riverWorker is tuned for speed: by default River asks for jobs ten times a second
// at most.
func riverWorker() error {
	ctx := context.Background()
	h, err := newHandler(os.Getenv)
	if err != nil {
		return err
	}
	slots, err := strconv.Atoi(os.Getenv("SLOTS"))
	if err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, os.Getenv("ADDRESS")+"&pool_max_conns=16")
	if err != nil {
		return err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, riverHandler{handler: h})
	cfg := &river.Config{Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: slots}}, Workers: workers, Logger: quiet,
		FetchCooldown: time.Millisecond, FetchPollInterval: 100 * time.Millisecond}
	if text := os.Getenv("RESCUE_AFTER"); text != "" {
		if cfg.RescueStuckJobsAfter, err = time.ParseDuration(text); err != nil {
			return err
		}
		cfg.JobTimeout = cfg.RescueStuckJobsAfter // River wants no more
	}
	client, err := river.NewClient(riverpgxv5.New(pool), cfg)
	if err != nil {
		return err
	}
	if err := client.Start(ctx); err != nil {
		return err
	}
	select {} // until we are killed
}
