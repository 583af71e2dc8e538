package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// CodeDrift says that the server's streams are not what this fleet needs.
const CodeDrift fault.Code = "TOPOLOGY_DRIFT"

// Change is one difference between the server and the topology.
type Change struct {
	Object  string   `json:"object"` // stream EXECUTIONS, consumer EXECUTIONS/fleet, bucket sage_locks
	Missing bool     `json:"missing,omitempty"`
	Fields  []string `json:"fields,omitempty"` // name: server has X, fleet needs Y
	// Anew says that the server can't change it: it is removed and made again, empty.
	Anew bool `json:"anew,omitempty"`
	// Optional says that the fleet works as it is, only slower.
	Optional bool `json:"optional,omitempty"`

	apply func(context.Context) error
}

func (c Change) String() string {
	if c.Missing {
		return c.Object + ": missing"
	}
	return c.Object + ": " + strings.Join(c.Fields, "; ")
}

// Diff lists what the server lacks or has otherwise, in the order in which it
// can be applied.
func Diff(ctx context.Context, js jetstream.JetStream, t Topology) ([]Change, error) {
	var changes []Change
	note := func(c *Change, err error) error {
		if c != nil {
			changes = append(changes, *c)
		}
		return err
	}
	for _, want := range t.Streams {
		if err := note(diffStream(ctx, js, want)); err != nil {
			return nil, err
		}
		for _, consumer := range t.Consumers[want.Name] {
			if err := note(diffConsumer(ctx, js, want.Name, consumer)); err != nil {
				return nil, err
			}
		}
	}
	return changes, nil
}

// Apply makes the changes, creating and updating. The server refuses updates that
// would lose messages.
func Apply(ctx context.Context, changes []Change) error {
	for _, c := range changes {
		if err := c.apply(ctx); err != nil {
			return fmt.Errorf("provision %s: %w", c.Object, err)
		}
	}
	return nil
}

// Provision creates what is missing. It is idempotent, and safe when several
// components start at once. What exists otherwise it does not touch: that is a
// fault which names every difference.
func Provision(ctx context.Context, js jetstream.JetStream, cfg Config) error {
	changes, err := Diff(ctx, js, cfg.Topology())
	if err != nil {
		return err
	}
	if drift := drifted(changes, func(c Change) bool { return !c.Missing }); len(drift) > 0 {
		return driftFault(drift)
	}
	return Apply(ctx, drifted(changes, func(c Change) bool { return c.Missing }))
}

// drifted returns those of changes that a fleet can't do without, and that are so.
func drifted(changes []Change, so func(Change) bool) []Change {
	return slices.DeleteFunc(slices.Clone(changes), func(c Change) bool { return c.Optional || !so(c) })
}

// Check fails unless the server is as the fleet needs it: what a worker without the
// right to create streams does at its start.
func Check(ctx context.Context, js jetstream.JetStream, cfg Config) error {
	changes, err := Diff(ctx, js, cfg.Topology())
	if err != nil {
		return err
	}
	if drift := drifted(changes, func(Change) bool { return true }); len(drift) > 0 {
		return driftFault(drift)
	}
	return nil
}

func driftFault(changes []Change) error {
	lines := make([]string, len(changes))
	for i, c := range changes {
		lines[i] = c.String()
	}
	return fault.New(CodeDrift, "the server differs: %s", strings.Join(lines, " | ")).
		Advise("look with `sage admin provision`, change with `sage admin provision --apply`").Permanent()
}

func diffStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (*Change, error) {
	change := &Change{Object: "stream " + want.Name}
	if bucket, is := strings.CutPrefix(want.Name, bucketStream("")); is {
		change.Object = "bucket " + bucket
	}
	stream, err := js.Stream(ctx, want.Name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		change.Missing = true
		change.apply = func(ctx context.Context) error {
			_, err := js.CreateStream(ctx, want)
			return err
		}
		return change, nil
	case err != nil:
		return nil, fmt.Errorf("look at stream %s: %w", want.Name, err)
	}
	have := stream.CachedInfo().Config
	change.Fields, err = differences(have, want)
	change.apply = func(ctx context.Context) error {
		_, err := js.UpdateStream(ctx, want)
		return err
	}
	if have.PersistMode != want.PersistMode && slices.Contains(derivedStreams, want.Name) {
		makeAnew(js, change, have, want)
	}
	return changed(change), err
}

func diffConsumer(ctx context.Context, js jetstream.JetStream, stream string, want jetstream.ConsumerConfig) (*Change, error) {
	change := &Change{Object: "consumer " + stream + "/" + want.Name}
	change.apply = func(ctx context.Context) error {
		_, err := js.CreateOrUpdateConsumer(ctx, stream, want)
		return err
	}
	consumer, err := js.Consumer(ctx, stream, want.Name)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, jetstream.ErrStreamNotFound):
		change.Missing = true
		return change, nil
	case err != nil:
		return nil, fmt.Errorf("look at consumer %s/%s: %w", stream, want.Name, err)
	}
	change.Fields, err = differences(consumer.CachedInfo().Config, want)
	return changed(change), err
}

func changed(c *Change) *Change {
	if len(c.Fields) == 0 {
		return nil
	}
	return c
}

// differences compares two configurations by their JSON form, in which both
// sides omit what is not set. What the server adds by itself is not a difference.
func differences(have, want any) ([]string, error) {
	h, err := jsonFields(have)
	if err != nil {
		return nil, err
	}
	w, err := jsonFields(want)
	if err != nil {
		return nil, err
	}
	for name, value := range serverDefaults {
		if _, set := w[name]; !set && h[name] == value {
			delete(h, name)
		}
	}
	var fields []string
	for name := range h {
		if _, both := w[name]; !both {
			w[name] = "(unset)"
		}
	}
	for name, value := range w {
		found, both := h[name]
		if !both {
			found = "(unset)"
		}
		if found != value {
			fields = append(fields, fmt.Sprintf("%s: server has %s, fleet needs %s", name, readable(name, found), readable(name, value)))
		}
	}
	slices.Sort(fields)
	return fields, nil
}

// readable writes the nanoseconds of a duration as people do.
func readable(name, value string) string {
	nanos, err := strconv.ParseInt(value, 10, 64)
	if err != nil || !slices.Contains([]string{"max_age", "ack_wait", "duplicate_window", "subject_delete_marker_ttl"}, name) {
		return value
	}
	return time.Duration(nanos).String()
}

// serverDefaults is what nats-server 2.15 fills in when a field is left out.
var serverDefaults = map[string]string{
	"consumer_limits": "{}", "deny_delete": "false", "allow_atomic": "false",
	"replay_policy": `"instant"`, "deliver_policy": `"all"`, "max_waiting": "512", "num_replicas": "0",
	"mirror_direct": "false", "compression": `"none"`, "max_msgs_per_subject": "-1",
}

func jsonFields(v any) (map[string]string, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	raw := map[string]json.RawMessage{}
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, err
	}
	delete(raw, "metadata") // the server notes its own version there
	fields := make(map[string]string, len(raw))
	for name, value := range raw {
		fields[name] = string(value)
	}
	return fields, nil
}
