package processor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/worker/engine/report"
	"github.com/sagefleet/sagefleet/worker/processor"
)

// TestMain lets this binary be the external program too: "program" and a name from
// programs, with the configuration, the data and an argument behind it.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "program" {
		if err := programs[os.Args[2]](os.Args[3:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(7)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// self returns an engine that runs one of programs, its scratch directory, and the
// job's data.
func self(t *testing.T, cfg processor.Config, name string, args ...string) (processor.Exec, string) {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Engine = processor.EngineExec
	cfg.Command = append(processor.Command{binary, "program", name, "{config}", "{data}"}, args...)
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Minute
	}
	if cfg.OutputLimit == 0 {
		cfg.OutputLimit = 1 << 20
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	scratch := t.TempDir()
	t.Cleanup(func() {
		if left, err := os.ReadDir(scratch); err != nil || len(left) > 0 {
			t.Errorf("the scratch directory holds %v, %v", left, err)
		}
	})
	return processor.NewExec(cfg, scratch), scratch
}

func job(t *testing.T) processor.Job {
	t.Helper()
	return processor.Job{
		Config: []byte("sage_yaml: {}\n"), Language: "en",
		Info:   processor.Info{ExecutionID: "e1", Mailbox: "m", Sender: "-s $(x)", Method: "api"},
		Inputs: []processor.Input{save(t, "config.yml", nil), {Name: "ventas de mayo.csv", Data: []byte("n\n1\nx\n3\n")}},
	}
}

func TestExecChecksFiles(t *testing.T) {
	t.Setenv("SAGE_TEST_SECRET", "hidden")
	cfg := processor.Config{
		Engine: processor.EngineExec, Timeout: time.Minute, OutputLimit: 1 << 20,
		Command: processor.Command{"testdata/engine.sh", "{config}", "{data}", "{out}", "{lang}", "{execution}", "--sender={sender}"},
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	scratch := t.TempDir()
	got, err := processor.NewExec(cfg, scratch).Process(t.Context(), job(t))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range got.Files {
		names = append(names, f.Name)
	}
	// Neither the folder that it made, nor the copies of its input.
	if d := cmp.Diff([]string{"arguments.txt", "environment.txt", "report.json", "output.log", "error.log"}, names); d != "" {
		t.Errorf("files (-want +got)\n%s", d)
	}
	if got.Status != report.Failed || got.Records != 3 || got.Errors != 1 {
		t.Errorf("%s, %d records, %d errors, want %s, 3, 1", got.Status, got.Records, got.Errors, report.Failed)
	}
	if text := content(got, report.OutputName); text != "checked ventas de mayo.csv\n" {
		t.Errorf("output.log is %q", text)
	}
	args := strings.Split(content(got, "arguments.txt"), "\n")
	if want := []string{"en", "e1", "--sender=-s $(x)", ""}; !slices.Equal(args[3:], want) {
		t.Errorf("arguments %q, want %q at the end", args, want)
	}
	if !strings.HasPrefix(args[1], scratch) || filepath.Base(args[1]) != "ventas de mayo.csv" {
		t.Errorf("the data was %s, want its own name under %s", args[1], scratch)
	}
	environment := content(got, "environment.txt")
	if strings.Contains(environment, "SECRET") || !strings.Contains(environment, "TMPDIR="+scratch) {
		t.Errorf("environment:\n%s", environment)
	}
	if left, _ := os.ReadDir(scratch); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestExecRefusesAConfiguration(t *testing.T) {
	t.Parallel()
	x, _ := self(t, processor.Config{}, "exit", "2")
	got, err := x.Process(t.Context(), job(t))
	if fault.CodeOf(err) != processor.CodeEngineConfig || !fault.IsPermanent(err) || !strings.Contains(err.Error(), "last  words") {
		t.Fatalf("%v, want a permanent %s that quotes the program", err, processor.CodeEngineConfig)
	}
	if got.Status != report.Failed || got.Errors != 1 || !strings.Contains(content(got, report.JSONName), "ENGINE_CONFIG") {
		t.Errorf("%+v, want a report of the fault", got)
	}
	if text := content(got, report.ErrorName); text != "first line\nlast \x1bwords\n" {
		t.Errorf("error.log is %q", text)
	}
}

// TestSpanishFaults wants every fault of this package said in Spanish too.
func TestSpanishFaults(t *testing.T) {
	t.Parallel()
	for _, code := range []fault.Code{
		processor.CodeNoInput, processor.CodeInputMissing, execution.CodeRequestField,
		processor.CodeEngineConfig, processor.CodeEngineExit, processor.CodeEngineTimeout, processor.CodeEngineMemory,
		processor.CodeEngineOutput, processor.CodeEngineArgument, processor.CodeEngineStart,
	} {
		problem := fault.New(code, "particulars")
		text := (&report.Report{Info: report.Info{Language: "es"}}).ProblemText(problem)
		if !strings.HasSuffix(text, " ("+problem.Error()+")") {
			t.Errorf("%s has no Spanish: %s", code, text)
		}
	}
}

func TestExecEndings(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		program string
		args    []string
		cfg     processor.Config
		code    fault.Code // "" is a result
		lasting bool       // permanent
		status  string
		errors  int
		says    string // in the error, or in the logs
	}{
		"clean":                 {program: "exit", args: []string{"0"}, status: report.Success, says: "printed"},
		"data errors":           {program: "exit", args: []string{"1"}, status: report.Failed, errors: 1, says: "first line"},
		"another code":          {program: "exit", args: []string{"3"}, code: processor.CodeEngineExit, says: "exit code 3: last  words"},
		"a signal":              {program: "crash", code: processor.CodeEngineExit, says: "signal: terminated"},
		"killed by another":     {program: "kill", code: processor.CodeEngineMemory, says: "most likely the kernel"},
		"a child killed":        {program: "exit", args: []string{"137"}, code: processor.CodeEngineMemory, says: "most likely the kernel"},
		"too slow":              {program: "sleep", cfg: processor.Config{Timeout: 300 * time.Millisecond}, code: processor.CodeEngineTimeout, says: "300ms"},
		"too much memory":       {program: "memory", cfg: processor.Config{Memory: 192 << 20}, code: processor.CodeEngineMemory, says: "at most 201326592 bytes"},
		"too much together":     {program: "family", cfg: processor.Config{Memory: 320 << 20}, code: processor.CodeEngineMemory, says: "children held"},
		"memory only reserved":  {program: "reserve", cfg: processor.Config{Memory: 192 << 20}, status: report.Success},
		"a flood":               {program: "flood", status: report.Success, says: "bytes left out]\n"},
		"the end of a flood":    {program: "flood", status: report.Success, says: "the end of the flood"},
		"a flood and an error":  {program: "flood", status: report.Success, says: "heard all the same"},
		"links":                 {program: "links", status: report.Success, says: `readable file: "passwd.txt"`},
		"a locked folder":       {program: "locked", status: report.Success},
		"a huge file":           {program: "huge", code: processor.CodeEngineOutput, lasting: true, says: "ENGINE_OUTPUT_LIMIT"},
		"a file without an end": {program: "growing", code: processor.CodeEngineOutput, lasting: true, says: "files of"},
		"many files":            {program: "many", code: processor.CodeEngineOutput, lasting: true, says: "more than 1000 files"},
		"an option as a value":  {program: "exit", args: []string{"{sender}"}, code: processor.CodeEngineArgument, lasting: true, says: "--sender={sender}"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, _ := self(t, tt.cfg, tt.program, tt.args...)
			got, err := x.Process(t.Context(), job(t))
			if tt.code != "" {
				if fault.CodeOf(err) != tt.code || fault.IsPermanent(err) != tt.lasting || !strings.Contains(err.Error(), tt.says) {
					t.Fatalf("%v, want %s that says %q", err, tt.code, tt.says)
				}
				if hasReport := content(got, report.JSONName) != ""; hasReport != tt.lasting {
					t.Errorf("result %+v of a permanent (%t) error", got, tt.lasting)
				}
				return
			}
			if err != nil || got.Status != tt.status || got.Errors != tt.errors {
				t.Fatalf("%s, %d errors, %v, want %s, %d", got.Status, got.Errors, err, tt.status, tt.errors)
			}
			if logs := content(got, report.OutputName) + content(got, report.ErrorName); !strings.Contains(logs, tt.says) || len(logs) > 1<<20 {
				t.Errorf("the logs, %d bytes, don't say %q", len(logs), tt.says)
			}
		})
	}
}

// TestExecFollowsNoLinks: of all that lies there, only the regular file with a
// proper name is taken.
func TestExecFollowsNoLinks(t *testing.T) {
	t.Parallel()
	x, _ := self(t, processor.Config{}, "links")
	got, err := x.Process(t.Context(), job(t))
	if err != nil {
		t.Fatal(err)
	}
	got.Files = slices.DeleteFunc(got.Files, func(f report.File) bool { return strings.HasSuffix(f.Name, ".log") })
	if d := cmp.Diff([]report.File{{Name: "good.txt", Data: []byte("good")}}, got.Files); d != "" {
		t.Errorf("files (-want +got)\n%s", d)
	}
}

// TestExecLeavesNoProcesses: a grandchild dies with the run, however that ends,
// also when it has made a session of its own.
func TestExecLeavesNoProcesses(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"orphan", "runaway", "orphan, late", "runaway, late"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			note := filepath.Join(t.TempDir(), "pid")
			x, _ := self(t, processor.Config{}, name, note)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			stopped := errors.New("stopped")
			if strings.HasSuffix(name, "late") {
				go func() {
					for text := []byte(nil); len(text) == 0 && ctx.Err() == nil; text, _ = os.ReadFile(note) {
						time.Sleep(time.Millisecond)
					}
					cancel(stopped)
				}()
			} else {
				stopped = nil
			}
			begin := time.Now()
			got, err := x.Process(ctx, job(t))
			if !errors.Is(err, stopped) || stopped != nil && got.Files != nil {
				t.Fatalf("%+v, %v, want %v", got, err, stopped)
			}
			if took := time.Since(begin); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
			var pid int
			if text, err := os.ReadFile(note); err != nil {
				t.Fatal(err)
			} else if _, err := fmt.Sscan(string(text), &pid); err != nil {
				t.Fatal(err)
			}
			if !gone(pid) {
				t.Errorf("process %d lives on", pid)
			}
		})
	}
}

