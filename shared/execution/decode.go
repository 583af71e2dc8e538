package execution

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
// completes it from where it was found and validates it. All its errors are
// permanent faults.
func Decode(data []byte, at Origin) (Request, error) {
	var r Request
	if err := unmarshalRequest(data, &r); err != nil {
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

func unmarshalRequest(data []byte, v any) error {
	if err := unmarshalStrict(data, v); err != nil {
		return fault.New(CodeRequestJSON, "%w", err).
			Expecting("one JSON object as the request schema describes").Permanent()
	}
	return nil
}

// unmarshalStrict is json.Unmarshal that refuses unknown names, names given
// twice, deep nesting and trailing data, all of which encoding/json lets pass.
func unmarshalStrict(data []byte, v any) error {
	if err := checkNames(data); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	return dec.Decode(v)
}

// checkNames walks the tokens of one JSON value.
func checkNames(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	var open []map[string]bool // names seen per open object; nil for an array
	wantName := false
	for {
		tok, err := dec.Token()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("at byte %d: %w", dec.InputOffset(), err)
		}
		switch tok := tok.(type) {
		case json.Delim:
			switch tok {
			case '{':
				open = append(open, map[string]bool{})
			case '[':
				open = append(open, nil)
			default:
				open = open[:len(open)-1]
			}
			if len(open) > maxDepth {
				return fmt.Errorf("at byte %d: nested deeper than %d", dec.InputOffset(), maxDepth)
			}
		case string:
			if wantName {
				seen := open[len(open)-1]
				name := strings.ToLower(strings.ToUpper(tok)) // folds as widely as encoding/json
				if seen[name] {
					return fmt.Errorf("at byte %d: name %.40q given twice", dec.InputOffset(), tok)
				}
				seen[name], wantName = true, false
				continue
			}
		}
		if len(open) == 0 {
			break
		}
		wantName = open[len(open)-1] != nil
	}
	if rest := bytes.TrimSpace(data[dec.InputOffset():]); len(rest) > 0 {
		return fmt.Errorf("at byte %d: data after the object", dec.InputOffset())
	}
	return nil
}
