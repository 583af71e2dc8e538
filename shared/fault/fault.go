// Package fault classifies failures where they are born and describes them to
// people.
//
// An error that is not marked is retryable: a needless retry costs less than a
// lost file. Whoever knows that trying again can't help marks the error with
// [Permanent], or creates it as an [Error] whose code is permanent by nature.
package fault

import (
	"errors"
	"fmt"
	"strings"
)

// Code names one kind of failure for ever: operators search for it, programs
// branch on it. Codes are upper snake case and are never reused.
type Code string

// Error is a failure that a person has to act on. Its JSON form is part of the
// wire format: it stands in outcomes, dead letters and reports.
type Error struct {
	Code     Code   `json:"code"`
	Message  string `json:"message"`            // what was found, lower case
	Expected string `json:"expected,omitempty"` // what was expected instead
	Hint     string `json:"hint,omitempty"`     // what to do about it
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`   // 1-based; 0 is unknown
	Column   int    `json:"column,omitempty"` // 1-based, in characters; 0 is unknown
	Field    string `json:"field,omitempty"`

	cause     error
	permanent bool
}

// New returns an Error with a formatted message. A %w verb keeps its operand as
// the cause.
func New(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), cause: errors.Unwrap(err)}
}

// At returns a copy of e that says where: a file, and a 1-based line and column.
func (e *Error) At(file string, line, column int) *Error {
	c := *e
	c.File, c.Line, c.Column = file, line, column
	return &c
}

// Expecting returns a copy of e that says what was expected.
func (e *Error) Expecting(format string, args ...any) *Error {
	c := *e
	c.Expected = fmt.Sprintf(format, args...)
	return &c
}

// Advise returns a copy of e that says what to do.
func (e *Error) Advise(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// Permanent returns a copy of e that no retry can mend.
func (e *Error) Permanent() *Error {
	c := *e
	c.permanent = true
	return &c
}

// Error reads as one line: place, message, expectation, advice and code.
func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File)
		if e.Line > 0 {
			fmt.Fprintf(&b, ":%d", e.Line)
			if e.Column > 0 {
				fmt.Fprintf(&b, ":%d", e.Column)
			}
		}
		b.WriteString(": ")
	} else if e.Line > 0 {
		fmt.Fprintf(&b, "line %d, column %d: ", e.Line, e.Column)
	}
	if e.Field != "" {
		fmt.Fprintf(&b, "%s: ", e.Field)
	}
	b.WriteString(e.Message)
	if e.Expected != "" {
		fmt.Fprintf(&b, "; expected %s", e.Expected)
	}
	if e.Hint != "" {
		fmt.Fprintf(&b, "; %s", e.Hint)
	}
	fmt.Fprintf(&b, " [%s]", e.Code)
	return b.String()
}

func (e *Error) Unwrap() error { return e.cause }

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// Permanent marks err as one that no retry can mend. It keeps nil nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

// IsPermanent reports whether err, or anything it wraps, was marked permanent.
func IsPermanent(err error) bool {
	if _, ok := errors.AsType[permanent](err); ok {
		return true
	}
	e, ok := errors.AsType[*Error](err)
	return ok && e.permanent
}

// Unclassified is the code of an error that was born without one.
const Unclassified Code = "UNCLASSIFIED"

// maxText is how many bytes of each text reach the wire: whoever wrote the input
// must not decide how large a record or an outcome gets.
const maxText = 4 << 10

// Describe returns err as an [Error] for people and for the wire: the Error that
// err wraps, with the whole of err's text when the wrapping says more. Very long
// texts are cut.
func Describe(err error) *Error {
	if err == nil {
		return nil
	}
	c := Error{Code: Unclassified, Message: err.Error(), cause: err}
	if e, ok := errors.AsType[*Error](err); ok {
		c = *e
		if prefix, found := strings.CutSuffix(err.Error(), e.Error()); found && prefix != "" {
			c.Message = prefix + c.Message
		}
	}
	c.permanent = IsPermanent(err)
	for _, text := range []*string{&c.Message, &c.Expected, &c.Hint, &c.File, &c.Field} {
		if len(*text) > maxText {
			*text = strings.ToValidUTF8((*text)[:maxText], "") + "…"
		}
	}
	return &c
}

// CodeOf returns the code of err, or Unclassified.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Unclassified
}
