package execution

import (
	"encoding/json"
	"time"
)

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
	Version    int       `json:"version,omitempty"` // of what bridges add; 0 means 1
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
// execution is in progress elsewhere, 400 when the payload is refused, 501 when it
// is for a newer function, 503 when the fleet's own stores can't be used, and 500 when
// the attempt failed and another may succeed.
type Reply struct {
	StatusCode int      `json:"statusCode"`
	Body       string   `json:"body"`
	Outcome    *Outcome `json:"outcome,omitempty"`
	// Steps are what the run spent its time on, the run itself first; only when the request's
	// trace is recorded.
	Steps []Step `json:"steps,omitempty"`
}

// DecodeInvocation reads an invocation: strictly where anyone invokes directly, and
// where a bridge delegates, without what a newer bridge may have added. A payload without
// a mailbox belongs to the mailbox given.
func DecodeInvocation(data []byte, mailbox string) (Invocation, error) {
	inv, err := decodeInvocation(data)
	if err != nil {
		return Invocation{}, err
	}
	if inv.Delegation != nil {
		if err := CheckVersion("a delegation", inv.Delegation.Version, DelegationVersion); err != nil {
			return Invocation{}, err
		}
	}
	if inv.Mailbox == "" {
		inv.Mailbox = mailbox
	}
	return inv, inv.Validate()
}

func decodeInvocation(data []byte) (inv Invocation, err error) {
	strict := UnmarshalStrict(data, &inv)
	if strict == nil {
		return inv, nil
	}
	if err := CheckFormat("a request", data, RequestVersion); err != nil {
		return inv, err
	}
	var delegated struct {
		Delegation json.RawMessage `json:"delegation"`
	}
	if json.Unmarshal(data, &delegated) != nil || delegated.Delegation == nil {
		return inv, strict
	}
	if err := CheckFormat("a delegation", delegated.Delegation, DelegationVersion); err != nil {
		return inv, err
	}
	inv = Invocation{}
	if json.Unmarshal(data, &inv) != nil || inv.Delegation == nil || checkNames(data) != nil {
		return inv, strict
	}
	return inv, nil
}
