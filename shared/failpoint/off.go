//go:build !failpoints || !unix

package failpoint

// Hit does nothing in this build.
func Hit(Point) {}

// Err returns nil in this build.
func Err(Point) error { return nil }
