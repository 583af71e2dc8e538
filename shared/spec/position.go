package spec

// position is where a scalar stands in the file, and how offsets in its value
// become columns.
type position struct {
	line, column int
}
