package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// CodeGrant says that a token can't be made as it was asked for.
const CodeGrant fault.Code = "ACCESS_GRANT"

// A token is sage_<id>_<secret>. The id is no secret: it names the token in lists,
// events and logs. The prefix is what scanners for leaked secrets look for.
const (
	tokenPrefix = "sage_"
	idLength    = 10
	secretBytes = 32
)

var (
	encoding  = base32.StdEncoding.WithPadding(base32.NoPadding)
	tokenForm = regexp.MustCompile(`^` + tokenPrefix + `([a-z2-7]{10})_([a-z2-7]{52})$`)
	idForm    = regexp.MustCompile(`^[a-z2-7]{10}$`)
)

// newToken makes up a token.
func newToken() (text, id string, hash []byte) {
	secret := make([]byte, secretBytes)
	_, _ = rand.Read(secret) // never fails
	id = strings.ToLower(rand.Text()[:idLength])
	encoded := strings.ToLower(encoding.EncodeToString(secret))
	sum := sha256.Sum256([]byte(encoded))
	return tokenPrefix + id + "_" + encoded, id, sum[:]
}

// parseToken takes a token apart. What has not its form is nobody's, and is not
// looked up.
func parseToken(text string) (id string, hash []byte, ok bool) {
	parts := tokenForm.FindStringSubmatch(text)
	if parts == nil {
		return "", nil, false
	}
	sum := sha256.Sum256([]byte(parts[2]))
	return parts[1], sum[:], true
}

// Grant is what a token is to be good for.
type Grant struct {
	Name      string // of whoever bears it, for events and lists
	Role      Role
	Mailboxes []string
	Expires   time.Time // zero is never
}

// Validate refuses grants that make no sense.
func (g Grant) Validate() error {
	refuse := func(format string, args ...any) *fault.Error {
		return fault.New(CodeGrant, format, args...).Permanent()
	}
	if err := execution.ValidateMailbox(g.Name); err != nil {
		return refuse("the name is %.80q", g.Name).Expecting("1 to 64 of A-Z a-z 0-9 _ -")
	}
	if !slices.Contains(Roles, g.Role) {
		return refuse("the role is %.80q", g.Role).Expecting("one of %v", Roles)
	}
	if len(g.Mailboxes) == 0 {
		return refuse("no mailbox is named").Expecting("mailboxes, or %s for all", EveryMailbox)
	}
	for _, m := range g.Mailboxes {
		if err := execution.ValidateMailbox(m); err != nil && m != EveryMailbox {
			return err
		}
	}
	if !g.Expires.IsZero() && !g.Expires.After(time.Now()) {
		return refuse("it would have expired at %s", g.Expires.UTC().Format(time.RFC3339)).Expecting("a time to come")
	}
	return nil
}

// version is the highest version of the record's format that this code knows.
const version = 1

// Record is what is kept of a token: everything but its secret.
type Record struct {
	Version int `json:"version,omitempty"` // of this format; 0 means 1
	Identity
	Hash    []byte    `json:"hash"` // SHA-256 of the secret's text
	Created time.Time `json:"created"`
	By      string    `json:"by"` // who made it
	Revoked time.Time `json:"revoked,omitzero"`
}

// State is good, expired or revoked.
func (r Record) State(now time.Time) string {
	switch {
	case !r.Revoked.IsZero():
		return "revoked"
	case !r.Expires.IsZero() && !now.Before(r.Expires):
		return "expired"
	}
	return "good"
}

// check says whether the record lets who shows a secret with this hash in. It
// takes the same time whatever is wrong with the hash.
func (r Record) check(hash []byte, now time.Time) error {
	if subtle.ConstantTimeCompare(r.Hash, hash) != 1 {
		return errInvalid("the token is not known")
	}
	return r.stands(now)
}

func (r Record) stands(now time.Time) error {
	if state := r.State(now); state != "good" {
		return errInvalid("the token %s is "+state, r.ID)
	}
	return nil
}

func errInvalid(format string, args ...any) error {
	return fault.New(CodeInvalid, format, args...).Expecting("a token that is good").
		Advise("have one made with `sage token create`").Permanent()
}
