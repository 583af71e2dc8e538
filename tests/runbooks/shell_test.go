package runbooks

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/deploy/compose"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/heartbeat"
	"github.com/sagefleet/sagefleet/tests/process"
)

// host is deploy/compose's services as processes, and what `docker compose` would do
// to them.
type host struct {
	t         testing.TB
	processes *compose.Processes
	nc        *nats.Conn

	mu      sync.Mutex
	running map[string]*process.Process // by the name of a replica
	logs    map[string]string           // of those that ended
}

func startHost(t testing.TB) *host {
	t.Helper()
	topology, err := compose.Load(t.Context(), "../../deploy/compose", "compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, running: map[string]*process.Process{}, logs: map[string]string{}}
	if h.processes, err = topology.Prepare(t.TempDir(), binaries); err != nil {
		t.Fatal(err)
	}
	h.start("nats")
	told, err := h.processes.Environment("sage")
	if err != nil {
		t.Fatal(err)
	}
	if h.nc, err = nats.Connect(told["NATS_URL"], nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.nc.Close)
	for _, service := range []string{"provision", "lambda", "worker", "bridge", "serve"} {
		h.start(service)
	}
	return h
}

// signs are what a service writes when it does its work.
var signs = map[string]string{
	"nats": "Server is ready", "worker": "worker takes executions", "bridge": "bridge watches the backlog", "serve": "serving", "lambda": "endpoint",
}

// unhurried leaves nothing to the Lambda because this machine is slow: runbooks show what
// workers do, and say it in their words.
var unhurried = map[string]string{"OVERFLOW_PENDING": "1000000", "OVERFLOW_CPU": "0"}

func (h *host) start(service string) {
	for _, one := range h.processes.All {
		if one.Service != service || h.running[one.Name()] != nil {
			continue
		}
		env := maps.Clone(one.Env)
		if service == "bridge" {
			maps.Copy(env, unhurried)
		}
		p := process.Start(h.t, one.Command[0], env, one.Command[1:]...)
		if service == "provision" {
			if code := p.Exit(h.t, time.Minute); code != 0 {
				h.t.Fatalf("provision ended with %d: %s", code, p.Tail(4<<10))
			}
			continue
		}
		process.Eventually(h.t, time.Minute, service+" says "+signs[service], func() bool { return strings.Contains(p.Tail(1<<20), signs[service]) })
		h.running[one.Name()] = p
	}
	h.awaitBeats(service)
}

// awaitBeats waits until what was started is heard, which it is a moment after it says
// that it works; and all that runs, from a server that was started again.
func (h *host) awaitBeats(service string) {
	began := time.Now()
	for name, p := range h.running {
		kind := strings.TrimRight(name, "-0123456789")
		if kind != heartbeat.KindWorker && kind != heartbeat.KindBridge || kind != service && service != "nats" {
			continue
		}
		process.Eventually(h.t, time.Minute, p.String()+" is heard", func() bool {
			return slices.ContainsFunc(h.members(), func(m heartbeat.Member) bool {
				return process.HostOf(m.Host) == p.Host() && m.Presence == heartbeat.Here && (service != "nats" || m.Heard.After(began))
			})
		})
	}
}

// members are nobody while the server doesn't answer.
func (h *host) members() []heartbeat.Member {
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Second)
	defer cancel()
	js, err := jetstream.New(h.nc)
	if err != nil {
		h.t.Fatal(err)
	}
	kv, err := js.KeyValue(ctx, bus.BucketFleet)
	if err != nil {
		return nil
	}
	fleet, err := heartbeat.Look(ctx, kv)
	if err != nil {
		return nil
	}
	return fleet.Members()
}

func (h *host) end(service string, sig syscall.Signal) {
	for name, p := range h.running {
		if strings.TrimRight(name, "0123456789") != service+"-" {
			continue
		}
		p.Send(sig)
		process.Eventually(h.t, time.Minute, p.String()+" ends", func() bool { return !p.Running() })
		h.logs[name] += p.Tail(1 << 20)
		delete(h.running, name)
	}
}

// compose does what `docker compose` is asked for.
func (h *host) compose(args []string) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	services := slices.DeleteFunc(slices.Clone(args[1:]), func(a string) bool { return strings.HasPrefix(a, "-") })
	switch args[0] {
	case "stop", "kill":
		sig := map[string]syscall.Signal{"stop": syscall.SIGTERM, "kill": syscall.SIGKILL}[args[0]]
		for _, s := range services {
			h.end(s, sig)
		}
	case "start":
		for _, s := range services {
			h.start(s)
		}
	case "restart":
		for _, s := range services {
			h.end(s, syscall.SIGTERM)
			h.start(s)
		}
	case "up":
		for _, s := range services {
			if service, n, ok := strings.Cut(s, "="); ok {
				if err := h.scale(service, n); err != nil {
					return "", err
				}
				continue
			}
			h.start(s)
		}
	case "ps":
		var lines []string
		for name := range h.running {
			lines = append(lines, name+"  running")
		}
		slices.Sort(lines)
		return strings.Join(lines, "\n") + "\n", nil
	case "logs":
		var said strings.Builder
		for _, name := range slices.Sorted(func(yield func(string) bool) {
			for _, one := range h.processes.All {
				if slices.Contains(services, one.Service) && !yield(one.Name()) {
					return
				}
			}
		}) {
			said.WriteString(h.logs[name])
			if p := h.running[name]; p != nil {
				said.WriteString(p.Tail(1 << 20))
			}
		}
		return said.String(), nil
	default:
		return "", fmt.Errorf("docker compose %s is nothing that runbooks do", args[0])
	}
	return "", nil
}

