//go:build !linux

package storage

// nameNew fails with fs.ErrExist when the name to is taken.
func nameNew(in folder, from, to string) error { return linkNew(in, from, to) }
