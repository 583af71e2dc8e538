package bundle

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

// Start is what one cold start of a bootstrap took, without the platform's part.
type Start struct {
	Took time.Duration // from exec to the first request for work
	RSS  int64         // bytes resident then
}

// Measure starts a bootstrap with the variables given and those of Lambda, waits until
// it asks for work, and ends it.
func Measure(ctx context.Context, command string, variables ...string) (Start, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return Start{}, err
	}
	asked, end := make(chan time.Time, 1), make(chan struct{})
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case asked <- time.Now():
		default:
		}
		select { // there is no work
		case <-end:
		case <-r.Context().Done():
		}
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer func() {
		close(end)
		_ = server.Close()
		<-served
	}()
	return await(ctx, exec.CommandContext(ctx, command), append(variables, "AWS_LAMBDA_RUNTIME_API="+listener.Addr().String(),
		"AWS_LAMBDA_LOG_STREAM_NAME=measured", "AWS_REGION=us-east-1"), asked)
}

func await(ctx context.Context, cmd *exec.Cmd, variables []string, asked <-chan time.Time) (Start, error) {
	cmd.Env = variables
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return Start{}, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case at := <-asked:
		rss, err := resident(ctx, cmd.Process.Pid)
		_ = cmd.Process.Kill()
		<-ended
		return Start{Took: at.Sub(began), RSS: rss}, err
	case err := <-ended:
		return Start{}, errors.Join(fmt.Errorf("%s ended before it asked for work", cmd.Path), err, ctx.Err())
	}
}

func resident(ctx context.Context, pid int) (int64, error) {
	p, err := process.NewProcessWithContext(ctx, int32(pid)) //nolint:gosec // process ids fit
	if err != nil {
		return 0, err
	}
	memory, err := p.MemoryInfoWithContext(ctx)
	if err != nil {
		return 0, err
	}
	return int64(memory.RSS), nil //nolint:gosec // far below 2^63
}
