// Package conflict tells what the server means when it refuses a change that names the
// revision it changes.
package conflict

import (
	"errors"

	"github.com/nats-io/nats.go/jetstream"
)

// Is reports whether err says that somebody else changed the key or the subject
// meanwhile: its last revision is not the one that was named.
//
// A stream in several replicas has another code for it while the other's change is
// still being replicated.
func Is(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}
