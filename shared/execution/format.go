package execution

import (
	"encoding/json"
	"errors"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// What the fleet's components write for each other has a format with a version. A
// field that is not known is ignored. What must not be ignored raises the version, which
// is written only where it is needed: 0 means 1. See ARCHITECTURE.md, "Two versions at once".

// RequestVersion is the highest version of the request's format that this code knows. A
// request knows no ignored fields, so every new one raises it.
const RequestVersion = 1

// DelegationVersion is the same for what a bridge adds to the request.
const DelegationVersion = 1

// CodeVersion says that something has a format that this program doesn't know.
const CodeVersion fault.Code = "FORMAT_VERSION"

// ErrNewer says that something is for a newer version of the program. Nobody's attempt has
// failed, and nothing is to be written in its place: it is left to those who know it.
var ErrNewer = errors.New("written by a newer version of the fleet")

// Newer is the fault of what has a version above the one known.
func Newer(what string, version, known int) error {
	return fault.New(CodeVersion, "%s of version %d: %w", what, version, ErrNewer).
		Expecting("version %d at most", known).Advise("upgrade this program")
}

// CheckVersion returns a fault that is [ErrNewer] when version is above the one known.
func CheckVersion(what string, version, known int) error {
	if version > known {
		return Newer(what, version, known)
	}
	return nil
}

// CheckFormat is CheckVersion for JSON that may not have the form any more that is known:
// of that it reads the version alone, and finds nothing wrong where there is none.
func CheckFormat(what string, data []byte, known int) error {
	var it struct {
		Version int `json:"version"`
	}
	if json.Unmarshal(data, &it) != nil {
		return nil
	}
	return CheckVersion(what, it.Version, known)
}

// newerRequest returns what every version of a request says of itself: enough to leave it
// where others find it.
func newerRequest(data []byte, at Origin) (Request, bool) {
	var it struct {
		Version    int    `json:"version"`
		ID         string `json:"execution_id"`
		Generation int    `json:"generation"`
	}
	if json.Unmarshal(data, &it) != nil || it.Version <= RequestVersion {
		return Request{}, false
	}
	r := Request{Version: it.Version, Mailbox: at.Mailbox, ID: it.ID, Generation: max(it.Generation, 0)}
	if ValidateID(r.ID) != nil {
		r.ID = at.ID
	}
	if r.ID == "" {
		r.ID = DeriveID(at)
	}
	return r, true
}
