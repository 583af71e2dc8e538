// Command bundle makes the Lambda's deployment packages and says how large they are
// and how fast they start.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/sagefleet/sagefleet/deploy/bundle"
)

type options struct {
	Root string   `default:"." type:"existingdir" help:"Folder of the module."`
	Dir  string   `default:"bin" help:"Folder for the packages."`
	Arch []string `default:"arm64,amd64" help:"Architectures, as Go names them."`
	JSON bool     `name:"json" help:"Print one line of JSON for each package."`
}

// starts is how many cold starts are measured.
const starts = 15

func main() {
	var opts options
	kong.Parse(&opts, kong.Name("bundle"), kong.Description(
		"Makes the Lambda's deployment packages, lambda-<arch>.zip. The same sources give the same bytes. "+
			"Exits 1 when a package can't be made or is too large."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, opts); err != nil {
		fmt.Fprintln(os.Stderr, "bundle:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, opts options) error {
	if err := os.MkdirAll(opts.Dir, 0o750); err != nil {
		return err
	}
	for _, arch := range opts.Arch {
		b, err := bundle.Make(ctx, opts.Root, opts.Dir, arch)
		if err != nil {
			return err
		}
		if opts.JSON {
			if err := json.NewEncoder(os.Stdout).Encode(b); err != nil {
				return err
			}
			continue
		}
		started, err := start(ctx, arch, strings.TrimSuffix(b.Path, ".zip"))
		if err != nil {
			return err
		}
		fmt.Printf("%s  binary %.1f MB, zipped %.1f MB, %s\n  sha256 %s\n", b.Path, megabytes(b.Binary), megabytes(b.Zipped), started, b.SHA256)
	}
	return nil
}

// start says how fast a binary of this machine's architecture starts.
func start(ctx context.Context, arch, binary string) (string, error) {
	if arch != runtime.GOARCH || runtime.GOOS != "linux" {
		return "start not measured on " + runtime.GOOS + "/" + runtime.GOARCH, nil
	}
	store, err := os.MkdirTemp("", "sage-bundle-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(store) }()
	var took []time.Duration
	var memory int64
	for range starts {
		s, err := bundle.Measure(ctx, binary, "STORAGE_URL=file://"+store, "TMPDIR="+store)
		if err != nil {
			return "", err
		}
		took, memory = append(took, s.Took), max(memory, s.RSS)
	}
	slices.Sort(took)
	return fmt.Sprintf("asks for work %.1f ms after exec (median of %d), %.1f MB resident", float64(took[len(took)/2].Microseconds())/1000, starts, megabytes(memory)), nil
}

func megabytes(n int64) float64 { return float64(n) / 1e6 }