// gone reports whether a process has ended, be it as a zombie that nobody reaps.
func gone(pid int) bool {
	for range 200 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

func TestExecInputs(t *testing.T) {
	t.Parallel()
	file := save(t, "d.csv", []byte("a\n"))
	tests := map[string]struct {
		inputs []processor.Input
		code   fault.Code
	}{
		"none":               {[]processor.Input{save(t, "c.yaml", nil)}, processor.CodeNoInput},
		"missing":            {[]processor.Input{{Name: "d.csv", Path: "/nowhere/d.csv"}}, processor.CodeInputMissing},
		"a path for a name":  {[]processor.Input{{Name: "../d.csv", Path: file.Path}}, "REQUEST_FIELD"},
		"the same name, two": {[]processor.Input{file, file}, "REQUEST_FIELD"},
		"twice in memory":    {inMemory(t, []processor.Input{file, file}), "REQUEST_FIELD"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, _ := self(t, processor.Config{}, "exit", "0")
			j := job(t)
			j.Inputs = tt.inputs
			got, err := x.Process(t.Context(), j)
			if fault.CodeOf(err) != tt.code || !fault.IsPermanent(err) || got.Status != report.Failed {
				t.Errorf("%+v, %v, want a permanent %s and a report", got, err, tt.code)
			}
		})
	}
}

// TestExecInAFullHouse: runs don't meet.
func TestExecInAFullHouse(t *testing.T) {
	t.Parallel()
	x, _ := self(t, processor.Config{}, "exit", "0")
	j := job(t)
	errs := make(chan error)
	const runs = 8
	for range runs {
		go func() {
			_, err := x.Process(t.Context(), j)
			errs <- err
		}()
	}
	for range runs {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// TestExecDoesNotStart: a program that went away since the start is another
// machine's to run.
func TestExecDoesNotStart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "program")
	in, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, 100)) // an executable that is none
	if err == nil {
		err = os.WriteFile(path, data, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + "-gone"} {
		x := processor.NewExec(processor.Config{Command: processor.Command{name, "{config}", "{data}"}, Timeout: time.Minute, OutputLimit: 1}, t.TempDir())
		_, err = x.Process(t.Context(), job(t))
		if fault.CodeOf(err) != processor.CodeEngineStart || fault.IsPermanent(err) {
			t.Errorf("%s: %v, want %s, worth a retry", name, err, processor.CodeEngineStart)
		}
	}
}
