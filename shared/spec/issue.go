package spec

import (
	"slices"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// Issue is one thing that is wrong with a configuration, or that its author
// should know. The place, the code and the advice are those of the Error.
type Issue struct {
	*fault.Error

	// Severity is Error or Warning.
	Severity Severity `json:"severity"`

	// Rule is the name of the rule whose expression doesn't compile. Files are
	// processed all the same; see [Rule.Err].
	Rule string `json:"rule,omitempty"`
}

func (i Issue) String() string { return i.Severity.String() + ": " + i.Error.Error() }

// Issues are in the order of the file.
type Issues []Issue

// Structural reports whether the configuration can't be used at all: an error
// stands outside the expressions of rules.
func (is Issues) Structural() bool {
	return slices.ContainsFunc(is, func(i Issue) bool { return i.Severity == Error && i.Rule == "" })
}

// Errors counts the issues that aren't warnings.
func (is Issues) Errors() int {
	n := 0
	for _, i := range is {
		if i.Severity == Error {
			n++
		}
	}
	return n
}
