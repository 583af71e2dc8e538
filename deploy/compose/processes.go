package compose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"golang.org/x/sync/errgroup"

	"github.com/sagefleet/sagefleet/deploy/images"
)

// Programs are the packages whose binaries the services run.
var Programs = []string{
	"./worker/cmd/worker", "./worker/cmd/lambda", "./bridge/cmd/bridge", "./producer/cmd/sage", "./deploy/cmd/lambdalocal",
	"github.com/nats-io/nats-server/v2",
}

// Processes are the services of a topology, ready to be started on this machine.
type Processes struct {
	All []Process // in the order in which they start

	dir      string
	bin      string
	programs map[string]string // by target of the Dockerfile
	ports    map[string]string // host:port of a service → host:port here
	services types.Services
}

// Process is one replica of a service.
type Process struct {
	Service string
	Number  int // from 1
	Command []string
	Env     map[string]string

	once     bool          // it ends by itself
	again    time.Duration // after which it is started again; 0 is never
	patience time.Duration // from SIGTERM to SIGKILL
	after    []string      // services that must have ended well
}

// Name tells it from the others.
func (p Process) Name() string { return p.Service + "-" + strconv.Itoa(p.Number) }

// Prepare makes folders for volumes in dir, takes free ports, and says what is to be
// started of the programs in bin.
func (t *Topology) Prepare(dir, bin string) (*Processes, error) {
	p := &Processes{dir: dir, bin: bin, programs: map[string]string{}, ports: map[string]string{}, services: t.Services()}
	built, err := images.All()
	if err != nil {
		return nil, err
	}
	for _, image := range built {
		p.programs[image.Target] = image.Program
	}
	services, err := t.ordered()
	if err != nil {
		return nil, err
	}
	for _, s := range services {
		for _, port := range s.Expose {
			here, err := freeAddress()
			if err != nil {
				return nil, err
			}
			p.ports[s.Name+":"+port] = here
		}
	}
	for _, s := range services {
		for n := range s.GetScale() {
			one, err := p.prepare(s, n+1)
			if err != nil {
				return nil, fmt.Errorf("service %s: %w", s.Name, err)
			}
			p.All = append(p.All, one)
		}
	}
	return p, nil
}

// Environment is what a program on this machine is told to be the service called name,
// one of a profile as well.
func (p *Processes) Environment(name string) (map[string]string, error) {
	s, ok := p.services[name]
	if !ok {
		return nil, fmt.Errorf("there is no service %s", name)
	}
	one, err := p.prepare(s, 1)
	return one.Env, err
}

// Address is where the first process of a service listens that exposes a port, as
// host:port; empty when none does.
func (p *Processes) Address(service, port string) string { return p.ports[service+":"+port] }

// Volume is the folder that stands for a named volume.
func (p *Processes) Volume(name string) string { return filepath.Join(p.dir, "volumes", name) }

// Scale returns p with n replicas of a service in All; the ones there were stay.
func (p *Processes) Scale(service string, n int) (*Processes, error) {
	s, ok := p.services[service]
	if !ok {
		return nil, fmt.Errorf("there is no service %s", service)
	}
	scaled := *p
	scaled.All = nil
	for _, one := range p.All {
		if one.Service != service || one.Number <= n {
			scaled.All = append(scaled.All, one)
		}
	}
	for number := 1; number <= n; number++ {
		if slices.ContainsFunc(scaled.All, func(one Process) bool { return one.Service == service && one.Number == number }) {
			continue
		}
		one, err := p.prepare(s, number)
		if err != nil {
			return nil, err
		}
		scaled.All = append(scaled.All, one)
	}
	return &scaled, nil
}

func (p *Processes) prepare(s types.ServiceConfig, number int) (Process, error) {
	program := p.programs[strings.TrimPrefix(strings.Split(s.Image, ":")[0], "sagefleet/")]
	if program == "" {
		return Process{}, fmt.Errorf("the Dockerfile has no target for the image %s", s.Image)
	}
	one := Process{Service: s.Name, Number: number, Env: map[string]string{}, patience: 10 * time.Second}
	own := map[string]string{} // ports that it listens on itself
	for _, port := range s.Expose {
		own[port] = p.ports[s.Name+":"+port]
		if number > 1 {
			here, err := freeAddress()
			if err != nil {
				return Process{}, err
			}
			own[port] = here
		}
	}
	here, err := p.translation(s, one.Name(), own)
	if err != nil {
		return Process{}, err
	}
	one.Command = []string{filepath.Join(p.bin, program)}
	for _, arg := range s.Command {
		one.Command = append(one.Command, here(arg))
	}
	for name, value := range Environment(s) {
		one.Env[name] = here(value)
	}
	if s.StopGracePeriod != nil {
		one.patience = time.Duration(*s.StopGracePeriod)
	}
	switch s.Restart {
	case types.RestartPolicyUnlessStopped, types.RestartPolicyAlways:
		one.again = time.Second
	case types.RestartPolicyOnFailure:
		one.again, one.once = time.Second, true
	}
	for name, dependency := range s.DependsOn {
		if dependency.Condition == types.ServiceConditionCompletedSuccessfully {
			one.after = append(one.after, name)
		}
	}
	return one, nil
}

