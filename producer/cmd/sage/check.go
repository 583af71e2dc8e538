package main

import (
	"fmt"
	"io"
	"os"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/spec"
)

const codeFile fault.Code = "FILE_UNREADABLE"

type checkCommand struct {
	Config string `arg:"" help:"Configuration in YAML; - reads standard input."`
	JSON   bool   `name:"json" help:"Print the issues as a JSON array."`
}

// Help documents the exit codes.
func (checkCommand) Help() string {
	return `Prints every error and warning with its place, as compilers do.

	sage check ventas.yaml

Exit codes:

	0  no errors; warnings are none
	2  errors, or the file can't be read`
}

// Run prints what is wrong with the configuration.
func (c checkCommand) Run(a *app) error {
	text, err := a.readConfig(c.Config)
	if err != nil {
		return err
	}
	config, issues := spec.Parse(c.Config, text)
	if c.JSON {
		err = spec.WriteJSON(a.stdout, issues)
	} else {
		err = a.printCheck(c.Config, text, config, issues)
	}
	if err == nil && issues.Errors() > 0 {
		err = exit(exitFailed)
	}
	return err
}

func (a *app) printCheck(name string, text []byte, config *spec.Config, issues spec.Issues) error {
	if err := spec.Print(a.stdout, text, issues, colourful(a.stdout)); err != nil {
		return err
	}
	found := ""
	if len(issues) > 0 {
		found = ": " + issueCount(issues)
	} else if config != nil {
		found = fmt.Sprintf(" is correct: %s, %s", count(len(config.Catalogs), "catalog"), count(len(config.Packages), "package"))
	}
	_, err := fmt.Fprintf(a.stdout, "%s%s\n", printable(name), found)
	return err
}

func issueCount(issues spec.Issues) string {
	n := issues.Errors()
	return count(n, "error") + ", " + count(len(issues)-n, "warning")
}

// readConfig reads a configuration, and one byte more than is allowed at most, so
// that the check says that it is too large.
func (a *app) readConfig(name string) ([]byte, error) {
	from := a.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, unreadable(err)
		}
		defer func() { _ = f.Close() }()
		from = f
	}
	text, err := io.ReadAll(io.LimitReader(from, spec.MaxBytes+1))
	if err != nil {
		return nil, unreadable(err)
	}
	return text, nil
}

func unreadable(err error) error {
	return fault.New(codeFile, "%w", err).Advise("check the path and its permissions")
}
