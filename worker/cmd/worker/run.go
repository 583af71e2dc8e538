package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
	"golang.org/x/term"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/worker"
	"github.com/sagefleet/sagefleet/worker/engine/report"
	"github.com/sagefleet/sagefleet/worker/executor"
	"github.com/sagefleet/sagefleet/worker/processor"
)

// runCmd checks one file without a queue, as the original's command did.
type runCmd struct {
	Config string `arg:"" type:"existingfile" help:"The configuration, a YAML file."`
	Data   string `arg:"" type:"existingfile" help:"The data: .csv, .xlsx, or a .zip of them."`
	Out    string `type:"path" placeholder:"DIR" help:"Where the reports go. Default: a new directory, sage-out-<data>-<time>."`
	Lang   string `enum:"es,en" default:"es" help:"The language of the reports: es or en."`
	JSON   bool   `help:"Print one line of JSON instead of a summary."`

	stdout    io.Writer         // os.Stdout, but for tests
	variables map[string]string // the environment, but for tests
}

// Help gives examples, and documents the exit codes.
func (runCmd) Help() string {
	return `Writes the folder of an execution: report.html, report.json, results.txt and the logs.

	worker run ventas.yaml ventas.csv --out informe
	worker run ventas.yaml ventas.csv --json

Exit codes:

	0  without errors
	1  with errors in the data
	2  wrong configuration or usage, or the system failed`
}

// runConfig is what the environment tells `worker run`: the engine, as it tells
// the service.
type runConfig struct {
	Executor executor.Config
	Engine   processor.Config
}

// The exit codes of the command.
const (
	exitClean = iota
	exitDataErrors
	exitUnusable // wrong configuration or usage, or the system failed
)

// Run checks the file and writes the folder of an execution. The error is one
// that left no report.
func (c *runCmd) Run(ctx context.Context) (exit int, err error) {
	if c.stdout == nil {
		c.stdout = os.Stdout
	}
	if c.variables == nil {
		c.variables = env.ToMap(os.Environ())
	}
	cfg, err := settings.Parse[runConfig](c.variables)
	if err == nil {
		err = errors.Join(cfg.Executor.Validate(), cfg.Engine.Validate())
	}
	if err != nil {
		return exitUnusable, err
	}
	config, err := os.ReadFile(c.Config)
	if err != nil {
		return exitUnusable, err
	}
	started := time.Now()
	result, problem := worker.NewProcessor(cfg.Engine, cfg.Executor.Scratch, nil).Process(ctx, processor.Job{
		Config: config, ConfigName: filepath.Base(c.Config), Language: c.Lang,
		Inputs: []processor.Input{{Name: filepath.Base(c.Data), Path: c.Data}},
	})
	if problem != nil && !fault.IsPermanent(problem) {
		return exitUnusable, problem
	}
	out := c.Out
	if out == "" {
		name := filepath.Base(c.Data)
		out = fmt.Sprintf("sage-out-%s-%s", strings.TrimSuffix(name, filepath.Ext(name)), started.Format("20060102-150405.000"))
	}
	if err := c.write(out, config, result); err != nil {
		return exitUnusable, err
	}
	switch {
	case problem != nil:
		exit = exitUnusable
	case result.Errors > 0:
		exit = exitDataErrors
	}
	if c.JSON {
		return exit, c.printJSON(exit, out, result)
	}
	return exit, c.print(out, result, time.Since(started))
}

