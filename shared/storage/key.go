package storage

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// Limits on keys: what S3 takes as a whole and file systems take per element, so
// that a key is good everywhere or nowhere.
const (
	maxKey     = 1024 // bytes
	maxElement = 255  // bytes
)

// tempPrefix begins the names of files that are still being written. No element
// of a key may begin with it.
const tempPrefix = ".sagefleet-tmp-"

// checkKey refuses keys that could mean something other than one object below
// the store's root.
func checkKey(key string) error {
	if key == "" {
		return invalidKey(key, "is empty")
	}
	if err := checkText(key); err != nil {
		return err
	}
	for element := range strings.SplitSeq(key, "/") {
		if reason := elementProblem(element); reason != "" {
			return invalidKey(key, reason)
		}
	}
	return nil
}

// checkPrefix refuses prefixes that no key can have. The last element may be cut
// anywhere, so only those before it are held to the rules of a key.
func checkPrefix(prefix string) error {
	if err := checkText(prefix); err != nil {
		return err
	}
	cut := strings.LastIndexByte(prefix, '/')
	if cut < 0 {
		return nil
	}
	return checkKey(prefix[:cut])
}

func checkText(key string) error {
	switch {
	case len(key) > maxKey:
		return invalidKey(key[:64], "begins a key that is too long")
	case !utf8.ValidString(key):
		return invalidKey(key, "is not UTF-8")
	case strings.ContainsFunc(key, unicode.IsControl):
		return invalidKey(key, "holds a control character")
	}
	return nil
}

func elementProblem(element string) string {
	switch {
	case element == "":
		return "has an empty element"
	case element == "." || element == "..":
		return `has the element "` + element + `"`
	case len(element) > maxElement:
		return "has an element that is too long"
	case strings.HasPrefix(element, tempPrefix):
		return "has an element reserved for files being written"
	}
	return ""
}

func invalidKey(key, problem string) error {
	return fault.New(CodeKeyInvalid, "key %q %s", key, problem).
		Expecting("UTF-8 elements of 1 to %d bytes, separated by slashes, %d bytes in all", maxElement, maxKey).
		Advise(`name the object relative to the store, without "." or "..", control characters or %q`, tempPrefix).
		Permanent()
}
