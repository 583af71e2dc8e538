// Package report writes what an execution found: report.json for programs,
// report.html and results.txt for people, and two logs.
//
// The HTML is written by hand with one escape function rather than with
// html/template, whose reflection would double the size of the Lambda's binary.
// It loads nothing and runs nothing; a policy in the page says so to browsers.
package report

import (
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/worker/engine"
)

// Info is what is known about an execution besides its files.
type Info struct {
	Execution string                // id, where there is one
	Mailbox   string                // casilla_id
	Sender    string                // emisor_id
	Method    string                // metodo_envio
	Directory string                // log_directory
	Data      string                // the name of the data file
	Language  string                // es or en; anything else is es
	Cached    *execution.CachedFrom // whose findings these are, if not its own
	Start     time.Time
	End       time.Time
}

// Report is one execution, finished in whatever way.
type Report struct {
	Info   Info
	Result *engine.Result // empty when nothing could be checked

	// Problems are why nothing could be checked: what is wrong with the
	// configuration, or with the file as a whole. Each counts as one error.
	Problems []*fault.Error

	// Advice is what is odd about the configuration. It counts as nothing.
	Advice []*fault.Error
}

// File is one file of a report.
type File struct {
	Name string
	Data []byte
}

// The names of a report's files, as the original has them.
const (
	JSONName    = "report.json"
	HTMLName    = "report.html"
	ResultsName = "results.txt"
	OutputName  = "output.log"
	ErrorName   = "error.log"
)

// Files renders the report. It only fails if JSON can't be encoded, which the
// types rule out.
func (r *Report) Files() ([]File, error) {
	data, err := r.JSON()
	if err != nil {
		return nil, err
	}
	output, errors := r.logs()
	return []File{
		{JSONName, data},
		{HTMLName, r.HTML()},
		{ResultsName, r.Text()},
		{OutputName, output},
		{ErrorName, errors},
	}, nil
}

// The outcomes of an execution, as they stand in report.json in every language.
const (
	Success = "Éxito"
	Partial = "Parcial"
	Failed  = "Fallido"
)

// Status says how the execution went: warnings alone make it partial.
func (r *Report) Status() string {
	switch {
	case r.Errors() > 0:
		return Failed
	case r.Result.Warnings > 0:
		return Partial
	default:
		return Success
	}
}

// Errors is the number of errors, with those that kept files from being checked.
func (r *Report) Errors() int { return r.Result.Errors + len(r.Problems) }

// successRate is the share of records without an error, in per cent. As in the
// original it supposes one error per record at most, so it is cut off at zero.
func (r *Report) successRate() float64 {
	records := r.Result.Records
	if records == 0 {
		return 0
	}
	rate := float64(records-r.Errors()) / float64(records) * 100
	return max(0, round2(rate))
}

func round2(v float64) float64 { return float64(int64(v*100+0.5)) / 100 }

func (r *Report) text() *language {
	if r.Info.Language == "en" {
		return &english
	}
	return &spanish
}

// FindingText is what the report says about a finding, in its language.
func (r *Report) FindingText(f *engine.Finding) string { return r.text().message(f) }

// ProblemText is what the report says about one of its problems.
func (r *Report) ProblemText(p *fault.Error) string { return r.text().fault(p) }
