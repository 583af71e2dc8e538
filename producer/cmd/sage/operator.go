package main

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/settings"
)

// operatorFlags are what every act on an accepted execution is told.
type operatorFlags struct {
	Reason string `placeholder:"TEXT" help:"Why; it is told in the event."`
	By     string `env:"SAGE_OPERATOR" placeholder:"NAME" help:"Who does it, as events and records name them; this user at this host when not given."`
	DryRun bool   `help:"Only say what would be done."`
	JSON   bool   `name:"json" help:"Print one line of JSON for each execution."`
}

// who is the name of whoever sits before the command.
func (f operatorFlags) who() string {
	if f.By != "" {
		return f.By
	}
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, _ := os.Hostname()
	return name + "@" + host
}

// viewer is who, where no flag names anybody.
func (f operatorFlags) viewer() string {
	f.By = os.Getenv("SAGE_OPERATOR")
	return f.who()
}

// operator connects to the fleet for who. The caller closes it.
func (a *app) operator(ctx context.Context, f operatorFlags) (op *producer.Operator, closeIt func(), err error) {
	objects, err := a.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	attempts, err := settings.Parse[guard.Config](env.ToMap(os.Environ()))
	if err != nil {
		return nil, nil, err
	}
	fleet, err := a.fleet()
	if err != nil {
		return nil, nil, err
	}
	nc, js, err := a.connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	if op, err = producer.OpenOperator(ctx, js, objects, fleet, attempts.StateTTL, f.who()); err != nil {
		nc.Close()
		return nil, nil, err
	}
	return op, nc.Close, nil
}

// since is a time, or a duration until now.
type since struct{ time.Time }

// UnmarshalText accepts both forms.
func (s *since) UnmarshalText(text []byte) error {
	if ago, err := time.ParseDuration(string(text)); err == nil && ago > 0 {
		s.Time = time.Now().Add(-ago)
		return nil
	}
	at, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return fmt.Errorf("%q is neither a duration above 0 such as 15m nor a time such as 2030-01-31T18:00:00Z", text)
	}
	s.Time = at
	return nil
}
