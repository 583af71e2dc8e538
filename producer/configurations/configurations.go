// Package configurations keeps the named configurations of mailboxes, in versions
// that never change.
//
// A request carries the text that a name stood for when it was accepted, so
// workers know nothing of names, and a later version changes no accepted work.
package configurations

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// Codes of configurations that can't be kept or found.
const (
	CodeInvalid   fault.Code = "CONFIGURATION_INVALID" // wraps [Invalid]
	CodeUnknown   fault.Code = "CONFIGURATION_UNKNOWN"
	CodeReference fault.Code = "CONFIGURATION_REFERENCE" // not name or name@version
	CodeDamaged   fault.Code = "CONFIGURATION_DAMAGED"   // what is stored is not what was put
)

// Root is the prefix of every named configuration in storage.
const Root = "configurations/"

const maxVersion = 999_999 // fits versionFormat, so that keys sort as versions do

const versionFormat = "%06d"

// Version describes one version of one configuration.
type Version struct {
	Mailbox string    `json:"mailbox"`
	Name    string    `json:"name"`
	Version int       `json:"version"` // from 1
	SHA256  string    `json:"sha256"`  // hex, of the text
	Size    int       `json:"size"`    // bytes
	By      string    `json:"by"`
	At      time.Time `json:"at"`
	Note    string    `json:"note,omitempty"`
}

// Ref is the reference that means v and nothing else.
func (v Version) Ref() Ref { return Ref{v.Name, v.Version} }

// Ref is a name, and a version; 0 means the latest.
type Ref struct {
	Name    string
	Version int
}

// String is name, or name@version.
func (r Ref) String() string {
	if r.Version == 0 {
		return r.Name
	}
	return r.Name + "@" + strconv.Itoa(r.Version)
}

var reference = regexp.MustCompile(`^([A-Za-z0-9_-]{1,64})(?:@([1-9][0-9]{0,5}))?$`)

// ParseRef reads name or name@version.
func ParseRef(text string) (Ref, error) {
	parts := reference.FindStringSubmatch(text)
	if parts == nil {
		return Ref{}, fault.New(CodeReference, "%.80q names no configuration", text).
			Expecting("a name such as ventas, or name@version such as ventas@3").Permanent()
	}
	version, _ := strconv.Atoi(parts[2]) // its form is known
	return Ref{parts[1], version}, nil
}

// Invalid is the cause of a CONFIGURATION_INVALID fault: all that is wrong.
type Invalid struct{ Issues spec.Issues }

func (i Invalid) Error() string {
	for _, issue := range i.Issues {
		if issue.Severity == spec.Error {
			return issue.Error.Error()
		}
	}
	return "it can't be used"
}

// Check parses a configuration and refuses what can't be used at all. The issues
// that remain are for its author to know.
func Check(file string, text []byte) (spec.Issues, error) {
	_, issues := spec.Parse(file, text)
	if !issues.Structural() {
		return issues, nil
	}
	return issues, fault.New(CodeInvalid, "the configuration %.80q: %w", file, Invalid{issues}).
		Advise("look at all that is wrong with `sage check`").Permanent()
}

// Store keeps configurations in objects.
type Store struct{ objects storage.Store }

// New returns a Store over objects.
func New(objects storage.Store) *Store { return &Store{objects: objects} }

func prefix(mailbox, name string) string { return path.Join(Root, mailbox, name) + "/" }

func key(v Version) string {
	return prefix(v.Mailbox, v.Name) + fmt.Sprintf(versionFormat, v.Version)
}

// Put keeps text as the next version of a name, and returns that; or the latest
// one, with created false, when that has the same text. What is wrong with it
// without making it useless is told in issues.
func (s *Store) Put(ctx context.Context, mailbox, name string, text []byte, by, note string) (v Version, created bool, issues spec.Issues, err error) {
	if issues, err = Check(name, text); err != nil {
		return v, false, issues, err
	}
	sum := sha256.Sum256(text)
	v = Version{Mailbox: mailbox, Name: name, SHA256: hex.EncodeToString(sum[:]), Size: len(text), By: by, At: time.Now().UTC(), Note: note}
	for {
		latest, err := s.latest(ctx, mailbox, name)
		switch {
		case err == nil && latest.SHA256 == v.SHA256:
			return latest, false, issues, nil
		case err != nil && fault.CodeOf(err) != CodeUnknown:
			return v, false, issues, err
		case latest.Version == maxVersion:
			return v, false, issues, fault.New(CodeReference, "%s has %d versions", name, maxVersion).Advise("go on under another name").Permanent()
		}
		v.Version = latest.Version + 1
		head, err := json.Marshal(v)
		if err != nil {
			return v, false, issues, err
		}
		err = s.objects.Create(ctx, key(v), encode(head, text))
		if err == nil {
			return v, true, issues, nil
		}
		if !errors.Is(err, storage.ErrExists) { // it may be there all the same: another try finds it
			return v, false, issues, err
		}
	}
}

