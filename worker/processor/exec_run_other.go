//go:build !linux

package processor

import (
	"context"
	"errors"
	"runtime"
)

// do refuses: without Linux's means a program could outlive its limits.
func (v invocation) do(context.Context) (ending, error) {
	return ending{}, startFault(v.args[0], errors.New("no support for "+runtime.GOOS))
}
