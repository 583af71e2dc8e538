package bus

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/secret"
	"github.com/sagefleet/sagefleet/shared/settings"
)

// Config says how to reach NATS and what the fleet's streams look like. Every
// component of one fleet must have the same.
type Config struct {
	URL string `env:"NATS_URL" envDefault:"nats://127.0.0.1:4222"` // of one server or several, with commas
	// Identity is whose credentials these are, such as operator or producer-ventas;
	// each program's own when empty. Replies come only to it.
	Identity Identity      `env:"NATS_IDENTITY"`
	NKeySeed secret.Secret `env:"NATS_NKEY_SEED"` // an NKey's seed (*secret*)
	Creds    secret.Secret `env:"NATS_CREDS"`     // the text of a credentials file (*secret*)
	User     string        `env:"NATS_USER"`      // for user and password
	Password secret.Secret `env:"NATS_PASSWORD"`  // for user and password (*secret*)
	TLSCA    string        `env:"NATS_TLS_CA"`    // path of a PEM bundle that the server's certificate is checked with; turns TLS on
	TLSCert  string        `env:"NATS_TLS_CERT"`  // path of a PEM certificate to show to the server
	TLSKey   secret.Secret `env:"NATS_TLS_KEY"`   // its key, PEM (*secret*)

	// Durability is what an acknowledged publish survives: fast, fsync or
	// replicated. It is checked at start.
	Durability Durability `env:"NATS_DURABILITY" envDefault:"fast"`
	MonitorURL []string   `env:"NATS_MONITOR_URL"`             // of every server's monitoring port, to check the durability
	Replicas   int        `env:"NATS_REPLICAS" envDefault:"1"` // of every stream and bucket
	// AckWait is how long a silent worker keeps a message; then another gets it.
	AckWait time.Duration `env:"QUEUE_ACK_WAIT" envDefault:"30s"`
	// How much work may be in flight in all, the bridge's included. It is not
	// the way to limit concurrency: when it is reached, nobody gets anything.
	MaxAckPending int `env:"QUEUE_MAX_ACK_PENDING" envDefault:"10000"`
	// QueueMaxBytes bounds what may wait; a full queue refuses. -1 is no bound.
	QueueMaxBytes int64         `env:"QUEUE_MAX_BYTES" envDefault:"-1"`
	EventsMaxAge  time.Duration `env:"EVENTS_MAX_AGE" envDefault:"168h"` // how long events are kept; 0 is for ever
	// DeadMaxAge is how long dead letters are kept; 0 is for ever, since they wait for somebody.
	// One that outlives its files, which RETAIN_INPUTS bounds, can't be redriven any more.
	DeadMaxAge time.Duration `env:"DEAD_MAX_AGE" envDefault:"0"`
}

// MaxRequest is how many bytes a request may have on the queue, headers included:
// the server's default maximum less 16 KiB.
const MaxRequest = 1<<20 - 16<<10

// Validate refuses values that can't work, by variable.
func (c Config) Validate() error {
	switch {
	case c.Replicas < 1 || c.Replicas > 5:
		return settings.Invalid("NATS_REPLICAS", c.Replicas, "1 to 5")
	case c.AckWait < 2*time.Second:
		return settings.Invalid("QUEUE_ACK_WAIT", c.AckWait, "2s or more: locks live half as long, and the server counts in seconds")
	case c.MaxAckPending < 1:
		return settings.Invalid("QUEUE_MAX_ACK_PENDING", c.MaxAckPending, "1 or more")
	case c.QueueMaxBytes < -1 || c.QueueMaxBytes == 0:
		return settings.Invalid("QUEUE_MAX_BYTES", c.QueueMaxBytes, "a number of bytes, or -1 for no bound")
	case c.DeadMaxAge != 0 && c.DeadMaxAge < time.Hour:
		return settings.Invalid("DEAD_MAX_AGE", c.DeadMaxAge, "1h or more, or 0 to keep dead letters for ever")
	case c.EventsMaxAge < 0:
		return settings.Invalid("EVENTS_MAX_AGE", c.EventsMaxAge, "a positive duration, or 0 to keep events for ever")
	}
	return nil
}

// LockTTL is how long a lock outlives its last renewal. Those of what ended are left to
// expire, so that there may be as many as end in that time.
func (c Config) LockTTL() time.Duration { return min(max(c.AckWait/2, time.Second), 30*time.Second) }

// EndedAckWait is how long who answers senders may take for one of them.
const EndedAckWait = 2 * time.Minute

// Topology is everything that must exist on the server.
type Topology struct {
	Streams   []jetstream.StreamConfig              // those of buckets, which are streams too, among them
	Consumers map[string][]jetstream.ConsumerConfig // by stream
}

