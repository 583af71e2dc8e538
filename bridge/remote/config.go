package remote

import (
	"time"

	"github.com/sagefleet/sagefleet/bridge/governor"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// CodeConfig says that a Lambda can't be asked with the configuration given.
const CodeConfig fault.Code = "REMOTE_CONFIG"

// Config says which function does the work and what it costs.
type Config struct {
	Function string `env:"LAMBDA_FUNCTION"` // name or ARN
	// The address that replaces AWS's own. On the loopback interface the requests are
	// signed with credentials that mean nothing.
	Endpoint string `env:"LAMBDA_ENDPOINT"`
	Region   string `env:"LAMBDA_REGION"` // where AWS's own settings don't say
	// Mode is sync, where an invocation answers when the work is done, or event, where
	// Lambda takes it at once and its end is found in storage. Nothing tells of an event
	// that failed: it is tried again when it can't be running any more.
	Mode string `env:"REMOTE_MODE" envDefault:"sync"`
	// EventAge is the function's configured maximum age of events, 60s or more.
	EventAge time.Duration `env:"LAMBDA_EVENT_AGE" envDefault:"1m"`

	// Timeout is the function's configured timeout.
	Timeout time.Duration `env:"LAMBDA_TIMEOUT" envDefault:"15m"`
	// Margin is how much later than Timeout an invocation may still run: it has
	// to arrive, and a cold start may take 10 s.
	Margin time.Duration `env:"LAMBDA_MARGIN" envDefault:"20s"`
	// Poll is how often OUTCOME is read at least while an answer is missing; at first it
	// is more often.
	Poll time.Duration `env:"LAMBDA_POLL" envDefault:"1s"`
	// Busy is how long to leave an execution alone that the function found busy.
	Busy time.Duration `env:"LAMBDA_BUSY" envDefault:"2s"`
	// Concurrency is how many invocations of the function may be under way at once, as far
	// as they are this fleet's: all bridges together. As many connections are kept open.
	Concurrency int `env:"LAMBDA_CONCURRENCY" envDefault:"100"`
	Governor    governor.Config

	MemoryMB     int64  `env:"LAMBDA_MEMORY_MB" envDefault:"1024"`     // the function's configured memory
	Architecture string `env:"LAMBDA_ARCHITECTURE" envDefault:"arm64"` // arm64 or x86_64
	// USD per GB-second; 0 takes the architecture's list price of November 2026.
	PriceGBSecond float64 `env:"LAMBDA_PRICE_GBS"`
	PriceRequest  float64 `env:"LAMBDA_PRICE_REQUEST" envDefault:"0.0000002"` // USD per invocation
}

// PriceDate is when the prices that a Config falls back to were collected, for
// the first tier in US regions. They change: configure the ones you pay.
const PriceDate = "2026-11"

// USD per GB-second by architecture, as of PriceDate.
var priceGBSecond = map[string]float64{"x86_64": 0.0000166667, "arm64": 0.0000133334}

// The ways to invoke.
const (
	Sync  = "sync"
	Event = "event"
)

// Longest is how long after the call an invocation may be running.
func (c Config) Longest() time.Duration {
	d := c.Timeout + c.Margin
	if c.Mode == Event {
		d += c.EventAge
	}
	return d
}

// Limits of Lambda.
const (
	maxEventPayload = 1 << 20 // bytes
	minEventAge     = time.Minute
	maxEventAge     = 6 * time.Hour
	maxTimeout      = 15 * time.Minute
	minMemoryMB     = 128
	maxMemoryMB     = 10_240
)

// Cost is the price in USD of one run billed for so long at so much memory.
func (c Config) Cost(billed time.Duration, memoryMB int64) float64 {
	price := c.PriceGBSecond
	if price == 0 {
		price = priceGBSecond[c.Architecture]
	}
	return c.PriceRequest + price*billed.Seconds()*float64(memoryMB)/1024
}

// MaxCost is the most that one run can cost: what a budget reserves.
func (c Config) MaxCost() float64 { return c.Cost(c.Timeout+initAllowance, c.MemoryMB) }

// initAllowance is how long an initialisation can last; it is billed too.
const initAllowance = 10 * time.Second

// Validate refuses values that can't work, by name.
func (c Config) Validate() error {
	_, knownArchitecture := priceGBSecond[c.Architecture]
	switch {
	case c.Function == "":
		return refuse("LAMBDA_FUNCTION", "no function").Advise("name the function that executes what overflows")
	case c.Timeout <= 0 || c.Timeout > maxTimeout:
		return refuse("LAMBDA_TIMEOUT", "%v", c.Timeout).Expecting("the function's own timeout, at most %v", maxTimeout)
	case c.Mode != "" && c.Mode != Sync && c.Mode != Event:
		return refuse("REMOTE_MODE", "%q", c.Mode).Expecting("sync or event")
	case c.Mode == Event && (c.EventAge < minEventAge || c.EventAge > maxEventAge):
		return refuse("LAMBDA_EVENT_AGE", "%v", c.EventAge).Expecting("the function's own, %v to %v", minEventAge, maxEventAge)
	case c.Margin < 0:
		return refuse("LAMBDA_MARGIN", "%v", c.Margin).Expecting("0 or more")
	case c.Poll <= 0:
		return refuse("LAMBDA_POLL", "%v", c.Poll).Expecting("a positive duration")
	case c.Busy <= 0:
		return refuse("LAMBDA_BUSY", "%v", c.Busy).Expecting("a positive duration")
	case c.Concurrency < 1:
		return refuse("LAMBDA_CONCURRENCY", "%d", c.Concurrency).Expecting("1 or more")
	case c.MemoryMB < minMemoryMB || c.MemoryMB > maxMemoryMB:
		return refuse("LAMBDA_MEMORY_MB", "%d", c.MemoryMB).Expecting("%d to %d", minMemoryMB, maxMemoryMB)
	case !knownArchitecture:
		return refuse("LAMBDA_ARCHITECTURE", "%q", c.Architecture).Expecting("arm64 or x86_64")
	case !isPrice(c.PriceGBSecond):
		return refuse("LAMBDA_PRICE_GBS", "%v", c.PriceGBSecond).Expecting("USD per GB-second")
	case !isPrice(c.PriceRequest):
		return refuse("LAMBDA_PRICE_REQUEST", "%v", c.PriceRequest).Expecting("USD per request")
	}
	return c.Governor.Validate()
}

// isPrice refuses what is negative or no number, and a price so high that the
// unit must be wrong.
func isPrice(usd float64) bool { return usd >= 0 && usd < 1 }

// usage prices what the REPORT line of a run says.
func (c Config) usage(r report) *execution.Usage {
	return &execution.Usage{
		BilledMillis: r.billedMillis,
		InitMillis:   r.initMillis,
		MemoryMB:     r.memoryMB,
		CostUSD:      c.Cost(time.Duration(r.billedMillis)*time.Millisecond, r.memoryMB),
	}
}

func refuse(field, format string, args ...any) *fault.Error {
	e := fault.New(CodeConfig, format, args...).Permanent()
	e.Field = field
	return e
}
