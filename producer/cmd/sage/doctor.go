package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/caarlos0/env/v11"

	"github.com/sagefleet/sagefleet/bridge/remote"
	"github.com/sagefleet/sagefleet/producer/doctor"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/ledger"
	"github.com/sagefleet/sagefleet/shared/settings"
)

// codeLambda says that the function can't be invoked.
const codeLambda fault.Code = "LAMBDA_UNAVAILABLE"

type doctorCommand struct {
	Mailbox string `env:"SAGE_MAILBOX" placeholder:"NAME" help:"A mailbox that a producer's identity is tried with."`
	Strict  bool   `help:"Take warnings for failures."`
	JSON    bool   `name:"json" help:"Print one line of JSON for each finding."`
}

// Help says what is looked at, and documents the exit codes.
func (doctorCommand) Help() string {
	return `Looks at the variables of this environment, the NATS server (whether it can be reached, its streams, their copies, ` +
		`what this identity may do, durability, clocks), workers and bridges, storage (whether it is write-once, its clock and space), ` +
		`the ledger and the Lambda, when they are set, and says what to do about what is wrong. Run it with a component's environment ` +
		`where that component runs:

	sage doctor
	NATS_IDENTITY=worker NATS_NKEY_SEED=file:///etc/sage/worker.nk sage doctor --strict

It changes nothing, but for objects under probes/ in storage, which it deletes again.

Exit codes:

	0  nothing fails; there may be warnings
	1  something fails, or with --strict there is a warning
	2  wrong usage`
}

// Run prints each finding as it is made.
func (c doctorCommand) Run(ctx context.Context, a *app) error {
	var found []doctor.Finding
	var broken error
	tell := func(f doctor.Finding) {
		found = append(found, f)
		if broken == nil {
			broken = c.print(a, f)
		}
	}
	variables := a.variables()
	for _, f := range examineVariables(variables) {
		tell(f)
	}
	fleet, err := c.fleet(a, variables)
	if err != nil { // what can't be read was told of
		return c.conclude(a, found)
	}
	d := doctor.New(fleet, doctor.WithCheck(doctor.Check{Name: "lambda", Look: func(ctx context.Context) []doctor.Finding {
		return examineLambda(ctx, variables)
	}}))
	if err := d.Run(ctx, tell); err != nil {
		return err
	}
	if broken != nil {
		return broken
	}
	return c.conclude(a, found)
}

// variables are those of the environment, where flags have the last word.
func (a *app) variables() map[string]string {
	variables := env.ToMap(os.Environ())
	for name, value := range map[string]string{"NATS_URL": a.natsURL, "STORAGE_URL": a.storageURL} {
		if value != "" {
			variables[name] = value
		}
	}
	return variables
}

func (c doctorCommand) fleet(a *app, variables map[string]string) (doctor.Fleet, error) {
	cfg, err := settings.Parse[struct {
		Bus    bus.Config
		Ledger ledger.Config
	}](variables)
	return doctor.Fleet{Bus: cfg.Bus, As: bus.IdentityOperator, Mailbox: c.Mailbox, Storage: a.storageURL, Ledger: cfg.Ledger}, err
}

// examineLambda asks whether the function could be invoked, without invoking it.
func examineLambda(ctx context.Context, variables map[string]string) []doctor.Finding {
	if variables["LAMBDA_FUNCTION"] == "" {
		return []doctor.Finding{{Status: doctor.Skip, Found: "LAMBDA_FUNCTION is not set"}}
	}
	cfg, err := settings.Parse[remote.Config](variables)
	if err != nil {
		return doctor.Failed(err)
	}
	client, err := remote.NewClient(ctx, cfg)
	if err != nil {
		return doctor.Failed(err)
	}
	_, err = client.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String(cfg.Function), InvocationType: types.InvocationTypeDryRun})
	if err != nil {
		return doctor.Failed(fault.New(codeLambda, "function %s: %w", cfg.Function, err).
			Advise("check LAMBDA_FUNCTION, LAMBDA_REGION, LAMBDA_ENDPOINT and the AWS credentials, which need the right to lambda:InvokeFunction"))
	}
	return []doctor.Finding{{Status: doctor.OK, Found: "function " + cfg.Function + " may be invoked (it was not)"}}
}

func (c doctorCommand) print(a *app, f doctor.Finding) error {
	if c.JSON {
		return printJSON(a.stdout, f)
	}
	colour := map[doctor.Status]string{doctor.OK: green, doctor.Warn: yellow, doctor.Fail: red}[f.Status]
	status := fmt.Sprintf("%-4s", f.Status)
	if colour != "" {
		status = tint(a.stdout, colour, status)
	}
	text := printable(f.Found)
	if f.Code != "" && f.Code != fault.Unclassified {
		text += " [" + string(f.Code) + "]"
	}
	const indent = "                        " // below the text
	if _, err := fmt.Fprintf(a.stdout, "%s  %-16s  %s\n", status, f.Check, text); err != nil || f.Do == "" {
		return err
	}
	_, err := fmt.Fprintf(a.stdout, "%s→ %s\n", indent, printable(f.Do))
	return err
}

// conclude counts, and chooses the exit code.
func (c doctorCommand) conclude(a *app, found []doctor.Finding) error {
	number := map[doctor.Status]int{}
	for _, f := range found {
		number[f.Status]++
	}
	if !c.JSON {
		parts := []string{fmt.Sprintf("%d ok", number[doctor.OK])}
		for _, p := range []struct {
			status doctor.Status
			noun   string
		}{{doctor.Warn, "warning"}, {doctor.Fail, "failure"}} {
			parts = append(parts, count(number[p.status], p.noun))
		}
		if n := number[doctor.Skip]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d not looked at", n))
		}
		if _, err := fmt.Fprintf(a.stdout, "\n%s\n", strings.Join(parts, ", ")); err != nil {
			return err
		}
	}
	if worst := doctor.Worst(found); worst == doctor.Fail || worst == doctor.Warn && c.Strict {
		return exit(exitRefused)
	}
	return nil
}