// translation returns what turns the words of a container into this machine's:
// addresses of services, its own ports, and paths. Files that are mounted are
// translated too.
func (p *Processes) translation(s types.ServiceConfig, name string, own map[string]string) (func(string) string, error) {
	paths := map[string]string{"/usr/local/bin": p.bin}
	here := func(text string) string {
		for _, address := range longestFirst(p.ports) {
			text = strings.ReplaceAll(text, "//"+address, "//"+p.ports[address])
		}
		for port, at := range own {
			text = strings.ReplaceAll(text, "0.0.0.0:"+port, at)
			if text == ":"+port {
				text = at
			}
		}
		for _, inside := range longestFirst(paths) {
			text = strings.ReplaceAll(text, inside, paths[inside])
		}
		return text
	}
	var files []types.ServiceVolumeConfig
	for _, v := range s.Volumes {
		switch {
		case v.Type == types.VolumeTypeVolume && v.Source != "":
			paths[v.Target] = filepath.Join(p.dir, "volumes", v.Source)
		case v.Type == types.VolumeTypeBind:
			paths[v.Target] = filepath.Join(p.dir, name, filepath.Base(v.Target))
			files = append(files, v)
			continue
		default:
			paths[v.Target] = filepath.Join(p.dir, name, filepath.Base(v.Target))
		}
		if err := os.MkdirAll(paths[v.Target], 0o700); err != nil {
			return nil, err
		}
	}
	for _, v := range files {
		if info, err := os.Stat(v.Source); err == nil && info.IsDir() { // of certificates, which name no place
			if err := os.CopyFS(paths[v.Target], os.DirFS(v.Source)); err != nil {
				return nil, err
			}
			continue
		}
		text, err := os.ReadFile(v.Source)
		if err != nil {
			return nil, err
		}
		if err := os.MkdirAll(filepath.Dir(paths[v.Target]), 0o700); err != nil {
			return nil, err
		}
		if err := os.WriteFile(paths[v.Target], []byte(here(string(text))), 0o600); err != nil {
			return nil, err
		}
	}
	return here, nil
}

// longestFirst are the keys of m, so that none is replaced by its own beginning.
func longestFirst(m map[string]string) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int { return len(b) - len(a) })
}

// given are the ports that freeAddress gave, whose processes may not listen yet.
var given sync.Map

// freeAddress is one that nobody listens on, and that it gave to nobody. It lies below
// the ports that systems give to connections, of which one could take it before its
// process does.
func freeAddress() (string, error) {
	for tries := 100; ; tries-- {
		address := fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000)) //nolint:gosec // no secret
		l, err := net.Listen("tcp", address)
		if err == nil {
			if err := l.Close(); err != nil {
				return "", err
			}
			if _, taken := given.LoadOrStore(address, true); !taken {
				return address, nil
			}
		}
		if tries == 0 {
			return "", errors.Join(errors.New("no port is free between 10000 and 30000"), err)
		}
	}
}

// Run starts all processes, starts those again that end and should not, and stops them
// when ctx ends: the last ones first, each as long as its service allows. out receives
// what they write.
func (p *Processes) Run(ctx context.Context, out io.Writer) error {
	out = &shared{w: out}
	done := map[string]*sync.WaitGroup{}
	for _, one := range p.All {
		if done[one.Service] == nil {
			done[one.Service] = &sync.WaitGroup{}
		}
		if one.once {
			done[one.Service].Add(1)
		}
	}
	group, working := errgroup.WithContext(ctx)
	// What others need goes on until they have ended: they give back what they have.
	needed, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	var users sync.WaitGroup
	for _, one := range p.All {
		living := working
		if len(one.after) == 0 && !one.once {
			living = needed
		} else {
			users.Add(1)
		}
		group.Go(func() error {
			if living == working {
				defer users.Done()
			}
			if one.once {
				defer done[one.Service].Done()
			}
			for _, service := range one.after {
				done[service].Wait()
			}
			return one.keep(living, out)
		})
	}
	group.Go(func() error {
		<-working.Done()
		users.Wait()
		release()
		return nil
	})
	return group.Wait()
}

// keep runs the process until ctx ends, or until it has ended well if it is to.
func (p Process) keep(ctx context.Context, out io.Writer) error {
	for ctx.Err() == nil {
		err := p.run(ctx, out)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil && p.once:
			return nil
		case p.again == 0:
			return fmt.Errorf("%s ended: %w", p.Name(), errors.Join(err, errors.New("it is not to be started again")))
		}
		select {
		case <-ctx.Done():
		case <-time.After(p.again):
		}
	}
	return nil
}

func (p Process) run(ctx context.Context, out io.Writer) error {
	cmd := exec.CommandContext(ctx, p.Command[0], p.Command[1:]...) //nolint:gosec // what the project's own file says
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = []string{} // nil would inherit
	for _, name := range slices.Sorted(maps.Keys(p.Env)) {
		cmd.Env = append(cmd.Env, name+"="+p.Env[name])
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = p.patience
	return cmd.Run()
}

// shared is a Writer for several at once.
type shared struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}
