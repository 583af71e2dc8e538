package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// codeUsage says that the command line makes no sense. It isn't printed: the text
// and the hint say it all.
const codeUsage fault.Code = "USAGE"

// terminal reports whether w shows what is written to a person.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}

// colourful reports whether w wants colours; see https://no-color.org.
func colourful(w io.Writer) bool { return terminal(w) && os.Getenv("NO_COLOR") == "" }

// tint wraps text in an ANSI colour if w wants it.
func tint(w io.Writer, colour, text string) string {
	if !colourful(w) {
		return text
	}
	return colour + text + "\x1b[0m"
}

const (
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	bold   = "\x1b[1m"
)

func usageFault(err error) error {
	hint := "sage --help"
	if parse, ok := errors.AsType[*kong.ParseError](err); ok && parse.Context.Selected() != nil {
		hint = parse.Context.Selected().FullPath() + " --help"
	}
	return fault.New(codeUsage, "%w", err).Advise("see `%s`", hint)
}

// report tells a person of err, or of each if it joins several, and returns the
// exit code of a failure.
func report(w io.Writer, err error) int {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			report(w, err)
		}
		return exitFailed
	}
	e := fault.Describe(err)
	_, _ = fmt.Fprintf(w, "%s %s\n", tint(w, red, "sage:"), headline(e))
	for _, line := range details(e) {
		_, _ = fmt.Fprintf(w, "  %s\n", line)
	}
	return exitFailed
}

// headline is what happened and where, and the code if there is one to search for.
func headline(e *fault.Error) string {
	short := *e
	short.Expected, short.Hint = "", ""
	text := short.Error()
	if e.Code == fault.Unclassified || e.Code == codeUsage {
		text = strings.TrimSuffix(text, " ["+string(e.Code)+"]")
	}
	return printable(text)
}

// details are what was expected and what to do.
func details(e *fault.Error) []string {
	var lines []string
	if e.Expected != "" {
		lines = append(lines, "expected: "+printable(e.Expected))
	}
	if e.Hint != "" {
		lines = append(lines, "hint: "+printable(e.Hint))
	}
	return lines
}

// printable keeps text that others wrote (names, messages) from steering the
// terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '\ufffd'
		}
		return r
	}, s)
}

// rows prints pairs of a name and a text, aligned. A row without a name goes on
// with the one before.
func rows(w io.Writer, pairs [][2]string) error {
	width := 0
	for _, p := range pairs {
		width = max(width, utf8.RuneCountInString(p[0]))
	}
	var b strings.Builder
	for _, p := range pairs {
		fmt.Fprintf(&b, "%s%s  %s\n", p[0], strings.Repeat(" ", width-utf8.RuneCountInString(p[0])), p[1])
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printJSON prints v on one line.
func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// count is "1 file" or "2 files".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// bytesText is a size for people, in decimal units.
func bytesText(n int64) string {
	const unit = 1000
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, prefix := float64(n)/unit, 0
	for value >= unit-0.5 && prefix < len("kMGTPE")-1 {
		value /= unit
		prefix++
	}
	if value < 10 {
		return fmt.Sprintf("%.1f %cB", value, "kMGTPE"[prefix])
	}
	return fmt.Sprintf("%.0f %cB", value, "kMGTPE"[prefix])
}

// usdText is an amount for people, as plain digits: millionths, and of less than that as
// many as say something. A small Lambda's run of a few milliseconds costs a few billionths.
func usdText(amount float64) string {
	const smallest = 12 // digits
	digits := 6
	for least := 1e-5; digits < smallest && amount != 0 && math.Abs(amount) < least; least /= 10 {
		digits++
	}
	return strconv.FormatFloat(amount, 'f', digits, 64)
}

// durationText is a duration for people: two or three digits that matter.
func durationText(d time.Duration) string {
	switch {
	case d < 0:
		return "0s" // two machines' clocks
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