// encode is the form of an object: a line that describes it, then the text.
func encode(head, text []byte) []byte { return bytes.Join([][]byte{head, text}, []byte("\n")) }

// Get returns what a reference means now, and its text.
func (s *Store) Get(ctx context.Context, mailbox string, ref Ref) (Version, []byte, error) {
	if err := validate(mailbox, ref.Name); err != nil {
		return Version{}, nil, err
	}
	if ref.Version == 0 {
		latest, err := s.latest(ctx, mailbox, ref.Name)
		if err != nil {
			return latest, nil, err
		}
		ref.Version = latest.Version
	}
	return s.read(ctx, Version{Mailbox: mailbox, Name: ref.Name, Version: ref.Version})
}

func (s *Store) read(ctx context.Context, v Version) (Version, []byte, error) {
	body, err := s.objects.Get(ctx, key(v))
	if errors.Is(err, storage.ErrNotFound) {
		return v, nil, unknown(v.Mailbox, v.Ref())
	}
	if err != nil {
		return v, nil, err
	}
	defer func() { _ = body.Close() }()
	stored, text, err := decode(body)
	sum := sha256.Sum256(text)
	switch {
	case err != nil:
		return v, nil, fmt.Errorf("configuration %s of mailbox %s: %w", v.Ref(), v.Mailbox, err)
	case stored.Mailbox != v.Mailbox || stored.Ref() != v.Ref() || stored.SHA256 != hex.EncodeToString(sum[:]):
		return v, nil, fault.New(CodeDamaged, "configuration %s of mailbox %s is not what was put", v.Ref(), v.Mailbox).
			Advise("put it again, as another version").Permanent()
	}
	return stored, text, nil
}

func decode(r io.Reader) (v Version, text []byte, err error) {
	const most = spec.MaxBytes + 4<<10
	lines := bufio.NewReader(io.LimitReader(r, most))
	head, err := lines.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(head, &v)
	}
	if err != nil {
		return v, nil, fault.New(CodeDamaged, "its first line: %w", err).Permanent()
	}
	text, err = io.ReadAll(lines)
	return v, text, err
}

// latest is the last version of a name.
func (s *Store) latest(ctx context.Context, mailbox, name string) (Version, error) {
	if err := validate(mailbox, name); err != nil {
		return Version{}, err
	}
	var last Version
	for v, err := range s.keys(ctx, prefix(mailbox, name)) {
		if err != nil {
			return last, err
		}
		last = v
	}
	if last.Version == 0 {
		return last, unknown(mailbox, Ref{Name: name})
	}
	v, _, err := s.read(ctx, last)
	return v, err
}

// Versions lists all versions of a name, the oldest first.
func (s *Store) Versions(ctx context.Context, mailbox, name string) ([]Version, error) {
	if err := validate(mailbox, name); err != nil {
		return nil, err
	}
	var all []Version
	for v, err := range s.keys(ctx, prefix(mailbox, name)) {
		if err == nil {
			v, _, err = s.read(ctx, v)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	if len(all) == 0 {
		return nil, unknown(mailbox, Ref{Name: name})
	}
	return all, nil
}

// List returns the latest version of each name of a mailbox, by name.
func (s *Store) List(ctx context.Context, mailbox string) ([]Version, error) {
	if err := execution.ValidateMailbox(mailbox); err != nil {
		return nil, err
	}
	var all []Version
	for v, err := range s.keys(ctx, path.Join(Root, mailbox)+"/") {
		if err != nil {
			return nil, err
		}
		if n := len(all); n > 0 && all[n-1].Name == v.Name {
			all[n-1] = v
			continue
		}
		all = append(all, v)
	}
	for i, v := range all {
		var err error
		if all[i], _, err = s.read(ctx, v); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// keys yields what the keys under a prefix say of versions, in their order.
func (s *Store) keys(ctx context.Context, under string) func(func(Version, error) bool) {
	return func(yield func(Version, error) bool) {
		for info, err := range s.objects.List(ctx, under) {
			if err != nil {
				yield(Version{}, err)
				return
			}
			parts := strings.Split(info.Key, "/")
			if len(parts) != 4 {
				continue
			}
			n, err := strconv.Atoi(parts[3])
			if v := (Version{Mailbox: parts[1], Name: parts[2], Version: n}); err == nil && key(v) == info.Key && !yield(v, nil) {
				return
			}
		}
	}
}

func validate(mailbox, name string) error {
	if err := execution.ValidateMailbox(mailbox); err != nil {
		return err
	}
	if r, err := ParseRef(name); err != nil || r.Version != 0 {
		return fault.New(CodeReference, "%.80q is no name of a configuration", name).Expecting("1 to 64 of A-Z a-z 0-9 _ -").Permanent()
	}
	return nil
}

func unknown(mailbox string, r Ref) error {
	return fault.New(CodeUnknown, "mailbox %s has no configuration %s", mailbox, r).
		Expecting("one that `sage config list` names").Advise("keep it there with `sage config put`").Permanent()
}
