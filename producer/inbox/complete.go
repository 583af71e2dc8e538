package inbox

import (
	"io/fs"
	"os"
	"strings"
	"time"
)

// sight is when a file was first seen as it is.
type sight struct {
	info  fs.FileInfo
	since time.Time
}

// again looks at the file another time.
func (s sight) again(info fs.FileInfo, now time.Time) sight {
	if s.info != nil && same(s.info, info) {
		return s
	}
	return sight{info, now}
}

// settled reports whether it has not changed for so long.
func (s sight) settled(now time.Time, settle time.Duration) bool { return now.Sub(s.since) >= settle }

// same reports whether two looks saw the same file with the same content, as far as its
// size and its time tell.
func same(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}

// passing reports whether a name is that of a file that is yet to be renamed, as
// programs that transfer files do.
func passing(name string) bool {
	lower := strings.ToLower(name)
	if strings.HasPrefix(lower, ".") || strings.HasSuffix(lower, "~") {
		return true
	}
	for _, suffix := range []string{".part", ".tmp", ".filepart", ".partial", ".crdownload", ".swp"} {
		if strings.HasSuffix(lower, suffix) {
			return true
		}
	}
	return false
}
