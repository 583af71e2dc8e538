package execution

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// Codes of refused requests.
const (
	CodeRequestJSON  fault.Code = "REQUEST_JSON"
	CodeRequestField fault.Code = "REQUEST_FIELD"
	// CodeConflict says that an id was used before for another content.
	CodeConflict fault.Code = "CONFLICT"
)

const maxDepth = 8 // a request nests three deep

// Origin says where on the queue a request was found. It completes what the
// payload leaves out, the same way on every redelivery.
type Origin struct {
	Mailbox  string    // from the subject
	ID       string    // from the subject, empty when it names only a mailbox
	Stream   string    // stream that first stored the message
	Sequence uint64    // its sequence there
	Time     time.Time // when it was stored
}

// Decode reads a request strictly (duplicate and unknown names are refused),
// completes it from where it was found and validates it. Its errors are permanent
// faults, but for the one of a request whose version is not known: that is [ErrNewer],
// and the request returned has only its names.
func Decode(data []byte, at Origin) (Request, error) {
	var r Request
	err := UnmarshalStrict(data, &r)
	if err != nil || r.Version > RequestVersion {
		if newer, ok := newerRequest(data, at); ok {
			return newer, Newer("a request", newer.Version, RequestVersion)
		}
	}
	if err != nil {
		return Request{}, err
	}
	if r.Mailbox != "" && r.Mailbox != at.Mailbox {
		return Request{}, fieldError(CodeMailbox, "mailbox", "%q was published for %q", r.Mailbox, at.Mailbox).
			Expecting("the mailbox of the subject, or none")
	}
	r.Mailbox = at.Mailbox
	switch {
	case r.ID == "" && at.ID != "":
		r.ID = at.ID
	case r.ID == "":
		r.ID = DeriveID(at)
	case at.ID != "" && at.ID != r.ID:
		return Request{}, fieldError(CodeID, "execution_id", "%q was published for %q", r.ID, at.ID).
			Expecting("the id of the subject, or none")
	}
	return r, r.Validate()
}

// DeriveID names an execution whose producer gave it no id. The time keeps it
// unique when a stream is made anew and counts from 1 again.
func DeriveID(at Origin) string {
	return fmt.Sprintf("%s-%d-%x", strings.ToLower(at.Stream), at.Sequence, at.Time.UnixMilli())
}

// UnmarshalStrict reads JSON that somebody sent: unknown names, names given twice,
// deep nesting and trailing data are refused, all of which encoding/json lets pass.
// All its errors are permanent faults.
func UnmarshalStrict(data []byte, v any) error {
	if err := unmarshalStrict(data, v); err != nil {
		return fault.New(CodeRequestJSON, "%w", err).
			Expecting("one JSON object as the request schema describes").Permanent()
	}
	return nil
}

// unmarshalStrict is json.Unmarshal that refuses unknown names, names given
// twice, deep nesting and trailing data, all of which encoding/json lets pass.
func unmarshalStrict(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return located(err, len(data))
	}
	end := dec.InputOffset()
	if rest := bytes.TrimSpace(data[end:]); len(rest) > 0 {
		return fmt.Errorf("at byte %d: data after the object", end)
	}
	return checkNames(data)
}

// located says where err is in size bytes of JSON, if it is of their syntax.
func located(err error, size int) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("at byte %d: %w", syntax.Offset, err)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("at byte %d: %w", size, io.ErrUnexpectedEOF)
	}
	return err
}

// checkNames looks through one JSON value, which is known to be well-formed, for
// names given twice and for deep nesting. It is a scan of its own because tokens of
// encoding/json would copy every text, and the configuration is one.
func checkNames(data []byte) error {
	type level struct {
		object bool
		names  []string
	}
	var open []level
	wantName := false
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{', '[':
			if len(open) == maxDepth {
				return fmt.Errorf("at byte %d: nested deeper than %d", i, maxDepth)
			}
			wantName = data[i] == '{'
			open = append(open, level{object: wantName})
		case '}', ']':
			open = open[:len(open)-1]
		case ',':
			wantName = open[len(open)-1].object
		case '"':
			end := stringEnd(data, i)
			if wantName {
				top := &open[len(open)-1]
				name, err := nameOf(data[i:end])
				if err != nil {
					return fmt.Errorf("at byte %d: %w", i, err)
				}
				if slices.ContainsFunc(top.names, func(seen string) bool { return strings.EqualFold(seen, name) }) {
					return fmt.Errorf("at byte %d: name %.40q given twice", i, name)
				}
				top.names, wantName = append(top.names, name), false
			}
			i = end - 1
		}
	}
	return nil
}

// stringEnd is the index after the string that begins at start.
func stringEnd(data []byte, start int) int {
	for i := start + 1; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(data)
}

// nameOf is what a string in quotes says.
func nameOf(quoted []byte) (name string, err error) {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1]), nil
	}
	err = json.Unmarshal(quoted, &name)
	return name, err
}
