// Package access says who a request over HTTP is and what it may do: by a token
// that it bears, or by the session that a browser began with one.
//
// A token is scoped to mailboxes and to a role. Only its hash is kept, so it can
// be shown once; a revoked one is good for at most ACCESS_CACHE longer.
package access

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// Codes of requests that were not let in.
const (
	CodeMissing     fault.Code = "ACCESS_MISSING"     // neither a token nor a session
	CodeInvalid     fault.Code = "ACCESS_INVALID"     // unknown, expired or revoked
	CodeDenied      fault.Code = "ACCESS_DENIED"      // known, but not for this
	CodeRate        fault.Code = "ACCESS_RATE"        // too many requests; wraps [Limited]
	CodeUnavailable fault.Code = "ACCESS_UNAVAILABLE" // nobody can say now who it is
)

// Role is what somebody may do in a mailbox. Each includes those before it.
type Role string

// The roles.
const (
	Viewer    Role = "viewer"    // sees executions, reports and files
	Submitter Role = "submitter" // submits
	Operator  Role = "operator"  // redrives and cancels
)

// Roles are all roles, each including those before it.
var Roles = []Role{Viewer, Submitter, Operator}

// Includes reports whether who has r may do what needs the other.
func (r Role) Includes(other Role) bool {
	has, needs := slices.Index(Roles, r), slices.Index(Roles, other)
	return needs >= 0 && has >= needs
}

// EveryMailbox in a list of mailboxes means all there are.
const EveryMailbox = "*"

// Identity is who makes a request.
type Identity struct {
	ID        string    `json:"id"` // of the token; empty where nobody has to log in
	Name      string    `json:"name"`
	Role      Role      `json:"role"`
	Mailboxes []string  `json:"mailboxes"` // or [EveryMailbox]
	Expires   time.Time `json:"expires,omitzero"`
}

// Everywhere reports whether i is not bounded to some mailboxes.
func (i Identity) Everywhere() bool { return slices.Contains(i.Mailboxes, EveryMailbox) }

// May reports whether i has the role in the mailbox.
func (i Identity) May(role Role, mailbox string) bool {
	return i.Role.Includes(role) && (i.Everywhere() || slices.Contains(i.Mailboxes, mailbox))
}

// Require is May as an error: a fault with the code ACCESS_DENIED, which says no
// more of the mailbox than its name.
func (i Identity) Require(role Role, mailbox string) error {
	if err := execution.ValidateMailbox(mailbox); err != nil {
		return err
	}
	if i.May(role, mailbox) {
		return nil
	}
	return fault.New(CodeDenied, "%s may not do this in mailbox %s", i.Name, mailbox).
		Expecting("a token with the role %s for it", role).Advise("ask whoever gives out tokens: `sage token create`").Permanent()
}

// Actor names i in events and records.
func (i Identity) Actor() string {
	if i.ID == "" {
		return i.Name
	}
	return i.Name + "#" + i.ID
}

type contextKey struct{}

// With returns a context that says who makes the request.
func With(ctx context.Context, i Identity) context.Context {
	return context.WithValue(ctx, contextKey{}, i)
}

// From returns who makes the request. Without an identity in ctx it returns one
// that may do nothing, and false.
func From(ctx context.Context) (Identity, bool) {
	i, ok := ctx.Value(contextKey{}).(Identity)
	return i, ok
}

// Identifier says who makes a request: a [Gate], or [Anyone].
type Identifier interface {
	// Identify returns a fault with one of this package's codes when the request
	// is nobody's.
	Identify(*http.Request) (Identity, error)
}

// Handler passes requests on with their identity in the context, and has refuse
// answer those that have none.
func Handler(by Identifier, next http.Handler, refuse func(http.ResponseWriter, *http.Request, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i, err := by.Identify(r)
		if err != nil {
			refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(With(r.Context(), i)))
	})
}
