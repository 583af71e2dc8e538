// Package settings reads a component's configuration from environment variables
// and says what is wrong in the operator's words: the variable, its value, and
// what would be accepted.
package settings

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// Codes of refused settings.
const (
	CodeInvalid fault.Code = "SETTING_INVALID"
	CodeMissing fault.Code = "SETTING_MISSING"
)

// Parse reads a T, a struct with env tags, from variables. All variables that
// can't be read are named in one error.
func Parse[T any](variables map[string]string) (T, error) {
	cfg, err := parse[T](variables)
	if err == nil {
		return cfg, nil
	}
	var faults []error
	all, ok := errors.AsType[env.AggregateError](err)
	if !ok {
		return cfg, err
	}
	for _, e := range all.Errors {
		if missing, ok := errors.AsType[env.VarIsNotSetError](e); ok {
			faults = append(faults, fault.New(CodeMissing, "%s is not set", missing.Key).
				Expecting("a value for it").Advise("see the configuration reference in README").Permanent())
		}
	}
	faults = append(faults, unreadable[T](variables)...)
	if len(faults) == 0 {
		return cfg, err
	}
	return cfg, errors.Join(faults...)
}

// Invalid is a fault about one variable's value, for checks after parsing.
func Invalid(variable string, value any, expected string) error {
	return fault.New(CodeInvalid, "%s is %q", variable, fmt.Sprint(value)).Expecting("%s", expected).Permanent()
}

func parse[T any](variables map[string]string) (T, error) {
	if variables == nil {
		variables = map[string]string{} // the library would take nil for this process's environment
	}
	return env.ParseAsWithOptions[T](env.Options{Environment: variables})
}

// unreadable finds the variables whose values don't parse, by trying each of them
// alone: the library's errors name only the fields.
func unreadable[T any](variables map[string]string) []error {
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		_, err := parse[T](map[string]string{name: variables[name]})
		all, _ := errors.AsType[env.AggregateError](err)
		for _, e := range all.Errors {
			if broken, ok := errors.AsType[env.ParseError](e); ok {
				faults = append(faults, Invalid(name, variables[name], expected(broken)))
			}
		}
	}
	return faults
}

func expected(e env.ParseError) string {
	switch kind := e.Type.String(); {
	case kind == "time.Duration":
		return "a duration such as 500ms, 30s or 5m"
	case strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "uint"):
		return "a whole number"
	case strings.HasPrefix(kind, "float"):
		return "a number"
	case kind == "bool":
		return "true or false"
	case kind == "map[string]time.Duration":
		return "names and durations such as bulk:2h,urgent:1m"
	}
	return e.Err.Error()
}
