package process

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
)

// Server is a nats-server in a process of its own.
type Server struct {
	*Process
	Name string
	URL  string
}

// AnyPort lets the server choose.
const AnyPort = -1

// StartServer starts the nats-server among binaries, that keeps its streams under dir, with more
// arguments if there are any, and waits until it tells its port.
func StartServer(t testing.TB, binaries, dir string, port int, args ...string) Server {
	t.Helper()
	return StartConfiguredServer(t, binaries, dir, port, append([]string{"--jetstream", "--store_dir", dir}, args...)...)
}

// StartConfiguredServer is StartServer where the arguments name a configuration that
// says where streams are kept. dir is for a file that tells the port.
func StartConfiguredServer(t testing.TB, binaries, dir string, port int, args ...string) Server {
	t.Helper()
	name := "test-" + nats.NewInbox()[len(nats.InboxPrefix):]
	p := Start(t, filepath.Join(binaries, "nats-server"), nil, append([]string{"--name", name, "--addr", "127.0.0.1",
		"--port", strconv.Itoa(port), "--ports_file_dir", dir}, args...)...)
	var ports struct {
		NATS []string `json:"nats"`
	}
	file := filepath.Join(dir, fmt.Sprintf("nats-server_%d.ports", p.cmd.Process.Pid))
	Eventually(t, 20*time.Second, "nats-server tells its port", func() bool {
		if !p.Running() {
			t.Fatalf("%s ended", p)
		}
		data, err := os.ReadFile(file) // it may be half written
		return err == nil && json.Unmarshal(data, &ports) == nil && len(ports.NATS) > 0
	})
	return Server{p, name, ports.NATS[0]}
}

// Connect returns a connection, having checked that the server is ours: another
// test's may have taken the port of one that ended.
func (s Server) Connect(t testing.TB, cfg bus.Config) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := bus.Connect(t.Context(), cfg, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if got := nc.ConnectedServerName(); got != s.Name {
		t.Fatalf("connected to the server %q, which is not our %q", got, s.Name)
	}
	js, err := bus.Open(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

// ClosedPort returns a port that refuses connections and that nobody else is given
// until release: the near end of a connection of our own.
func ClosedPort(t testing.TB) (port int, release func()) {
	t.Helper()
	far, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	// Only a port that was bound before it connects is nobody else's meanwhile.
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}}
	near, err := dialer.Dial("tcp", far.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	release = sync.OnceFunc(func() {
		_ = near.(*net.TCPConn).SetLinger(0) // a proper close would hold the port for a minute
		_ = near.Close()
		_ = far.Close()
	})
	t.Cleanup(release)
	return near.LocalAddr().(*net.TCPAddr).Port, release
}
