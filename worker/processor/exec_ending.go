package processor

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/worker/engine"
	"github.com/sagefleet/sagefleet/worker/engine/report"
)

// Codes of runs of an external program that give no result. All but ENGINE_CONFIG,
// ENGINE_ARGUMENT and ENGINE_OUTPUT are worth a retry: another machine may have
// more time, more memory, or the program.
const (
	CodeEngineConfig   fault.Code = "ENGINE_CONFIG"   // exit code 2
	CodeEngineExit     fault.Code = "ENGINE_EXIT"     // any exit code that means nothing, or a crash
	CodeEngineTimeout  fault.Code = "ENGINE_TIMEOUT"  // killed after ENGINE_TIMEOUT
	CodeEngineMemory   fault.Code = "ENGINE_MEMORY"   // killed beyond ENGINE_MEMORY, or by the kernel
	CodeEngineOutput   fault.Code = "ENGINE_OUTPUT"   // files beyond the limits
	CodeEngineArgument fault.Code = "ENGINE_ARGUMENT" // a value of the request that can't be an argument
	CodeEngineStart    fault.Code = "ENGINE_START"    // the program can't be started
)

// ending is how a run ended by itself.
type ending struct {
	code           int
	stdout, stderr capture
}

// The exit codes that have a meaning; those of `worker run`, and of the original.
const (
	exitClean = iota
	exitDataErrors
	exitConfig

	exitKilled = 128 + 9 // what a shell makes of a child's SIGKILL
)

// conclude reads the result from the report, or else from the exit code.
func conclude(end ending, files []report.File) (Result, error) {
	switch end.code {
	case exitClean, exitDataErrors:
	case exitConfig:
		return Result{}, fault.New(CodeEngineConfig, "the program can't use the configuration%s", end.lastWords()).
			Expecting("a configuration that it accepts").Advise("see error.log, correct the configuration, then redrive").Permanent()
	case exitKilled:
		return Result{}, killedFault()
	default:
		return Result{}, fault.New(CodeEngineExit, "the program ended with exit code %d%s", end.code, end.lastWords()).
			Expecting("0, 1 for errors in the data, or 2 for a wrong configuration").Advise("run the command of ENGINE_COMMAND by hand")
	}
	i := slices.IndexFunc(files, func(f report.File) bool { return f.Name == report.JSONName })
	if i >= 0 {
		if result, ok := summaryOf(files[i].Data); ok {
			return result, nil
		}
	}
	result := Result{Status: report.Success}
	if end.code == exitDataErrors {
		result.Status, result.Errors = report.Failed, 1
	}
	return result, nil
}

// summaryOf reads the summary of a report.json. The original's is not always valid
// JSON, and one of its keys may be anything: then there is no summary.
func summaryOf(data []byte) (Result, bool) {
	var doc struct {
		Summary *struct {
			Status   string   `json:"status"`
			Records  float64  `json:"total_records"` // some programs write 3.0
			Errors   *float64 `json:"errors"`
			Warnings float64  `json:"warnings"`
		} `json:"summary"`
	}
	if err := json.Unmarshal(data, &doc); err != nil || doc.Summary == nil || doc.Summary.Errors == nil {
		return Result{}, false
	}
	s := doc.Summary
	for _, n := range []float64{s.Records, *s.Errors, s.Warnings} {
		if n < 0 || n != math.Trunc(n) || n > 1<<53 { // no count; beyond 2^53 floats are not exact
			return Result{}, false
		}
	}
	counted := engine.Result{Records: int(s.Records), Errors: int(*s.Errors), Warnings: int(s.Warnings)}
	result := Result{Status: s.Status, Records: counted.Records, Errors: counted.Errors, Warnings: counted.Warnings}
	if !slices.Contains([]string{report.Success, report.Partial, report.Failed}, result.Status) {
		result.Status = (&report.Report{Result: &counted}).Status()
	}
	return result, true
}

// maxWords bounds what a message quotes of the program's output, in characters.
const maxWords = 200

// lastWords is the last line that the program wrote to stderr, for a message.
func (e ending) lastWords() string {
	text := strings.TrimSpace(strings.ToValidUTF8(string(e.stderr.tail()), "\uFFFD"))
	text = text[strings.LastIndexByte(text, '\n')+1:]
	words := []rune(strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)))
	if len(words) == 0 {
		return ""
	}
	return ": " + string(words[:min(len(words), maxWords)])
}

func startFault(name string, err error) error {
	return fault.New(CodeEngineStart, "%s can't be started: %w", name, err).
		Expecting("a program that this machine has and may run").Advise("correct ENGINE_COMMAND, or install the program")
}

func argumentFault(template, value string) error {
	return fault.New(CodeEngineArgument, "the argument %s would be %.80q", template, value).
		Expecting("a value without NUL that is no option").
		Advise("correct the request, or join option and value in ENGINE_COMMAND, as in --sender={sender}").Permanent()
}

func timeoutFault(limit time.Duration) error {
	return fault.New(CodeEngineTimeout, "the program was still running after %v, and was killed", limit).
		Expecting("an end within ENGINE_TIMEOUT").Advise("raise ENGINE_TIMEOUT, or split the file")
}

func memoryFault(used, limit int64) error {
	return fault.New(CodeEngineMemory, "the program and its children held %d bytes, and were killed", used).
		Expecting("at most %d bytes, ENGINE_MEMORY", limit).Advise("raise ENGINE_MEMORY, or split the file")
}

// killedFault is about a SIGKILL that we did not send.
func killedFault() error {
	return fault.New(CodeEngineMemory, "the program was killed by something else, most likely the kernel, which had no memory left").
		Expecting("a machine with enough memory").Advise("run fewer at once with SLOTS, or set ENGINE_MEMORY")
}

func signalFault(signal string, end ending) error {
	return fault.New(CodeEngineExit, "the program was ended by a signal: %s%s", signal, end.lastWords()).
		Expecting("an exit code").Advise("run the command of ENGINE_COMMAND by hand")
}

func outputFault(found string, expected string) error {
	return fault.New(CodeEngineOutput, "the program left %s", found).Expecting("%s", expected).
		Advise("raise ENGINE_OUTPUT_LIMIT, or have the program write less").Permanent()
}
