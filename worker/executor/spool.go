package executor

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// scratch is the folder of one execution, made when something is put into it:
// making and removing it costs more than a small file takes to check.
type scratch struct {
	parent, dir string
}

func (s *scratch) create(name string) (*os.File, error) {
	if s.dir == "" {
		dir, err := os.MkdirTemp(s.parent, "sage-")
		if err != nil {
			return nil, fmt.Errorf("make a scratch directory: %w", err)
		}
		s.dir = dir
	}
	return os.OpenFile(filepath.Join(s.dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
}

func (s *scratch) remove() error {
	if s.dir == "" {
		return nil
	}
	return os.RemoveAll(s.dir)
}

// maxInMemory is how large a file may be that is never put on the disk: a slot's
// share of memory is a few times that for any file.
const maxInMemory = 256 << 10

// spool is a file that is being fetched: in memory, until it is too large.
type spool struct {
	limit  int
	create func() (*os.File, error)
	data   bytes.Buffer
	file   *os.File
}

// newSpool returns a spool for a file of that name. Workbooks and archives are read
// in any order, from the disk.
func newSpool(s *scratch, name string, index int) *spool {
	extension := strings.ToLower(filepath.Ext(name))
	out := &spool{limit: maxInMemory, create: func() (*os.File, error) { return s.create(fmt.Sprintf("%04d%.16s", index, extension)) }}
	if slices.Contains([]string{".zip", ".xlsx", ".xls"}, extension) {
		out.limit = -1
	}
	return out
}

// Write implements io.Writer.
func (s *spool) Write(p []byte) (int, error) {
	if s.file == nil && s.data.Len()+len(p) <= s.limit {
		return s.data.Write(p)
	}
	if err := s.spill(); err != nil {
		return 0, err
	}
	return s.file.Write(p)
}

// spill puts on the disk what came so far.
func (s *spool) spill() error {
	if s.file != nil {
		return nil
	}
	var err error
	if s.file, err = s.create(); err != nil {
		return err
	}
	_, err = s.data.WriteTo(s.file)
	s.data = bytes.Buffer{}
	return err
}

// close returns where the file is, or the file itself.
func (s *spool) close() (path string, data []byte, err error) {
	if s.limit < 0 {
		err = s.spill() // even what is empty
	}
	if s.file == nil {
		return "", s.data.Bytes(), err
	}
	if closing := s.file.Close(); err == nil {
		err = closing
	}
	return s.file.Name(), nil, err
}
