package processor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/worker/engine"
	"github.com/sagefleet/sagefleet/worker/engine/report"
)

// Exec has an external program check the files, such as the original in Python.
//
// Each run has a scratch directory of its own, a minimal environment and limits.
// The program is trusted not to attack the machine: it runs as the same user, and
// to confine it is the container's part. Its exit code says how it went: 0 without
// errors in the data, 1 with some, 2 when it can't use the configuration; anything
// else is worth a retry. The files it leaves are the result.
type Exec struct {
	cfg     Config
	scratch string
}

// NewExec returns an Exec that works in scratch, or in the system's temporary
// directory when that is empty. It serves any number of jobs at once.
func NewExec(cfg Config, scratch string) Exec { return Exec{cfg: cfg, scratch: scratch} }

// workspace is the scratch directory of one run.
type workspace struct {
	dir    string
	config string // the file
	data   string // the file, under its own name
	out    string // the working directory, whose files become the result
	tmp    string // TMPDIR and HOME; its path is in no other process's environment

	dataBytes  int64 // of data
	inputBytes int64 // of all inputs
}

// Process runs the program on a job. As with [Native.Process], errors in the data
// are no error, a permanent error comes with a report that says so, and any other
// error comes without a result.
func (x Exec) Process(ctx context.Context, job Job) (Result, error) {
	if job.Now == nil {
		job.Now = time.Now
	}
	if job.Language == "" {
		job.Language = "es"
	}
	job.Inputs = slices.DeleteFunc(slices.Clone(job.Inputs), func(in Input) bool {
		return extension(in.Name) == ".yaml" || extension(in.Name) == ".yml" // the configuration, sent along
	})
	start := job.Now()
	files, result, err := x.process(ctx, job)
	if err == nil {
		result.Files = files
		return result, nil
	}
	if ctx.Err() != nil {
		return Result{}, context.Cause(ctx)
	}
	if !fault.IsPermanent(err) {
		return Result{}, err
	}
	return refused(job, start, files, err)
}

// process returns the files of the run also with a permanent error.
func (x Exec) process(ctx context.Context, job Job) ([]report.File, Result, error) {
	if len(job.Inputs) == 0 {
		return nil, Result{}, fault.New(CodeNoInput, "there is no data file").Expecting("one .csv, .xlsx or .zip file").Permanent()
	}
	w, err := x.prepare(job)
	if w.dir != "" {
		defer w.remove(ctx)
	}
	if err != nil {
		return nil, Result{}, err
	}
	run, err := x.invocation(job, w)
	if err != nil {
		return nil, Result{}, err
	}
	end, err := run.do(ctx)
	if err != nil && !fault.IsPermanent(err) {
		return nil, Result{}, err
	}
	files, gathering := x.gather(job, w, end)
	if err == nil {
		err = gathering
	}
	if err != nil {
		return files, Result{}, err
	}
	result, err := conclude(end, files)
	return files, result, err
}

// prepare makes the workspace. Its dir is set if there is one to be removed, also
// with an error.
func (x Exec) prepare(job Job) (workspace, error) {
	parent, err := filepath.Abs(cmp.Or(x.scratch, os.TempDir())) // the program's working directory is another
	if err != nil {
		return workspace{}, fmt.Errorf("make a scratch directory: %w", err)
	}
	dir, err := os.MkdirTemp(parent, "sage-exec-")
	if err != nil {
		return workspace{}, fmt.Errorf("make a scratch directory: %w", err)
	}
	in := filepath.Join(dir, "in")
	w := workspace{
		dir: dir, config: filepath.Join(dir, "config.yaml"), data: filepath.Join(in, job.Inputs[0].Name),
		out: filepath.Join(dir, "out"), tmp: filepath.Join(dir, "tmp"),
	}
	for _, d := range []string{in, w.out, w.tmp} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return w, fmt.Errorf("make a scratch directory: %w", err)
		}
	}
	if err := os.WriteFile(w.config, job.Config, 0o600); err != nil {
		return w, fmt.Errorf("write the configuration: %w", err)
	}
	for i, input := range job.Inputs {
		size, err := stage(in, input)
		if err != nil {
			return w, err
		}
		if w.inputBytes += size; i == 0 {
			w.dataBytes = size
		}
	}
	return w, nil
}

