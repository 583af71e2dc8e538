package reader

import (
	"archive/zip"
	"cmp"
	"slices"
)

// headerBytes is how long a local header is without its name and extra fields.
const headerBytes = 30

// checkOverlap refuses entries that share bytes: with them an archive holds far
// more than its size, however modest the ratio of each entry. It reads the local
// header of each entry.
func checkOverlap(files []*zip.File) error {
	type body struct {
		name       string
		start, end int64
	}
	bodies := make([]body, 0, len(files))
	for _, f := range files {
		start, err := f.DataOffset()
		if err != nil {
			return fail(CodeArchive, "the entry %q can't be read: %w", f.Name, err)
		}
		end := start + int64(f.CompressedSize64)
		if end < start {
			return fail(CodeArchive, "the entry %q ends past any file", f.Name)
		}
		bodies = append(bodies, body{f.Name, start - headerBytes - int64(len(f.Name)), end})
	}
	slices.SortFunc(bodies, func(a, b body) int { return cmp.Compare(a.start, b.start) })
	for i := 1; i < len(bodies); i++ {
		if a, b := bodies[i-1], bodies[i]; b.start < a.end {
			return fail(CodeOverlap, "the entries %q and %q share bytes", a.name, b.name).
				Expecting("bytes of its own for each entry").Advise("pack the files again")
		}
	}
	return nil
}
