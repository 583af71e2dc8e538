package producer

import (
	"encoding/json"

	"github.com/nats-io/nats.go"

	"github.com/sagefleet/sagefleet/shared/queue"
)

// WholeLetter is a dead letter with its message, as it is exported: one line of JSON.
type WholeLetter struct {
	queue.Letter
	Headers nats.Header `json:"headers"`
	// The message's payload: as it is when it is JSON, in base64 when it isn't.
	Request json.RawMessage `json:"request,omitempty"`
	Bytes   []byte          `json:"bytes,omitempty"`
}

// Whole returns l with its message.
func Whole(l queue.Letter) WholeLetter {
	w := WholeLetter{Letter: l, Headers: l.Header}
	if json.Valid(l.Data) {
		w.Request = l.Data
	} else {
		w.Bytes = l.Data
	}
	return w
}
