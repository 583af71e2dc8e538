// Package programs knows what each of the fleet's programs reads of its
// environment, for tests of what is deployed.
package programs

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/sagefleet/sagefleet/bridge"
	"github.com/sagefleet/sagefleet/bridge/budget"
	"github.com/sagefleet/sagefleet/bridge/remote"
	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/producer/alarms"
	"github.com/sagefleet/sagefleet/producer/answers"
	"github.com/sagefleet/sagefleet/producer/api"
	"github.com/sagefleet/sagefleet/producer/inbox"
	"github.com/sagefleet/sagefleet/producer/retention"
	"github.com/sagefleet/sagefleet/producer/server"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/ledger"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/shared/telemetry"
	"github.com/sagefleet/sagefleet/worker"
)

// Program is one of the fleet's programs, as it is told what to do.
type Program struct {
	// Main is its source file, from the module's root, and Config what that calls the
	// struct that it reads its environment into; "" where it reads several.
	Main, Config string
	reads        reflect.Type
	refuses      func(variables map[string]string) error
}

type workerConfig struct {
	StorageURL string `env:"STORAGE_URL,required"`
	Fleet      bus.Config
	Worker     worker.Config
	Telemetry  telemetry.Config
}

type bridgeConfig struct {
	StorageURL string `env:"STORAGE_URL,required"`
	Fleet      bus.Config
	Bridge     bridge.Config
	Remote     remote.Config
	Telemetry  telemetry.Config
}

type provisionConfig struct{ Fleet bus.Config }

type gcConfig struct {
	StorageURL string `env:"STORAGE_URL,required"`
	Fleet      bus.Config
	Retention  retention.Config
}

type serveConfig struct {
	StorageURL string `env:"STORAGE_URL,required"`
	Fleet      bus.Config
	Server     server.Config
	API        api.Config
	Access     access.Config
	Ledger     ledger.Config
	Telemetry  telemetry.Config
	Attempts   guard.Config
	Budget     budget.Config
}

type watchConfig struct {
	StorageURL string `env:"STORAGE_URL,required"`
	Fleet      bus.Config
	Inbox      inbox.Config
	Telemetry  telemetry.Config
}

type notifyConfig struct {
	StorageURL string `env:"STORAGE_URL,required"`
	Fleet      bus.Config
	Answers    answers.Config
	Alarms     alarms.Config
	Budget     budget.Config
	Telemetry  telemetry.Config
}

// All are the programs that run for long, or from a timer, by name and first
// arguments.
var All = map[string]Program{
	"worker": program("worker/cmd/worker/main.go", "config", func(c *workerConfig) error {
		return errors.Join(c.Fleet.Validate(), c.Worker.Validate(), c.Telemetry.Validate())
	}),
	"bridge": program("bridge/cmd/bridge/main.go", "config", func(c *bridgeConfig) error {
		return errors.Join(c.Fleet.Validate(), c.Bridge.Validate(), c.Remote.Validate(), c.Telemetry.Validate(),
			c.Bridge.Budget.Validate(c.Remote.MaxCost()))
	}),
	"sage serve": program("producer/cmd/sage/serve.go", "served", func(c *serveConfig) error {
		return errors.Join(c.Fleet.Validate(), c.Server.Validate(), c.API.Validate(), c.Access.Validate(), c.Telemetry.Validate(), c.Budget.Validate(0))
	}),
	"sage watch": program("producer/cmd/sage/watch.go", "watching", func(c *watchConfig) error {
		return errors.Join(c.Fleet.Validate(), c.Inbox.Validate(), c.Telemetry.Validate())
	}),
	"sage notify": program("producer/cmd/sage/notify.go", "notifying", func(c *notifyConfig) error {
		return errors.Join(c.Fleet.Validate(), c.Answers.Validate(c.Fleet.EventsMaxAge), c.Alarms.Validate(), c.Budget.Validate(0), c.Telemetry.Validate())
	}),
	"sage admin provision": program("producer/cmd/sage/provision.go", "", func(c *provisionConfig) error { return c.Fleet.Validate() }),
	"sage admin gc": program("producer/cmd/sage/gc.go", "", func(c *gcConfig) error {
		return errors.Join(c.Fleet.Validate(), c.Retention.Validate())
	}),
}

func program[T any](file, name string, validate func(*T) error) Program {
	return Program{Main: file, Config: name, reads: reflect.TypeFor[T](), refuses: func(variables map[string]string) error {
		cfg, err := settings.Parse[T](variables)
		if err != nil {
			return err
		}
		return validate(&cfg)
	}}
}

// Of returns the program that a command starts: a name, and arguments.
func Of(command string, args []string) (Program, bool) {
	name := command
	for _, arg := range args {
		if strings.HasPrefix(arg, "-") {
			break
		}
		name += " " + arg
	}
	p, ok := All[name]
	return p, ok
}

// platform are the variables that others than the fleet's own code read, by prefix.
var platform = []string{"AWS_", "OTEL_", "GOMEMLIMIT", "GOMAXPROCS", "GOGC", "TMPDIR", "TZ"}

// Check refuses variables that the program doesn't read, and values that it would
// refuse at its start.
func (p Program) Check(variables map[string]string) error {
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		if !p.Reads(name) && !slices.ContainsFunc(platform, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			faults = append(faults, fmt.Errorf("%s is nothing that %s reads", name, p.Main))
		}
	}
	return errors.Join(append(faults, p.refuses(variables))...)
}

// Budget are those of variables that say what the Lambda may cost: who shows limits must
// be told the ones that bridges keep to.
func Budget(variables map[string]string) map[string]string {
	limits := maps.Clone(variables)
	maps.DeleteFunc(limits, func(name, _ string) bool { return !strings.HasPrefix(name, "BUDGET_") })
	return limits
}

// Reads reports whether the program reads the variable called name.
func (p Program) Reads(name string) bool { return reads(p.reads, name) }

func reads(config reflect.Type, name string) bool {
	for field := range config.Fields() {
		own, _, _ := strings.Cut(field.Tag.Get("env"), ",")
		if own == name || own == "" && field.Type.Kind() == reflect.Struct && reads(field.Type, name) {
			return true
		}
	}
	return false
}
