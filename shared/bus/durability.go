package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// Durability is what an acknowledged publish survives.
type Durability string

const (
	// Fast survives a crash of the process: the server's default, which
	// acknowledges before the data reach the disk.
	Fast Durability = "fast"
	// Fsync survives a power failure of the one server: sync_interval is always.
	Fsync Durability = "fsync"
	// Replicated survives the loss of one of three servers, each with
	// sync_interval always.
	Replicated Durability = "replicated"
)

// CodeDurability says that the server is less durable than declared.
const CodeDurability fault.Code = "DURABILITY"

// UnmarshalText accepts one of the three names.
func (d *Durability) UnmarshalText(text []byte) error {
	switch v := Durability(text); v {
	case Fast, Fsync, Replicated:
		*d = v
		return nil
	}
	return errors.New("one of fast, fsync, replicated")
}

// CheckDurability compares what cfg declares with what the servers do. The
// servers' sync setting can only be read from their monitoring port, so fsync
// and replicated need MonitorURL.
func CheckDurability(ctx context.Context, js jetstream.JetStream, cfg Config) error {
	if cfg.Durability == Fast {
		return nil
	}
	refuse := func(format string, args ...any) *fault.Error {
		return fault.New(CodeDurability, format, args...).Permanent()
	}
	servers := 1
	if cfg.Durability == Replicated {
		servers = 3
		if cfg.Replicas < servers {
			return refuse("NATS_REPLICAS is %d", cfg.Replicas).Expecting("3 or more for durability replicated")
		}
		for _, s := range cfg.Topology().Streams {
			stream, err := js.Stream(ctx, s.Name)
			if err != nil {
				return fmt.Errorf("stream %s: %w", s.Name, err)
			}
			if have := stream.CachedInfo().Config.Replicas; have < servers {
				return refuse("stream %s has %d replicas", s.Name, have).Expecting("3 for durability replicated")
			}
		}
	}
	if len(cfg.MonitorURL) < servers {
		return refuse("durability %s can't be checked with %d monitoring addresses", cfg.Durability, len(cfg.MonitorURL)).
			Expecting("NATS_MONITOR_URL to name the monitoring port of %d servers", servers).
			Advise("set it, or declare NATS_DURABILITY=fast")
	}
	for _, url := range cfg.MonitorURL {
		always, err := syncsAlways(ctx, url)
		if err != nil {
			return fmt.Errorf("check durability at %s: %w", url, err)
		}
		if !always {
			return refuse("the server at %s acknowledges before fsync", url).
				Expecting("jetstream { sync_interval: always } for durability %s", cfg.Durability).
				Advise("change the server's configuration, or declare NATS_DURABILITY=fast")
		}
	}
	return nil
}

func syncsAlways(ctx context.Context, monitor string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, monitor+"/jsz?config=true", nil)
	if err != nil {
		return false, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return false, fmt.Errorf("monitoring answered %s", res.Status)
	}
	var jsz struct {
		Config struct {
			SyncAlways bool `json:"sync_always"`
		} `json:"config"`
	}
	if err := json.NewDecoder(res.Body).Decode(&jsz); err != nil {
		return false, err
	}
	return jsz.Config.SyncAlways, nil
}