// scale starts or stops replicas until there are as many as asked for.
func (h *host) scale(service, n string) error {
	want, err := strconv.Atoi(n)
	if err != nil {
		return err
	}
	if h.processes, err = h.processes.Scale(service, want); err != nil {
		return err
	}
	for name, p := range h.running {
		if !slices.ContainsFunc(h.processes.All, func(one compose.Process) bool { return one.Name() == name }) {
			p.Stop(h.t)
			delete(h.running, name)
		}
	}
	h.start(service)
	return nil
}

// shell is a bash on the host, in a folder of its own.
type shell struct {
	host *host
	dir  string
	in   io.Writer
	out  *bufio.Reader
}

// newShell starts the services and a shell that knows where they are.
func newShell(t *testing.T) *shell {
	t.Helper()
	h := startHost(t)
	told, err := h.processes.Environment("sage")
	if err != nil {
		t.Fatal(err)
	}
	serve, err := h.processes.Environment("serve")
	if err != nil {
		t.Fatal(err)
	}
	control := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if mailbox := r.FormValue("mailbox"); mailbox != "" {
			request, _ := json.Marshal(map[string]any{"execution_id": r.FormValue("id"), "yaml_config": r.FormValue("config"),
				"input_files": []map[string]string{{"uri": told["STORAGE_URL"] + "/inputs/" + mailbox + "/a.csv", "filename": "a.csv"}}})
			if _, err := h.nc.Request(bus.SubjectMailbox(mailbox), request, 5*time.Second); err != nil {
				w.WriteHeader(http.StatusBadGateway)
			}
			return
		}
		said, err := h.compose(strings.Fields(r.FormValue("args")))
		if err != nil {
			said += err.Error() + "\n"
			w.WriteHeader(http.StatusBadRequest)
		}
		_, _ = io.WriteString(w, said)
	}))
	t.Cleanup(control.Close)
	dir := t.TempDir()
	for name, from := range map[string]string{"ventas.yaml": "../../deploy/cmd/demo/configs/ventas.yaml"} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	docker := "#!/bin/sh\nexec curl --silent --show-error --fail-with-body --data-urlencode \"args=$(shift; echo \"$@\")\" " + control.URL + "\n"
	if err := os.MkdirAll(filepath.Join(dir, ".bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".bin", "docker"), []byte(docker), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	// publish sends what `sage submit` would refuse, as anybody may with `nats pub`.
	publish := "#!/bin/sh\nexec curl --silent --show-error --fail --data-urlencode \"mailbox=$1\" --data-urlencode \"id=$2\" --data-urlencode \"config=$3\" " + control.URL + "\n"
	if err := os.WriteFile(filepath.Join(dir, ".bin", "publish"), []byte(publish), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "bash", "--noprofile", "--norc")
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + binaries + ":" + filepath.Join(dir, ".bin") + ":" + os.Getenv("PATH"), "HOME=" + dir, "LANG=C.UTF-8",
		"NATS_URL=" + told["NATS_URL"], "STORAGE_URL=" + told["STORAGE_URL"], "NATS_MONITOR_URL=" + told["NATS_MONITOR_URL"],
		"NATS_DURABILITY=" + told["NATS_DURABILITY"], "LEDGER_URL=" + serve["LEDGER_URL"],
		"SITE=http://" + h.processes.Address("serve", "8080"), "WORKER=http://" + h.processes.Address("worker", "9090"), "BRIDGE=http://" + h.processes.Address("bridge", "9090"),
		"NATS_DATA=" + h.processes.Volume("nats"), "STORAGE_DATA=" + h.processes.Volume("storage"),
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	return &shell{host: h, dir: dir, in: in, out: bufio.NewReader(out)}
}

const done = "=== this command exits with "

// enter types a command, and returns what it writes and its exit code.
func (s *shell) enter(t *testing.T, command string) (said string, code int) {
	t.Helper()
	if _, err := fmt.Fprintf(s.in, "%s\necho \"%s$?\"\n", command, done); err != nil {
		t.Fatal(err)
	}
	guard := time.AfterFunc(2*time.Minute, func() { t.Errorf("%s takes more than two minutes", command); s.in.(io.Closer).Close() })
	defer guard.Stop()
	var b strings.Builder
	for {
		line, err := s.out.ReadString('\n')
		if before, end, ok := strings.Cut(line, done); ok {
			b.WriteString(before)
			code, err = strconv.Atoi(strings.TrimSpace(end))
			if err != nil {
				t.Fatal(err)
			}
			return b.String(), code
		}
		b.WriteString(line)
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, b.String())
		}
	}
}

// public is what was said with the places of this machine as a reader's would be.
func (s *shell) public(said string) string {
	host, _ := os.Hostname()
	for _, r := range [][2]string{
		{s.host.processes.Volume("storage"), "/var/lib/sage"}, {s.host.processes.Volume("nats"), "/var/lib/nats"}, {s.dir, "/home/ana"}, {binaries, "/usr/local/bin"},
		{s.host.processes.Address("nats", "4222"), "127.0.0.1:4222"}, {s.host.processes.Address("serve", "8080"), "127.0.0.1:8080"}, {host + "-", "w1-"},
	} {
		said = strings.ReplaceAll(said, r[0], r[1])
	}
	return said
}
