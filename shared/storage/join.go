package storage

import "strings"

// Join returns the URI of the object at key in the store at storeURL: what a
// request names a file by. The store's parameters are not part of it, and the
// key stands in it as it is, not percent-encoded.
func Join(storeURL, key string) string {
	base, _, _ := strings.Cut(storeURL, "?")
	return strings.TrimSuffix(base, "/") + "/" + key
}
