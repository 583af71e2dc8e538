package runbooks

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// book is a runbook and the commands in it.
type book struct {
	lines []string // with their ends
	steps []step
}

// step is one command.
type step struct {
	line    int // of the command, from 1
	command string
	where   string   // what it needs that isn't here
	hidden  bool     // it prepares, and nobody reads it
	says    []string // what it is shown to say
	after   int      // index in lines of what it says
	exits   int
}

var (
	fence  = regexp.MustCompile("^ *```(.*)$")
	hidden = regexp.MustCompile(`^<!-- \$ (.*) -->$`)
	exits  = regexp.MustCompile(`\s+# exits (\d+)$`)
)

func parse(text string) (*book, error) {
	b := &book{lines: slices.DeleteFunc(strings.SplitAfter(text, "\n"), func(line string) bool { return line == "" })}
	inside, kind := false, ""
	for i := 0; i < len(b.lines); i++ {
		line := strings.TrimRight(b.lines[i], "\n")
		if f := fence.FindStringSubmatch(line); f != nil {
			inside, kind = !inside, f[1]
			continue
		}
		if h := hidden.FindStringSubmatch(line); h != nil && !inside {
			b.steps = append(b.steps, step{line: i + 1, command: h[1], hidden: true, exits: code(h[1])})
			continue
		}
		words := strings.Fields(kind)
		if !inside || len(words) == 0 || words[0] != "console" {
			continue
		}
		command, ok := strings.CutPrefix(strings.TrimLeft(line, " "), "$ ")
		if !ok {
			if len(b.steps) == 0 || b.steps[len(b.steps)-1].hidden {
				return nil, fmt.Errorf("line %d: expected a command, which begins with $: %q", i+1, line)
			}
			last := &b.steps[len(b.steps)-1]
			last.says = append(last.says, strings.TrimLeft(line, " "))
			continue
		}
		s := step{line: i + 1, where: strings.Join(words[1:], " ")}
		for strings.HasSuffix(command, `\`) && i+1 < len(b.lines) {
			i++
			command += "\n" + strings.TrimRight(b.lines[i], "\n")
		}
		s.command, s.after, s.exits = command, i+1, code(command)
		b.steps = append(b.steps, s)
	}
	if inside {
		return nil, fmt.Errorf("the last block has no end")
	}
	return b, nil
}

// code is what a command is to exit with.
func code(command string) int {
	if e := exits.FindStringSubmatch(command); e != nil {
		n, _ := strconv.Atoi(e[1])
		return n
	}
	return 0
}

// varying are what differs from run to run, and what stands for it.
var varying = []struct {
	what *regexp.Regexp
	as   string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?( UTC|Z)?`), "TIME"},
	{regexp.MustCompile(`\b\d\d:\d\d:\d\d(\.\d+)?`), "TIME"},
	{regexp.MustCompile(`sage_[a-z0-9]{6,}_[a-z0-9]+`), "TOKEN"},
	{regexp.MustCompile(`[a-z][a-z0-9.]*-\d+-[a-z0-9]{6}(_[a-z0-9]{8})?\b`), "HOST"},
	{regexp.MustCompile(`[A-Z0-9]{16,}`), "ID"},
	{regexp.MustCompile(`\b[0-9a-z]{10}\b`), "ID"},
	{regexp.MustCompile(`\d+(\.\d+)?\s?(ns|µs|ms|s|m|h|kB|MB|GB|B|%)\b`), "FIGURE"},
	{regexp.MustCompile(`(FIGURE)+`), "FIGURE"},
	{regexp.MustCompile(`\d+([.,]\d+)*`), "N"},
	{regexp.MustCompile(`[\s─━█░·]+`), " "},
}

func shape(line string) string {
	for _, v := range varying {
		line = v.what.ReplaceAllString(line, v.as)
	}
	return strings.TrimSpace(line)
}

// matches compares what was said with what a runbook shows of it.
func matches(shown []string, said string) bool {
	var lines []string
	for line := range strings.Lines(said) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return match(slices.DeleteFunc(slices.Clone(shown), func(s string) bool { return strings.TrimSpace(s) == "" }), lines)
}

func match(shown, said []string) bool {
	if len(shown) == 0 {
		return len(said) == 0
	}
	if strings.TrimSpace(shown[0]) == "…" {
		for skipped := range len(said) + 1 {
			if match(shown[1:], said[skipped:]) {
				return true
			}
		}
		return false
	}
	if len(said) == 0 {
		return false
	}
	want, open := strings.CutSuffix(strings.TrimSpace(shown[0]), "…")
	have := shape(said[0])
	if open && !strings.HasPrefix(have, shape(want)) || !open && have != shape(want) {
		return false
	}
	return match(shown[1:], said[1:])
}

func TestMatch(t *testing.T) {
	said := "state  DEAD\nattempts 3, the last 4.5ms ago on vm-12-abcdef\nbye\n"
	for shown, want := range map[string]bool{
		"state DEAD\nattempts 12, the last 1.2s ago on vm-7-zzzzzz\nbye": true,
		"state DEAD\n…\nbye":          true,
		"…":                           true,
		"state DEAD\nattempts …\nbye": true,
		"state SUCCEEDED\n…":          false,
		"state DEAD":                  false,
		"state DEAD\n…\nhello":        false,
		"":                            false,
	} {
		if got := matches(strings.Split(shown, "\n"), said); got != want {
			t.Errorf("%q matches: %v", shown, got)
		}
	}
}