// write makes the flat folder of the original: what went in, then the reports.
func (c *runCmd) write(out string, config []byte, result processor.Result) error {
	if err := os.MkdirAll(out, 0o755); err != nil { //nolint:gosec // a report for whoever may read the folder it is made in
		return err
	}
	root, err := os.OpenRoot(out)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := c.copyData(root, "data"+strings.ToLower(filepath.Ext(c.Data))); err != nil {
		return err
	}
	if err := root.WriteFile("input.yaml", config, 0o644); err != nil {
		return err
	}
	for _, f := range result.Files {
		if err := root.WriteFile(f.Name, f.Data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// copyData puts the data beside its reports: whoever opens the folder later must
// see what was checked, whatever has become of the original.
func (c *runCmd) copyData(root *os.Root, name string) error {
	in, err := os.Open(c.Data)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := root.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// outcome is the line that --json prints.
type outcome struct {
	Status   string `json:"status"`
	Errors   int    `json:"errors"`
	Warnings int    `json:"warnings"`
	Records  int    `json:"records"`
	ExitCode int    `json:"exit_code"`
	Out      string `json:"out"`
}

func (c *runCmd) printJSON(exit int, out string, r processor.Result) error {
	enc := json.NewEncoder(c.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(outcome{r.Status, r.Errors, r.Warnings, r.Records, exit, out})
}

// words are what the summary says, by language.
var words = map[string]struct {
	statuses                                  map[string]string
	record, records, mistake, mistakes        string
	warning, warnings, took, more, reportedAt string
}{
	"es": {
		nil, "registro", "registros", "error", "errores", "advertencia", "advertencias",
		"en", "  … y %d hallazgos más\n", "Informe: %s\n",
	},
	"en": {
		map[string]string{report.Success: "Success", report.Partial: "Partial", report.Failed: "Failed"},
		"record", "records", "error", "errors", "warning", "warnings", "in", "  … and %d more findings\n", "Report: %s\n",
	},
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// maxShown is how many findings the summary lists: the rest is in the report.
const maxShown = 10

func (c *runCmd) print(out string, r processor.Result, took time.Duration) error {
	w, paint := words[c.Lang], painter(c.stdout)
	color, status := green, r.Status
	if r.Errors > 0 {
		color = red
	} else if r.Warnings > 0 {
		color = yellow
	}
	if translated := w.statuses[status]; translated != "" {
		status = translated
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s, %s, %s %s %s\n", paint(color, status), plural(r.Records, w.record, w.records),
		plural(r.Errors, w.mistake, w.mistakes), plural(r.Warnings, w.warning, w.warnings), w.took, took.Round(time.Millisecond))
	for _, f := range r.Findings[:min(len(r.Findings), maxShown)] {
		mark := map[string]string{"error": paint(red, "✗"), "warning": paint(yellow, "!")}[f.Severity]
		if mark == "" {
			mark = "·"
		}
		fmt.Fprintf(&b, "  %s %s", mark, printable(f.Message))
		if place := place(f); place != "" {
			fmt.Fprintf(&b, "  %s", paint(dim, place))
		}
		b.WriteByte('\n')
	}
	if more := len(r.Findings) - maxShown; more > 0 {
		fmt.Fprintf(&b, w.more, more)
	}
	place := out
	if slices.ContainsFunc(r.Files, func(f report.File) bool { return f.Name == report.HTMLName }) {
		place = filepath.Join(out, report.HTMLName)
	}
	fmt.Fprintf(&b, w.reportedAt, place)
	_, err := io.WriteString(c.stdout, b.String())
	return err
}

// place reads like "ventas.csv:12 ×30".
func place(f processor.Summary) string {
	place := f.File
	if f.Line > 0 {
		place += fmt.Sprintf(":%d", f.Line)
	}
	if f.Count > 1 {
		place += fmt.Sprintf(" ×%d", f.Count)
	}
	return printable(strings.TrimSpace(place))
}

// The colours of a terminal, as SGR parameters.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	dim    = "2"
)

// painter colours text when out is a terminal whose owner hasn't asked for none
// (https://no-color.org).
func painter(out io.Writer) func(color, text string) string {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) || os.Getenv("NO_COLOR") != "" {
		return func(_, text string) string { return text }
	}
	return func(color, text string) string { return "\x1b[" + color + "m" + text + "\x1b[0m" }
}

// printable keeps what comes from files from reaching a terminal as a command.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}
