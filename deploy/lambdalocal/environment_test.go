//go:build unix

package lambdalocal_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/deploy/lambdalocal"
)

func TestWarmReuse(t *testing.T) {
	t.Parallel()
	service, client := start(t, lambdalocal.Config{})
	first := must(t, client, order{})
	for range 10 {
		if r := must(t, client, order{}); r.PID != first.PID || r.Request == first.Request {
			t.Fatalf("process %d, request %s after %d, %s", r.PID, r.Request, first.PID, first.Request)
		}
	}
	if stats := service.Stats(); stats.ColdStarts != 1 || stats.Invocations != 11 || stats.MaxConcurrent != 1 {
		t.Errorf("%+v", stats)
	}
}

func TestScaleOut(t *testing.T) {
	t.Parallel()
	service, client := start(t, lambdalocal.Config{})
	const n = 8
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() { invoke(t, client, order{Do: "sleep", For: 500 * time.Millisecond}) })
	}
	wg.Wait()
	stats := service.Stats()
	if stats.ColdStarts != n || stats.MaxConcurrent != n || stats.Environments != n || stats.Errors != 0 {
		t.Errorf("%+v", stats)
	}
}

func TestKeepAlive(t *testing.T) {
	t.Parallel()
	service, client := start(t, lambdalocal.Config{KeepAlive: 200 * time.Millisecond})
	first := must(t, client, order{})
	eventually(t, "the environment expires", func() bool { return service.Stats().Environments == 0 })
	if r := must(t, client, order{}); r.PID == first.PID {
		t.Error("an expired environment answered")
	}
	if stats := service.Stats(); stats.ColdStarts != 2 || stats.Errors != 0 {
		t.Errorf("%+v", stats)
	}
}

// TestEnvironmentDiesIdle: a process that dies between two invocations costs a
// cold start and nothing else.
func TestEnvironmentDiesIdle(t *testing.T) {
	t.Parallel()
	service, client := start(t, lambdalocal.Config{})
	first := must(t, client, order{})
	if err := syscall.Kill(first.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its end is noticed", func() bool { return service.Stats().Environments == 0 })
	must(t, client, order{})
	if stats := service.Stats(); stats.ColdStarts != 2 || stats.Errors != 0 {
		t.Errorf("%+v", stats)
	}
}

// TestNothingOutlivesRun: neither an environment in the middle of its work, nor
// an idle one, nor what one has started.
func TestNothingOutlivesRun(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	service, err := lambdalocal.Listen(lambdalocal.Config{Command: []string{exe}, Env: []string{"PATH=" + os.Getenv("PATH")}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- service.Run(ctx) }()

	client := newClient(t, service.URL())
	pids := []int{must(t, client, order{Do: "spawn"}).PID, must(t, client, order{}).PID}
	var busy sync.WaitGroup
	busy.Go(func() { invoke(t, client, order{Do: "sleep", For: time.Minute}) })
	eventually(t, "it is busy", func() bool { return service.Stats().Concurrent == 1 })

	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	busy.Wait()
	for _, pid := range pids {
		eventually(t, "a process is gone", func() bool { return isGone(pid) })
	}
	if _, err := invoke(t, client, order{}); err == nil {
		t.Error("answers after Run")
	}
}

// TestServiceIsKilled: even then its environments end, because the kernel sees
// to it.
func TestServiceIsKilled(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs a kernel that kills the children of the dead")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	service := exec.Command(exe)
	service.Env = []string{"SERVICE=1"}
	stdout, err := service.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	lines.Scan()
	client := newClient(t, lines.Text())
	var busy sync.WaitGroup
	busy.Go(func() { invoke(t, client, order{Do: "announce", For: time.Minute}) })
	pid := announced(t, lines)
	if err := service.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	service.Wait() // reports the kill
	busy.Wait()
	eventually(t, "the environment is gone", func() bool { return isGone(pid) })
}

// TestOrphanEnds: what a process started ends with it.
func TestOrphanEnds(t *testing.T) {
	t.Parallel()
	_, client := start(t, lambdalocal.Config{Env: []string{"PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0"}})
	out, err := invoke(t, client, order{Do: "spawn", Text: "exit"})
	if err != nil || out.FunctionError == nil {
		t.Fatalf("got %+v, %v", out, err)
	}
	pid := announced(t, bufio.NewScanner(strings.NewReader(tail(t, out))))
	eventually(t, "the child is gone", func() bool { return isGone(pid) })
}

// announced finds a process id that the function has printed.
func announced(t *testing.T, lines *bufio.Scanner) (pid int) {
	t.Helper()
	for lines.Scan() {
		if n, _ := fmt.Sscanf(lines.Text(), "pid %d", &pid); n == 1 {
			return pid
		}
	}
	t.Fatalf("no process id: %v", lines.Err())
	return 0
}

func TestFreeze(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc to see the state of a process")
	}
	_, client := start(t, lambdalocal.Config{})
	idle := must(t, client, order{})
	eventually(t, "it is frozen", func() bool { return processState(idle.PID) == "T" })
	if again := must(t, client, order{}); again.PID != idle.PID {
		t.Error("a frozen environment was not reused")
	}

	_, client = start(t, lambdalocal.Config{NeverFreeze: true})
	awake := must(t, client, order{})
	time.Sleep(50 * time.Millisecond)
	if state := processState(awake.PID); state == "T" {
		t.Error("frozen all the same")
	}
}

// TestSIGTERM: a process that has registered as an extension can say goodbye when
// it expires, although it is frozen then.
func TestSIGTERM(t *testing.T) {
	t.Parallel()
	var logs lockedBuffer
	service, client := start(t, lambdalocal.Config{
		Env: []string{"SIGTERM=1", "GORACE=atexit_sleep_ms=0"}, KeepAlive: 100 * time.Millisecond, Logs: &logs,
	})
	must(t, client, order{})
	eventually(t, "the environment expires", func() bool { return service.Stats().Environments == 0 })
	if !strings.Contains(logs.String(), "goodbye") {
		t.Errorf("log %q", logs.String())
	}
}

// processState is the letter that proc_pid_stat(5) explains.
func processState(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return rest[:1]
}

// isGone reports whether the process has ended. Its parent may be an init that
// doesn't reap, which leaves a zombie.
func isGone(pid int) bool { return syscall.Kill(pid, 0) != nil || processState(pid) == "Z" }
