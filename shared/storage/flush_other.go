//go:build !linux

package storage

import "os"

// newWholeSync returns nil: everyone syncs its own.
func newWholeSync(*os.Root) wholeSync { return nil }
