package execution

import "time"

// Invocation is the payload a Lambda is invoked with: a request, so that the
// founding document's three names work when anyone invokes it directly, and,
// when a bridge delegates, the attempt it delegates.
type Invocation struct {
	Request
	Delegation *Delegation `json:"delegation,omitempty"`
}

// Delegation is the attempt that a bridge hands to a Lambda. The bridge holds
// the lock; the Lambda commits under its token.
type Delegation struct {
	Token      uint64    `json:"token"`
	Number     int       `json:"number"`
	Deliveries int       `json:"deliveries,omitempty"`
	Enqueued   time.Time `json:"enqueued,omitzero"`
	// Event says that nobody reads the reply, and that Lambda may deliver this more
	// than once. It must not begin after Expires: then another attempt may be under way.
	Event   bool      `json:"event,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
}

// Reply is what the Lambda answers, in the founding document's form.
//
// StatusCode is 200 when an outcome stands (also a DEAD one), 409 when the
// execution is in progress elsewhere, 400 when the payload is refused, 503 when
// the fleet's own stores can't be used, and 500 when the attempt failed and
// another may succeed.
type Reply struct {
	StatusCode int      `json:"statusCode"`
	Body       string   `json:"body"`
	Outcome    *Outcome `json:"outcome,omitempty"`
	// Steps are what the run spent its time on, the run itself first; only when the request's
	// trace is recorded.
	Steps []Step `json:"steps,omitempty"`
}

// DecodeInvocation reads an invocation strictly. A payload without a mailbox
// belongs to the mailbox given.
func DecodeInvocation(data []byte, mailbox string) (Invocation, error) {
	var inv Invocation
	if err := UnmarshalStrict(data, &inv); err != nil {
		return Invocation{}, err
	}
	if inv.Mailbox == "" {
		inv.Mailbox = mailbox
	}
	return inv, inv.Validate()
}