// Topology returns what a fleet with this configuration needs.
func (c Config) Topology() Topology {
	stream := func(name, description string, subjects ...string) jetstream.StreamConfig {
		return jetstream.StreamConfig{Name: name, Description: description, Subjects: subjects,
			Storage: jetstream.FileStorage, Replicas: c.Replicas, AllowDirect: true,
			MaxMsgs: -1, MaxBytes: -1, MaxMsgsPerSubject: -1, MaxMsgSize: -1, MaxConsumers: -1,
			Duplicates: 2 * time.Minute}
	}
	executions := stream(StreamExecutions, "Executions asked for and not yet finished", ExecFilter, prefixLocal+">")
	executions.Retention = jetstream.WorkQueuePolicy
	executions.Discard = jetstream.DiscardNew // full means back-pressure, never loss
	executions.DenyPurge = true
	// A message is settled by copying it with a few headers more: what leaves no
	// room for them must be refused at the door.
	executions.MaxMsgSize = MaxRequest
	executions.MaxBytes = c.QueueMaxBytes

	later := stream(StreamLater, "Retries that wait for their time", prefixLater+">", prefixDue+">")
	later.Retention = jetstream.WorkQueuePolicy
	later.AllowMsgSchedules = true
	later.AllowRollup = true // the server sets it with schedules
	later.AllowMsgTTL = true

	events := stream(StreamEvents, "What happened, one CloudEvent per transition", EventFilter)
	events.MaxAge = c.EventsMaxAge

	decisions := stream(StreamDecisions, "What bridges take, and why, one CloudEvent per change", prefixDecision+">")
	decisions.MaxAge = c.EventsMaxAge

	dead := stream(StreamDead, "Dead letters: the message as it came, and why", prefixDead+">")
	dead.MaxMsgsPerSubject = 1
	dead.MaxAge = c.DeadMaxAge

	advisories := stream(StreamAdvisories, "What the server says about deliveries given up",
		"$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES."+StreamExecutions+".*",
		"$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED."+StreamExecutions+".*")
	advisories.MaxAge = c.EventsMaxAge

	consumer := func(name, filter, description string) jetstream.ConsumerConfig {
		return jetstream.ConsumerConfig{Durable: name, Name: name, Description: description, FilterSubject: filter,
			AckPolicy: jetstream.AckExplicitPolicy, AckWait: c.AckWait, MaxAckPending: c.MaxAckPending,
			MaxDeliver: -1} // attempts are counted in the record: a message given up by the server is seen by nobody
	}
	fleet := consumer(ConsumerFleet, ExecFilter, "Workers, and the bridge above its threshold")
	fleet.PriorityPolicy = jetstream.PriorityPolicyOverflow
	fleet.PriorityGroups = []string{GroupFleet}

	ended := consumer(ConsumerEnded, "", "Answers to senders")
	for _, kind := range []execution.Kind{execution.Succeeded, execution.Dead, execution.Cancelled} {
		ended.FilterSubjects = append(ended.FilterSubjects, SubjectEvent("*", kind.EventKind()))
	}
	// Answers that can't be delivered wait for hours, and must not hold up the others.
	ended.AckWait, ended.MaxAckPending = EndedAckWait, 100_000
	ended.DeliverPolicy = jetstream.DeliverNewPolicy // whoever sets it up wants no answers to what is over

	// A bucket is such a stream to every client of NATS. Only as a stream can it be told
	// how to reach the disk.
	bucket := func(name, description string) jetstream.StreamConfig {
		b := stream(bucketStream(name), description, key(name))
		b.MaxMsgsPerSubject = 1
		b.Discard = jetstream.DiscardNew
		b.AllowRollup, b.DenyDelete = true, true
		b.AllowMsgTTL, b.SubjectDeleteMarkerTTL = true, 5*time.Second
		return b
	}
	// What follows from what is stored elsewhere needs not be on the disk before it counts:
	// on its only server a derived bucket is written down soon after.
	derived := func(name, description string) jetstream.StreamConfig {
		b := bucket(name, description)
		if c.Replicas == 1 {
			b.PersistMode = jetstream.AsyncPersistMode
		}
		return b
	}

	return Topology{
		Streams: []jetstream.StreamConfig{executions, later, events, decisions, dead, advisories,
			derived(BucketLocks, "Who executes what"),
			derived(BucketState, "Where each execution stands"),
			bucket(BucketDelegations, "What was handed to a Lambda"),
			bucket(BucketBudget, "What Lambdas may cost, and who may spend it"),
			bucket(BucketAccess, "Tokens of the HTTP API and the console, without their secrets"),
			bucket(BucketFleet, "Heartbeats of the components"),
			bucket(BucketNotices, "Who was told of what"),
		},
		Consumers: map[string][]jetstream.ConsumerConfig{
			StreamExecutions: {fleet, consumer(ConsumerLocal, prefixLocal+">", "Work that no Lambda can take")},
			StreamLater:      {consumer(ConsumerDue, prefixDue+">", "Moves due retries back to the queue")},
			StreamEvents:     {ended},
		},
	}
}
