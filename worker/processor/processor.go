// Package processor checks one set of files against one configuration and
// renders the reports: all of an execution but the moving of files.
package processor

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/cache"
	"github.com/sagefleet/sagefleet/worker/engine"
	"github.com/sagefleet/sagefleet/worker/engine/reader"
	"github.com/sagefleet/sagefleet/worker/engine/report"
)

// CodeNoInput is the code of a job without a data file.
const CodeNoInput fault.Code = "NO_INPUT"

// Job is one execution.
type Job struct {
	Config     []byte // the YAML
	ConfigName string // what messages call it
	Inputs     []Input
	Info       Info
	Language   string // es or en; empty is es

	// Now is the clock, for reports and for pd.Timestamp.now(). Nil is time.Now.
	Now func() time.Time
}

// Input is a file to check. The first is the data file; further ones are the
// loose files of a package's catalogs, found by their names.
type Input struct {
	Name string // as its sender called it: the extension decides what it is
	Path string // where it is on this machine; empty when Data is all of it
	Data []byte

	// What is known about its bytes, for the cache; empty if nothing is.
	SHA256 string // hex
	Size   int64
}

// Info goes into the report as it is.
type Info struct {
	ExecutionID string
	Mailbox     string // casilla_id
	Sender      string // emisor_id
	Method      string // metodo_envio
	Directory   string // log_directory
}

// Result is what came of a job.
type Result struct {
	Status   string // Éxito, Parcial or Fallido
	Records  int
	Errors   int
	Warnings int
	Files    []report.File
	Findings []Summary // for a short account; the reports have the details

	CachedFrom *execution.CachedFrom // whose findings these are, if not the job's own
}

// Summary is one finding in a line.
type Summary struct {
	Severity string
	Message  string
	File     string
	Line     int // of the first row, 0 when there is none
	Count    int
}

// Native is the engine of this module. The zero value is ready, with the default
// limits; one Native serves any number of jobs at once.
type Native struct {
	Limits reader.Limits
	Cache  *cache.Cache // of findings; nil processes every job
}

// known holds the configurations of the process: however many Natives there are,
// they meet the same ones.
var known programs

// Process checks a job. Errors in the data are no error of Process. A
// configuration that can't be used and a file that can't be read are permanent
// ones, and the result is a report that says so; any other error, such as the end
// of ctx, comes without a result.
func (n Native) Process(ctx context.Context, job Job) (Result, error) {
	now := job.Now
	if now == nil {
		now = time.Now
	}
	r := &report.Report{Result: &engine.Result{}, Info: report.Info{
		Execution: job.Info.ExecutionID, Mailbox: job.Info.Mailbox, Sender: job.Info.Sender, Method: job.Info.Method,
		Directory: job.Info.Directory, Language: job.Language, Start: now(),
	}}
	job.Inputs = slices.DeleteFunc(slices.Clone(job.Inputs), func(in Input) bool {
		return extension(in.Name) == ".yaml" || extension(in.Name) == ".yml" // the configuration, sent along
	})
	if len(job.Inputs) > 0 {
		r.Info.Data = job.Inputs[0].Name
	}
	err := n.check(ctx, job, r)
	if err != nil && !fault.IsPermanent(err) {
		return Result{}, err
	}
	r.Info.End = now()
	result, rendering := finish(r)
	return result, errors.Join(err, rendering)
}

// check fills the report. A permanent error is in the report already.
func (n Native) check(ctx context.Context, job Job, r *report.Report) error {
	entry := known.load(job.ConfigName, job.Config)
	for _, issue := range entry.issues {
		switch {
		case issue.Rule != "": // the run reports rules that don't compile
		case issue.Severity == spec.Error:
			r.Problems = append(r.Problems, issue.Error)
		default:
			r.Advice = append(r.Advice, issue.Error)
		}
	}
	if len(r.Problems) > 0 {
		return fault.Permanent(r.Problems[0])
	}
	err := n.remembered(ctx, entry, job, r)
	if err != nil && fault.IsPermanent(err) {
		described := fault.Describe(err)
		if described.File == "" {
			described = described.At(r.Info.Data, described.Line, described.Column)
		}
		r.Problems = []*fault.Error{described}
		return fault.Permanent(described)
	}
	return err
}

func (n Native) run(ctx context.Context, entry *program, job Job, r *report.Report) error {
	if len(job.Inputs) == 0 {
		return fault.New(CodeNoInput, "there is no data file").Expecting("one .csv, .xlsx or .zip file").Permanent()
	}
	data := job.Inputs[0]
	selection, err := entry.config.Select(data.Name)
	if err != nil {
		return err
	}
	files, err := n.open(selection, job.Inputs)
	if err != nil {
		return err
	}
	defer files.close()
	result, err := entry.compiled(selection, extension(data.Name)).Run(ctx, files.inputs, r.Info.Start)
	if err != nil {
		return err
	}
	if len(files.extra) > 0 {
		result.Notes = append(result.Notes, engine.Note{Kind: engine.NoteExtraFiles, File: data.Name, Names: files.extra})
	}
	r.Result = result
	return nil
}

func finish(r *report.Report) (Result, error) {
	files, err := r.Files()
	if err != nil {
		return Result{}, err
	}
	result := Result{
		Status: r.Status(), Records: r.Result.Records, Errors: r.Errors(), Warnings: r.Result.Warnings, Files: files,
		CachedFrom: r.Info.Cached,
	}
	for _, p := range r.Problems {
		result.Findings = append(result.Findings, Summary{
			Severity: spec.Error.String(), Message: r.ProblemText(p), Count: 1, // its text says where
		})
	}
	for i := range r.Result.Findings {
		f := &r.Result.Findings[i]
		s := Summary{Severity: f.Severity.String(), Message: r.FindingText(f), File: f.File, Count: f.Count}
		if len(f.Details) > 0 {
			s.Line = f.Details[0].Line
		}
		result.Findings = append(result.Findings, s)
	}
	return result, nil
}

func extension(name string) string { return strings.ToLower(path.Ext(name)) }
