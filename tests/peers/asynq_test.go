package peers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/tests/process"
)

// asynqQueue is asynq over Redis.
type asynqQueue struct {
	peer
	redis  *redis.Client
	client *asynq.Client
}

func redisServer() (string, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return "", errors.New("there is no redis-server: install Redis (Debian: apt-get install redis-server)")
	}
	return path, nil
}

func startAsynq(t testing.TB, d bus.Durability) queue {
	t.Helper()
	binary, err := redisServer()
	if err != nil {
		t.Fatal(err)
	}
	sync := "always"
	if d == bus.Fast {
		sync = "everysec"
	}
	port, release := process.ClosedPort(t)
	release()
	p := process.Start(t, binary, nil, "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--dir", newDir(t),
		"--appendonly", "yes", "--appendfsync", sync, "--save", "")
	address := fmt.Sprintf("127.0.0.1:%d", port)
	q := &asynqQueue{peer: newPeer(t, "asynq", address), redis: redis.NewClient(&redis.Options{Addr: address})}
	t.Cleanup(func() { _ = q.redis.Close() })
	process.Eventually(t, 20*time.Second, "Redis answers", func() bool {
		if !p.Running() {
			t.Fatalf("%s ended:\n%s", p, p.Tail(4<<10))
		}
		info, err := q.redis.Info(t.Context(), "server").Result()
		if err != nil {
			return false
		}
		if pid := processID.FindStringSubmatch(info); pid == nil || p.String() != "redis-server["+pid[1]+"]" {
			t.Fatalf("the server at %s is %v, which is not our %s", address, pid, p)
		}
		return true
	})
	q.client = asynq.NewClientFromRedisClient(q.redis)
	return q
}

var processID = regexp.MustCompile(`(?m)^process_id:(\d+)`)

const asynqKind = "check"

// submit has many at once under way: asynq takes one at a time.
func (q *asynqQueue) submit(t testing.TB, rs []execution.Request) {
	t.Helper()
	var group errgroup.Group
	group.SetLimit(64)
	for _, r := range rs {
		group.Go(func() error {
			data, err := json.Marshal(r)
			if err != nil {
				return err
			}
			_, err = q.client.EnqueueContext(t.Context(), asynq.NewTask(asynqKind, data))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

func (q *asynqQueue) done(t testing.TB) int {
	t.Helper()
	const key = "asynq:{default}:"
	counts, err := q.redis.MGet(t.Context(), key+"processed", key+"failed").Result()
	if err != nil {
		t.Fatal(err)
	}
	number := func(v any) int { // nil when there is none yet
		n, _ := strconv.Atoi(fmt.Sprint(v))
		return n
	}
	return number(counts[0]) - number(counts[1])
}

// asynqWorker is tuned for speed: by default asynq looks for tasks once a second
// when there were none.
func asynqWorker() error {
	h, err := newHandler(os.Getenv)
	if err != nil {
		return err
	}
	slots, err := strconv.Atoi(os.Getenv("SLOTS"))
	if err != nil {
		return err
	}
	server := asynq.NewServer(asynq.RedisClientOpt{Addr: os.Getenv("ADDRESS")}, asynq.Config{
		Concurrency: slots, TaskCheckInterval: 5 * time.Millisecond, LogLevel: asynq.WarnLevel})
	err = server.Start(asynq.HandlerFunc(func(ctx context.Context, task *asynq.Task) error {
		return h.handle(ctx, task.Payload())
	}))
	if err != nil {
		return err
	}
	select {} // until we are killed
}
