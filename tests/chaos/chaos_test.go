// Package chaos breaks a fleet of real processes on purpose and checks that every
// execution ends exactly once all the same.
package chaos

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/tests/process"
	"github.com/sagefleet/sagefleet/tests/turn"
)

// How much is done. The defaults are for go test; `task crashpoints` does it all.
var (
	seeds    = flag.Int("seeds", 1, "how often each step is crashed")
	points   = flag.String("points", "", "the steps that are crashed, with commas; all when empty")
	places   = flag.String("stores", "file", "where the fleets keep their files: file, s3, with commas")
	lanes    = flag.Int("lanes", 6, "how many fleets run at once for each store")
	ackWait  = flag.Duration("ackwait", 2*time.Second, "QUEUE_ACK_WAIT")
	recovery = flag.Duration("recovery", 0, "the 99th percentile of the recovery times allowed; 0 judges none")
)

// programs are built with failpoints.
var programs = []string{
	"./worker/cmd/worker", "./worker/cmd/lambda", "./bridge/cmd/bridge", "./producer/cmd/sage",
	"github.com/nats-io/nats-server/v2",
}

// binaries is where TestMain puts them.
var binaries string

func TestMain(m *testing.M) {
	if file := os.Getenv(bucketVariable); file != "" {
		serveBucket(file) // this process is an S3 server, and not a test
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	defer turn.Busy()()
	flag.Parse()
	// Fleets wait for time-outs nearly always: more of them than cores are no load.
	if err := flag.Set("test.parallel", strconv.Itoa(100)); err != nil {
		panic(err)
	}
	process.IsolateAWS()
	dir, err := os.MkdirTemp("", "sage-chaos-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binaries = dir
	if err := process.Build(dir, "failpoints", programs...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func program(name string) string { return filepath.Join(binaries, name) }
