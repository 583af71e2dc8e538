package intake

import (
	"strings"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// Codes of inputs that can't be read.
const (
	CodeForbidden fault.Code = "INPUT_FORBIDDEN" // outside what the mailbox may read
	CodeMissing   fault.Code = "INPUT_MISSING"
)

// Places are where a mailbox's inputs may lie: prefixes of URIs, in which
// {mailbox} stands for its name. Nothing else is ever opened, so that a request
// can't have the fleet read what its author may not.
type Places []string

// OwnPlaces are those of a fleet that is told no others: below inputs/ of its own
// store.
func OwnPlaces(objects storage.Store) Places {
	return Places{storage.Join(objects.URL(), Root+"{mailbox}/")}
}

// Place is what a URI means.
type Place struct {
	Store string // URL of the store; empty when it is the fleet's own
	Key   string // in that store
}

// Find says what a URI means to a mailbox, or refuses it. A URI is taken
// literally, not percent-decoded; what follows the prefix is a storage key, which
// the store itself keeps inside its root. own is the URL of the fleet's store.
func (p Places) Find(own, mailbox, uri string) (Place, error) {
	for _, pattern := range p {
		location, query, _ := strings.Cut(strings.ReplaceAll(pattern, "{mailbox}", mailbox), "?")
		location = strings.TrimSuffix(location, "/") + "/"
		key, ok := strings.CutPrefix(uri, location)
		if !ok {
			continue
		}
		if under, ok := strings.CutPrefix(location, storage.Join(own, "")); ok {
			return Place{Key: under + key}, nil
		}
		if query != "" {
			location += "?" + query
		}
		return Place{Store: location, Key: key}, nil
	}
	return Place{}, fault.New(CodeForbidden, "mailbox %s may not read %s", mailbox, uri).
		Expecting("a URI under %s", strings.ReplaceAll(strings.Join(p, " or "), "{mailbox}", mailbox)).
		Advise("put the file there, or allow its place with INPUT_PREFIXES").Permanent()
}
