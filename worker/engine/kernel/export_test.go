package kernel

import (
	"strings"

	"github.com/sagefleet/sagefleet/shared/spec"
)

// Matcher is matcher, for the tests.
var Matcher = matcher

// Knows reports whether a function has an entry in one of the tables by which
// calls are compiled. Families with a switch of their own are tested by use.
func Knows(fn spec.Fn) bool {
	family, _, _ := strings.Cut(string(fn), ".")
	return calls[fn] != nil || family == "str" || family == "dt" || family == "group" || family == "astype"
}
