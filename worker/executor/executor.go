// Package executor does the work of one execution: it fetches the files, has
// them processed, and commits the outcome.
//
// It is the same on a worker and in a Lambda, and needs no NATS: everything it
// reads and writes is in storage.
package executor

import (
	"cmp"
	"context"
	"runtime/debug"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/worker/processor"
)

// Config says what an executor may read and how it reports.
type Config struct {
	// The URI prefixes that files may be read from, with commas; {mailbox}
	// stands for the execution's own. The default is the fleet's own storage,
	// under inputs/{mailbox}/.
	InputPrefixes []string `env:"INPUT_PREFIXES"`
	// Scratch is where files are put while they are worked on; the system's
	// directory for temporary files when empty.
	Scratch  string `env:"SCRATCH_DIR"`
	Language string `env:"REPORT_LANGUAGE" envDefault:"es"` // of the reports: es or en
	// How many bytes one input file may have.
	MaxInputBytes int64 `env:"MAX_INPUT_BYTES" envDefault:"21474836480"`
}

// Validate refuses values that can't work, by variable.
func (c Config) Validate() error {
	switch {
	case c.Language != "es" && c.Language != "en":
		return settings.Invalid("REPORT_LANGUAGE", c.Language, "es or en")
	case c.MaxInputBytes < 1:
		return settings.Invalid("MAX_INPUT_BYTES", c.MaxInputBytes, "1 or more")
	}
	return nil
}

// Processor puts files through a configuration.
type Processor interface {
	Process(context.Context, processor.Job) (processor.Result, error)
}

// Executor carries out executions on this machine.
type Executor struct {
	objects   storage.Store
	outcomes  *outcome.Store
	processor Processor
	name      string // execution.OnWorker or OnLambda
	host      string
	cfg       Config

	mu     sync.Mutex
	others map[string]storage.Store // by location
}

// New returns an Executor named name on host that keeps everything in objects.
func New(objects storage.Store, p Processor, name, host string, cfg Config) *Executor {
	if len(cfg.InputPrefixes) == 0 {
		cfg.InputPrefixes = intake.OwnPlaces(objects)
	}
	return &Executor{objects: objects, outcomes: outcome.New(objects), processor: p, name: name, host: host, cfg: cfg,
		others: map[string]storage.Store{}}
}

// Execute processes the files of a and commits the outcome, SUCCEEDED or, when
// no retry can help, DEAD. It returns the outcome that stands.
func (e *Executor) Execute(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
	o := execution.Outcome{
		Key: a.Request.Key(), Attempt: cmp.Or(a.ID, execution.NewAttemptID(a.Token)), Number: a.Number,
		Executor: e.name, Host: e.host, RequestDigest: a.Request.Digest(),
		Sender: a.Request.Sender, Method: a.Request.Method, Class: a.Request.Class, Deadline: a.Request.Deadline, Enqueued: a.Enqueued, Started: time.Now().UTC(),
	}
	scratch := &scratch{parent: e.cfg.Scratch}
	defer func() {
		if err := scratch.remove(); err != nil {
			zerolog.Ctx(ctx).Warn().Err(err).Msg("scratch directory left behind")
		}
	}()
	files, err := e.work(ctx, a.Request, scratch, &o)
	failpoint.Hit(failpoint.Worked)
	if ctx.Err() != nil {
		return execution.Outcome{}, context.Cause(ctx)
	}
	o.Finished = time.Now().UTC()
	switch {
	case err == nil:
		o.Kind = execution.Succeeded
	case fault.IsPermanent(err):
		o.Kind, o.Fault = execution.Dead, fault.Describe(err)
	default:
		return execution.Outcome{}, err
	}
	committed := execution.BeginStep(ctx, "commit")
	stands, err := e.outcomes.Commit(ctx, o, files)
	committed()
	switch {
	case err != nil && !fault.IsPermanent(err):
		// The store is the fleet's own: that it can't write is no failure of the request.
		return execution.Outcome{}, &execution.BusyError{For: time.Second, Err: err}
	case err != nil:
		return execution.Outcome{}, err
	case stands.RequestDigest != o.RequestDigest:
		return execution.Outcome{}, execution.Conflict(o.Key)
	}
	return stands, nil
}

// work fetches and processes, filling in what o says of the input and the result.
func (e *Executor) work(ctx context.Context, r execution.Request, scratch *scratch, o *execution.Outcome) ([]outcome.Data, error) {
	if err := failpoint.Err(failpoint.Working); err != nil {
		return nil, err
	}
	config, err := e.config(ctx, r)
	if err != nil {
		return nil, err
	}
	files := []outcome.Data{{Name: "input.yaml", Bytes: config}}
	job := processor.Job{
		Config: config, ConfigName: "input.yaml", Language: e.cfg.Language, Now: time.Now,
		Info: processor.Info{ExecutionID: r.ID, Mailbox: r.Mailbox, Sender: r.Sender, Method: r.Method},
	}
	for i, in := range r.Inputs {
		fetched := execution.BeginStep(ctx, "fetch")
		file, input, err := e.fetch(ctx, r, in, newSpool(scratch, in.Filename, i))
		fetched()
		if err != nil {
			return files, err
		}
		o.Inputs = append(o.Inputs, file)
		job.Inputs = append(job.Inputs, input)
	}
	checked := execution.BeginStep(ctx, "check")
	result, err := e.process(ctx, job)
	checked()
	o.CachedFrom = result.CachedFrom
	if result.Status != "" {
		o.Summary = &execution.Summary{Status: result.Status, Records: result.Records, Errors: result.Errors, Warnings: result.Warnings}
	}
	for _, f := range result.Files {
		files = append(files, outcome.Data{Name: f.Name, Bytes: f.Data})
	}
	return files, err
}

// CodePanic says that the engine failed in a way that its authors did not foresee.
const CodePanic fault.Code = "ENGINE_PANIC"

// process keeps a panic to the execution that caused it: its neighbours in this
// process did nothing wrong.
func (e *Executor) process(ctx context.Context, job processor.Job) (result processor.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			zerolog.Ctx(ctx).Error().Interface("panic", p).Bytes("stack", debug.Stack()).Msg("engine panicked")
			err = fault.New(CodePanic, "the engine failed: %v", p).
				Advise("report it, with the configuration and the file").Permanent()
		}
	}()
	return e.processor.Process(ctx, job)
}
