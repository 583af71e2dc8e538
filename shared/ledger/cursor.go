package ledger

import (
	"encoding/base64"
	"fmt"
	"io/fs"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// place is where in a list, newest first, a page ends.
type place struct{ accepted, tie int64 }

// String is the cursor that callers see.
func (p place) String() string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "1.%d.%d", p.accepted, p.tie))
}

func parsePlace(cursor string) (place, error) {
	var p place
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		_, err = fmt.Sscanf(string(text), "1.%d.%d", &p.accepted, &p.tie)
	}
	if err != nil || p.String() != cursor {
		return p, fault.New(CodeCursor, "the cursor is none that a list gave").
			Expecting("the next of the page before, unchanged, or nothing for the first page").Permanent()
	}
	return p, nil
}

func sub(dir string) (fs.FS, error) { return fs.Sub(schema, "schema/"+dir) }