// stage puts an input under dir by its sender's name, which programs read the
// format from. It is a link: an input may have many gigabytes.
func stage(dir string, input Input) (size int64, err error) {
	if !execution.IsFilename(input.Name) {
		return 0, fault.New(execution.CodeRequestField, "the file name %.80q", input.Name).
			Expecting("a plain file name").Advise("rename the file").Permanent()
	}
	name := filepath.Join(dir, input.Name)
	if input.Path == "" {
		return int64(len(input.Data)), stageData(name, input)
	}
	info, err := os.Stat(input.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fault.New(CodeInputMissing, "the file %s doesn't exist", input.Name).Permanent()
	}
	if err != nil {
		return 0, fmt.Errorf("stage %q: %w", input.Name, err)
	}
	err = os.Link(input.Path, name)
	if err != nil && !errors.Is(err, fs.ErrExist) { // on another file system, or none that has hard links
		var path string
		if path, err = filepath.Abs(input.Path); err == nil {
			err = os.Symlink(path, name)
		}
	}
	return info.Size(), staged(input, err)
}

// stageData is stage for an input in memory.
func stageData(name string, input Input) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return staged(input, err)
	}
	_, err = f.Write(input.Data)
	return staged(input, errors.Join(err, f.Close()))
}

// staged describes what went wrong when an input was given its name.
func staged(input Input, err error) error {
	if errors.Is(err, fs.ErrExist) {
		return fault.New(execution.CodeRequestField, "two files are called %s", input.Name).
			Expecting("different names").Advise("rename one of them").Permanent()
	}
	if err != nil {
		return fmt.Errorf("stage %q: %w", input.Name, err)
	}
	return nil
}

// remove also removes what the program has closed to us.
func (w workspace) remove(ctx context.Context) {
	if os.RemoveAll(w.dir) == nil {
		return
	}
	_ = filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(path, 0o700) //nolint:gosec // a directory; before it is read
		}
		return nil // RemoveAll will meet it again
	})
	if err := os.RemoveAll(w.dir); err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Msg("scratch directory left behind")
	}
}

// invocation is one run of the program.
type invocation struct {
	path  string
	args  []string // with the program's name
	env   []string
	mark  string // the variable of env that no other run has
	dir   string
	limit limits
}

// limits are what a run may use.
type limits struct {
	time    time.Duration
	memory  int64 // bytes; 0 is no limit
	streams int64 // bytes that are kept of each of stdout and stderr
	files   int64 // bytes under the working directory
}

func (x Exec) invocation(job Job, w workspace) (invocation, error) {
	args, err := x.cfg.Command.expand(map[string]string{
		"{config}": w.config, "{data}": w.data, "{out}": w.out, "{lang}": job.Language,
		"{execution}": job.Info.ExecutionID, "{mailbox}": job.Info.Mailbox, "{sender}": job.Info.Sender, "{method}": job.Info.Method,
	})
	if err != nil {
		return invocation{}, err
	}
	path, err := exec.LookPath(args[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return invocation{}, startFault(args[0], err)
	}
	return invocation{
		path: path, args: args, env: environment(w), mark: tmpVariable(w), dir: w.out,
		limit: limits{
			time: x.cfg.Timeout, memory: x.cfg.Memory, streams: max(1, x.cfg.OutputLimit/2),
			files: x.cfg.OutputLimit + w.inputBytes, // the original copies the input beside its reports
		},
	}, nil
}

// environment is all that the program is told about the machine. What else it
// needs it can be given with env(1) in the command; the worker's own variables
// hold credentials.
func environment(w workspace) []string {
	env := []string{"HOME=" + w.tmp, tmpVariable(w), "PWD=" + w.out}
	for name, fallback := range map[string]string{"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": ""} {
		value := os.Getenv(name)
		if value == "" {
			value = fallback
		}
		if value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func tmpVariable(w workspace) string { return "TMPDIR=" + w.tmp }

// refused is the result of a job that can't be processed: the program's own files,
// and a report of ours where it has left none.
func refused(job Job, start time.Time, files []report.File, err error) (Result, error) {
	problem := fault.Describe(err)
	r := &report.Report{Result: &engine.Result{}, Problems: []*fault.Error{problem}, Info: report.Info{
		Execution: job.Info.ExecutionID, Mailbox: job.Info.Mailbox, Sender: job.Info.Sender, Method: job.Info.Method,
		Directory: job.Info.Directory, Language: job.Language, Start: start, End: job.Now(),
	}}
	if len(job.Inputs) > 0 {
		r.Info.Data = job.Inputs[0].Name
	}
	result, rendering := finish(r)
	for _, f := range files {
		result.Files = slices.DeleteFunc(result.Files, func(own report.File) bool { return own.Name == f.Name })
		result.Files = append(result.Files, f)
	}
	return result, errors.Join(fault.Permanent(problem), rendering)
}
