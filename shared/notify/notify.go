// Package notify tells people and programs outside the fleet: by a signed webhook or
// by e-mail.
//
// A channel says a [Message] once, and whether trying again can help. Who repeats, and
// who remembers what was said, is the caller: a message keeps its ID when it is said
// again, so that whoever hears it twice can know.
package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// Codes of what could not be said.
const (
	CodeRefused     fault.Code = "NOTICE_REFUSED"     // by who should hear it; saying it again is no use
	CodeUndelivered fault.Code = "NOTICE_UNDELIVERED" // may go through another time
	CodeForbidden   fault.Code = "NOTICE_FORBIDDEN"   // the address is not one that may be reached
)

// Message is one thing to say.
type Message struct {
	ID      string // names it for whoever hears it; see [ID]
	Subject string // one line, for people
	Text    string // the whole of it, for people
	Data    any    // for programs; its JSON is what a webhook carries
	Files   []File // for people
}

// File is something to read with a message.
type File struct {
	Name  string
	Bytes []byte
}

// Channel says messages.
type Channel interface {
	// Send says m, and returns when whoever is at the other end has taken it over. An
	// error that is permanent (see package fault) comes again every time.
	Send(ctx context.Context, m Message) error
}

// ID makes the ID of a message from what it is about: the same parts give the same ID,
// in every process and every time.
func ID(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return "sage_" + hex.EncodeToString(sum[:16])
}
