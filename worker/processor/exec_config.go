package processor

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/shared/settings"
)

// The engines there are.
const (
	EngineNative = "native" // [Native]
	EngineExec   = "exec"   // [Exec]
)

// Config chooses the engine and says how far an external one may go.
type Config struct {
	Engine string `env:"ENGINE" envDefault:"native"` // native, or exec: an external program
	// Command is the program and its arguments, split at spaces or given as a JSON
	// array; there is no shell. {config}, {data} and {out} stand for paths, {lang},
	// {execution}, {mailbox}, {sender} and {method} for what the request says.
	Command Command       `env:"ENGINE_COMMAND"`
	Timeout time.Duration `env:"ENGINE_TIMEOUT" envDefault:"15m"` // of one run of the program
	// Memory is how many bytes the program and its children may hold; 0 is no limit.
	Memory int64 `env:"ENGINE_MEMORY" envDefault:"0"`
	// OutputLimit is how many bytes are kept of what the program prints, half of it
	// for each stream, and how many its files may have together.
	OutputLimit int64 `env:"ENGINE_OUTPUT_LIMIT" envDefault:"67108864"`
}

// Validate refuses values that can't work, by variable.
func (c Config) Validate() error {
	switch c.Engine {
	case EngineNative:
		return nil
	case EngineExec:
	default:
		return settings.Invalid("ENGINE", c.Engine, "native or exec")
	}
	if runtime.GOOS != "linux" {
		return settings.Invalid("ENGINE", c.Engine, "native: only Linux can hold a program to its limits")
	}
	var faults []error
	if err := c.Command.validate(); err != nil {
		faults = append(faults, settings.Invalid("ENGINE_COMMAND", strings.Join(c.Command, " "), err.Error()))
	}
	if c.Timeout <= 0 {
		faults = append(faults, settings.Invalid("ENGINE_TIMEOUT", c.Timeout, "more than 0"))
	}
	if c.Memory < 0 {
		faults = append(faults, settings.Invalid("ENGINE_MEMORY", c.Memory, "0 or more bytes"))
	}
	if c.OutputLimit < 1 {
		faults = append(faults, settings.Invalid("ENGINE_OUTPUT_LIMIT", c.OutputLimit, "1 byte or more"))
	}
	return errors.Join(faults...)
}

// Command is a program and its arguments, with placeholders.
type Command []string

// UnmarshalText reads a JSON array of strings, or words between spaces.
func (c *Command) UnmarshalText(text []byte) error {
	if !strings.HasPrefix(strings.TrimSpace(string(text)), "[") {
		*c = strings.Fields(string(text))
		return nil
	}
	var words []string
	if err := json.Unmarshal(text, &words); err != nil {
		return errors.New(`words, or a JSON array of strings such as ["python3", "-m", "sage", "{config}", "{data}"]`)
	}
	*c = words
	return nil
}

var (
	placeholder  = regexp.MustCompile(`\{[a-z]+\}`)
	placeholders = []string{"{config}", "{data}", "{out}", "{lang}", "{execution}", "{mailbox}", "{sender}", "{method}"}
)

// validate says what would be accepted instead.
func (c Command) validate() error {
	if len(c) == 0 {
		return errors.New("a program and its arguments, such as python3 -m sage {config} {data}")
	}
	if _, err := exec.LookPath(c[0]); err != nil {
		return fmt.Errorf("a program that this machine has: %w", err)
	}
	found := placeholder.FindAllString(strings.Join(c[1:], " "), -1)
	for _, p := range found {
		if !slices.Contains(placeholders, p) {
			return fmt.Errorf("no %s: there are %s", p, strings.Join(placeholders, " "))
		}
	}
	for _, p := range placeholders[:2] {
		if !slices.Contains(found, p) {
			return fmt.Errorf("%s among the arguments: the program must be told where that is", p)
		}
	}
	return nil
}

// expand returns the arguments with values in place of the placeholders. What a
// value says is not looked at again. A value must not become an option: it comes
// from whoever asked for the execution.
func (c Command) expand(values map[string]string) ([]string, error) {
	pairs := make([]string, 0, 2*len(placeholders))
	for _, p := range placeholders {
		pairs = append(pairs, p, values[p])
	}
	replacer := strings.NewReplacer(pairs...)
	args := slices.Clone(c)
	for i, template := range args {
		args[i] = replacer.Replace(template)
		if strings.ContainsRune(args[i], 0) || strings.HasPrefix(args[i], "-") && !strings.HasPrefix(template, "-") {
			return nil, argumentFault(template, args[i])
		}
	}
	return args, nil
}
