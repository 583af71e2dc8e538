// Package secret holds what must not be shown: passwords and keys, or where they
// are kept.
//
// A Secret doesn't print, in no format, whatever it is a part of. Who needs the
// value asks for it by name, once, at the start.
package secret

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// CodeUnavailable says that a secret can't be got from where it is kept.
const CodeUnavailable fault.Code = "SECRET_UNAVAILABLE"

// Secret is a value that is given in one of these forms:
//
//	secretsmanager://NAME-or-ARN         in AWS Secrets Manager
//	secretsmanager://NAME-or-ARN#FIELD   one text of the JSON object there
//	file:///PATH                         the content, but for line breaks at its end
//	env:VARIABLE                         another variable of the environment
//	anything else                        the value itself
//
// The zero Secret is not set.
type Secret struct {
	reference func() string // a function, because not even reflection prints what is in it
}

// New returns the Secret that reference gives.
func New(reference string) Secret {
	if reference == "" {
		return Secret{}
	}
	return Secret{func() string { return reference }}
}

// UnmarshalText takes anything: an error would show what it refuses.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = New(string(text))
	return nil
}

// IsSet reports whether there is a secret.
func (s Secret) IsSet() bool { return s.reference != nil }

const (
	schemeManager = "secretsmanager://"
	schemeFile    = "file://"
	schemeEnv     = "env:"

	maxBytes = 64 << 10 // what Secrets Manager allows
)

// Value gets the secret from where it is kept: "" when it is not set. It may take
// some seconds. Its errors say where it was looked for.
func (s Secret) Value(ctx context.Context) (string, error) {
	if !s.IsSet() {
		return "", nil
	}
	reference := s.reference()
	if name, ok := strings.CutPrefix(reference, schemeManager); ok {
		return managed(ctx, name)
	}
	if path, ok := strings.CutPrefix(reference, schemeFile); ok {
		return fromFile(path)
	}
	if name, ok := strings.CutPrefix(reference, schemeEnv); ok {
		value := os.Getenv(name)
		if value == "" {
			return "", unavailable("the variable %s is not set", name)
		}
		return value, nil
	}
	return reference, nil
}

func fromFile(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", unavailable("%w", err)
	case !info.Mode().IsRegular():
		return "", unavailable("%s is no regular file", path)
	case info.Size() > maxBytes:
		return "", unavailable("%s has %d bytes", path, info.Size()).Expecting("at most %d", maxBytes)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", unavailable("%w", err)
	}
	value := strings.TrimRight(string(data), "\r\n")
	if value == "" {
		return "", unavailable("%s is empty", path)
	}
	return value, nil
}

func unavailable(format string, args ...any) *fault.Error {
	return fault.New(CodeUnavailable, format, args...)
}

// hidden is what a Secret looks like.
const hidden = "[hidden]"

// String hides the secret, but not whether there is one.
func (s Secret) String() string {
	if !s.IsSet() {
		return ""
	}
	return hidden
}

// Format hides it from every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, s.String()) }

// MarshalText hides it from JSON, and from every logger that knows text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue hides it from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
