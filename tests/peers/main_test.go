package peers

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/tests/process"
)

var (
	rounds  = flag.Int("rounds", 3, "how often each figure is measured; the median counts")
	window  = flag.Duration("window", 1500*time.Millisecond, "how long a throughput is measured")
	steady  = flag.Duration("steady", 2*time.Second, "how long latency is measured")
	crashes = flag.Bool("crashes", true, "measure crash-to-rerun too, some three minutes")
	only    = flag.String("only", "", "a part of the names of the systems to measure")
	asJSON  = flag.String("json", "", "a file that the figures go to")
)

// base is where everything is kept until the run is over: some file systems create
// slowly for a while after a large deletion.
var base string

// TestMain makes this binary whatever process the comparison needs.
func TestMain(m *testing.M) {
	if file := os.Getenv(process.VariableS3); file != "" {
		panic(process.ServeS3(file))
	}
	if role := os.Getenv(variableRole); role != "" {
		if err := roles[role](); err != nil {
			fmt.Fprintln(os.Stderr, role+":", err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	process.IsolateAWS()
	var err error
	if base, err = os.MkdirTemp("", "sage-peers-"); err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(base) }()
	if err := os.Chmod(base, 0o711); err != nil { //nolint:gosec // PostgreSQL runs as another user
		panic(err)
	}
	err = process.Build(base, "", "github.com/nats-io/nats-server/v2", "./worker/cmd/worker")
	if err == nil {
		err = os.Mkdir(filepath.Join(base, "killed"), 0o700)
	}
	if err == nil {
		err = process.Build(filepath.Join(base, "killed"), "failpoints", "./worker/cmd/worker")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func newDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(base, "")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// scope ends what was started in it before the test does.
type scope struct {
	testing.TB
	cleanups []func()
}

func (s *scope) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

// within runs f and then what f left to clean up.
func within(t testing.TB, f func(t testing.TB)) {
	s := &scope{TB: t}
	defer func() {
		for len(s.cleanups) > 0 {
			last := len(s.cleanups) - 1
			cleanup := s.cleanups[last]
			s.cleanups = s.cleanups[:last]
			cleanup()
		}
	}()
	f(s)
}
