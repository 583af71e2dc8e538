package lambdalocal

import (
	"io"
	"time"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// CodeConfig says that the local Lambda can't run with its configuration.
const CodeConfig fault.Code = "LAMBDA_LOCAL_CONFIG"

// Config is one function. A zero field takes AWS's default, where there is one.
type Config struct {
	Function string   // name; "sage"
	Command  []string // argv of the bootstrap; required
	// Env is the function's environment, KEY=value. Nothing is inherited from
	// this process; the variables of Lambda are added, and TMPDIR when it isn't
	// here: each environment has a folder of its own for temporary files.
	Env []string
	Dir string // working directory of the processes; this process's when empty
	// Listen is the address of the service; a free port of the loopback interface.
	Listen string

	MemoryMB    int           // configured memory, for the report and the bill; 1024
	Timeout     time.Duration // of one invocation; 15 minutes
	InitTimeout time.Duration // until the first request for work; 10 seconds
	Concurrency int           // most invocations at once; 1000
	KeepAlive   time.Duration // of an idle environment; 5 minutes
	ScaleRate   int           // most new environments per 10 seconds; 1000
	// NeverFreeze lets processes run on between invocations. Lambda freezes
	// them, and what they do in the background, connections included.
	NeverFreeze bool

	Events Events
	Logs   io.Writer // receives what the processes write; discarded when nil
}

// Events says what becomes of invocations of type Event.
type Events struct {
	MaximumRetryAttempts *int          // after a function error; 2
	MaximumEventAge      time.Duration // 6 hours
	// RetryDelay is the wait before the first retry; the second waits twice as
	// long. 1 minute.
	RetryDelay time.Duration
	// OnFailure receives what was given up; see [ToFolder]. Calls may overlap. Its errors
	// are counted.
	OnFailure func(FailedEvent) error
}

const (
	scaleWindow     = 10 * time.Second
	defaultRetries  = 2
	maxSyncPayload  = 6 << 20 // bytes, of the request and of the response
	maxEventPayload = 1 << 20 // bytes
)

func (c Config) withDefaults() Config {
	setDefault(&c.Function, "sage")
	setDefault(&c.Listen, "127.0.0.1:0")
	setDefault(&c.MemoryMB, 1024)
	setDefault(&c.Timeout, 15*time.Minute)
	setDefault(&c.InitTimeout, 10*time.Second)
	setDefault(&c.Concurrency, 1000)
	setDefault(&c.KeepAlive, 5*time.Minute)
	setDefault(&c.ScaleRate, 1000)
	setDefault(&c.Events.MaximumEventAge, 6*time.Hour)
	setDefault(&c.Events.RetryDelay, time.Minute)
	if c.Events.MaximumRetryAttempts == nil {
		c.Events.MaximumRetryAttempts = new(defaultRetries)
	}
	if c.Events.OnFailure == nil {
		c.Events.OnFailure = func(FailedEvent) error { return nil }
	}
	if c.Logs == nil {
		c.Logs = io.Discard
	}
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c Config) validate() error {
	if len(c.Command) == 0 {
		return refuse("Command", "no command").Advise("give the path of the bootstrap binary")
	}
	for field, value := range map[string]int{
		"MemoryMB": c.MemoryMB, "Concurrency": c.Concurrency, "ScaleRate": c.ScaleRate,
	} {
		if value < 1 {
			return refuse(field, "%d", value).Expecting("1 or more")
		}
	}
	for field, value := range map[string]time.Duration{
		"Timeout": c.Timeout, "InitTimeout": c.InitTimeout, "KeepAlive": c.KeepAlive,
		"Events.MaximumEventAge": c.Events.MaximumEventAge, "Events.RetryDelay": c.Events.RetryDelay,
	} {
		if value < 0 {
			return refuse(field, "%v", value).Expecting("a positive duration")
		}
	}
	if n := *c.Events.MaximumRetryAttempts; n < 0 || n > defaultRetries {
		return refuse("Events.MaximumRetryAttempts", "%d", n).Expecting("0 to %d", defaultRetries)
	}
	return nil
}

func refuse(field, format string, args ...any) *fault.Error {
	e := fault.New(CodeConfig, format, args...).Permanent()
	e.Field = field
	return e
}
