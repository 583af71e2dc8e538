// Command processes starts what deploy/compose describes, as plain processes of this
// machine: for those who have no container engine at hand, and for tests.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/sagefleet/sagefleet/deploy/compose"
)

type options struct {
	Compose string   `default:"deploy/compose" type:"existingdir" help:"Folder with the Compose files."`
	File    []string `default:"compose.yaml" help:"Compose files in it, each over those before it."`
	Dir     string   `type:"path" placeholder:"DIR" help:"Where programs, volumes and logs go; a new folder for temporary files when not given."`
	JSON    bool     `name:"json" help:"Say where everything is as one line of JSON."`
}

func main() {
	var opts options
	kong.Parse(&opts, kong.Name("processes"), kong.Description(
		"Builds the fleet's programs and starts the services of deploy/compose as processes, from the same files, until SIGTERM. "+
			"Run it from the module's root. What they write goes to services.log in DIR. Exits 0 when it was asked to stop, 1 on errors."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, opts, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "processes:", err)
		stop()
		os.Exit(1)
	}
}

// place is where the fleet can be reached, as its clients are told.
type place struct {
	NATS    string `json:"NATS_URL"`
	Storage string `json:"STORAGE_URL"`
	Site    string `json:"site"`
	Bin     string `json:"bin"`
	Log     string `json:"log"`
}

func run(ctx context.Context, opts options, out io.Writer) error {
	if opts.Dir == "" {
		dir, err := os.MkdirTemp("", "sage-processes-")
		if err != nil {
			return err
		}
		opts.Dir = dir
	}
	bin := filepath.Join(opts.Dir, "bin")
	if err := os.MkdirAll(bin, 0o750); err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", append([]string{"build", "-trimpath", "-o", bin + string(filepath.Separator)}, compose.Programs...)...)
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build the programs: %w", err)
	}
	topology, err := compose.Load(ctx, opts.Compose, opts.File...)
	if err != nil {
		return err
	}
	processes, err := topology.Prepare(opts.Dir, bin)
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(opts.Dir, "services.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	client, err := processes.Environment("sage")
	if err != nil {
		return err
	}
	at := place{NATS: client["NATS_URL"], Storage: client["STORAGE_URL"], Site: "http://" + processes.Address("serve", "8080"), Bin: bin, Log: log.Name()}
	if opts.JSON {
		err = json.NewEncoder(out).Encode(at)
	} else {
		_, err = fmt.Fprintf(out, "console   %s\nexport    NATS_URL=%s STORAGE_URL=%s\nprograms  %s\nlog       %s\n", at.Site, at.NATS, at.Storage, at.Bin, at.Log)
	}
	if err != nil {
		return err
	}
	return processes.Run(ctx, log)
}
