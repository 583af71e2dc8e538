package execution

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// Key names one generation of one execution: what is locked, recorded and
// committed. Ids are not global: the same id in two mailboxes is two executions.
// The first generation is 1; a redrive opens the next.
type Key struct {
	Mailbox    string `json:"mailbox"`
	ID         string `json:"execution_id"`
	Generation int    `json:"generation"`
}

// String is the form used for message ids: mailbox:id:generation.
func (k Key) String() string { return fmt.Sprintf("%s:%s:%d", k.Mailbox, k.ID, k.Generation) }

// Path joins the parts with dots. None of them can hold a dot, so it is unique;
// it is safe as a KV key, a subject suffix and a file name.
func (k Key) Path() string { return fmt.Sprintf("%s.%s.%d", k.Mailbox, k.ID, k.Generation) }

// Compare orders keys by mailbox, id and generation.
func (k Key) Compare(other Key) int {
	return cmp.Or(strings.Compare(k.Mailbox, other.Mailbox), strings.Compare(k.ID, other.ID), cmp.Compare(k.Generation, other.Generation))
}

// ParsePath is the inverse of [Key.Path].
func ParsePath(path string) (Key, error) {
	var k Key
	parts := strings.Split(path, ".")
	if len(parts) != 3 {
		return k, fmt.Errorf("key %q: want mailbox.id.generation", path)
	}
	k.Mailbox, k.ID = parts[0], parts[1]
	if _, err := fmt.Sscanf(parts[2], "%d", &k.Generation); err != nil || k.Path() != path {
		return Key{}, fmt.Errorf("key %q: generation is not a number", path)
	}
	return k, k.Validate()
}

// Codes of refused names.
const (
	CodeID      fault.Code = "ID_INVALID"
	CodeMailbox fault.Code = "MAILBOX_INVALID"
)

var token = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// ValidateID reports whether id may become a subject, a key and a path.
func ValidateID(id string) error { return validateToken(CodeID, "execution_id", id) }

// ValidateMailbox reports whether name may become a subject, a key and a path.
func ValidateMailbox(name string) error { return validateToken(CodeMailbox, "mailbox", name) }

// ValidateClass reports whether name is a service class's.
func ValidateClass(name string) error { return validateToken(CodeRequestField, "class", name) }

// Validate checks every part of the key.
func (k Key) Validate() error {
	if err := ValidateMailbox(k.Mailbox); err != nil {
		return err
	}
	if err := ValidateID(k.ID); err != nil {
		return err
	}
	if k.Generation < 1 {
		return fieldError(CodeRequestField, "generation", "%d", k.Generation).Expecting("1 or more")
	}
	return nil
}

func validateToken(code fault.Code, field, value string) error {
	if token.MatchString(value) {
		return nil
	}
	return fieldError(code, field, "%.80q", value).
		Expecting("1 to 64 of A-Z a-z 0-9 _ -").
		Advise("choose another name; it becomes part of subjects, keys and paths")
}

// fieldError is a permanent fault about one field's value.
func fieldError(code fault.Code, field, format string, args ...any) *fault.Error {
	e := fault.New(code, "%s", fmt.Sprintf(format, args...)).Permanent()
	e.Field = field
	return e
}
