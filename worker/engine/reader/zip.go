package reader

import (
	"archive/zip"
	"errors"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// Archive is a ZIP file whose entries have been found harmless by their names
// and sizes. What an entry says about its size isn't believed when it is read.
type Archive struct {
	zip    *zip.ReadCloser
	limits Limits
}

// OpenArchive opens a ZIP file.
func OpenArchive(name string, limits Limits) (*Archive, error) {
	archive, err := zip.OpenReader(name)
	if err != nil {
		return nil, fail(CodeArchive, "the file is not a ZIP archive: %w", err).
			Advise("send it again; it may have been cut short on the way")
	}
	a := &Archive{zip: archive, limits: limits}
	if err := a.check(); err != nil {
		return nil, closing(err, archive)
	}
	return a, nil
}

// Close releases the file.
func (a *Archive) Close() error { return a.zip.Close() }

func (a *Archive) check() error {
	if err := checkEntries(a.zip.File, a.limits); err != nil {
		return err
	}
	for _, f := range a.zip.File {
		if strings.EqualFold(path.Ext(f.Name), ".zip") {
			return fail(CodeNested, "the archive contains the archive %q", f.Name).Expecting("the files themselves")
		}
	}
	return nil
}

// checkEntries refuses an archive by what it says of itself.
func checkEntries(files []*zip.File, limits Limits) error {
	if len(files) > limits.Entries {
		return fail(CodeBomb, "the archive has %d entries", len(files)).Expecting("at most %d", limits.Entries)
	}
	for _, f := range files {
		name := strings.ReplaceAll(f.Name, `\`, "/")
		if !filepath.IsLocal(strings.TrimSuffix(name, "/")) || strings.ContainsRune(name, 0) || onDrive(name) {
			return fail(CodeEntryName, "the entry %q points out of the archive", f.Name).Expecting("relative names")
		}
		if mode := f.Mode(); mode.Type() != 0 && !mode.IsDir() {
			return fail(CodeEntryName, "the entry %q is not a regular file", f.Name).Expecting("files and folders")
		}
		if f.Flags&1 != 0 {
			return fail(CodeEncrypted, "the entry %q is encrypted", f.Name).Expecting("files without a password").
				Advise("pack it again without a password; the way here is protected by other means")
		}
		if tooDense(f.UncompressedSize64, f.CompressedSize64, limits) {
			return bomb(f.Name)
		}
	}
	return checkOverlap(files)
}

// onDrive reports whether a name begins with a drive of Windows, wherever this
// runs: an archive is refused everywhere or nowhere.
func onDrive(name string) bool { return len(name) > 1 && name[1] == ':' }

func tooDense(unpacked, packed uint64, limits Limits) bool {
	return unpacked > uint64(limits.Free) && unpacked > packed*uint64(limits.Ratio) || unpacked > uint64(limits.Unpacked)
}

func bomb(name string) *fault.Error {
	return fail(CodeBomb, "the entry %q unpacks to far more than its size", name).
		Expecting("a ratio that real data has").Advise("if the file is genuine, send it without compression")
}

// Find returns the name of the entry that is the file of that name: in any
// folder, and in any case when that is unambiguous. It is empty when there is
// none.
func (a *Archive) Find(filename string) (string, error) {
	var exact, folded []string
	for _, name := range a.Names() {
		switch base := path.Base(strings.ReplaceAll(name, `\`, "/")); {
		case base == filename:
			exact = append(exact, name)
		case strings.EqualFold(base, filename):
			folded = append(folded, name)
		}
	}
	matches := exact
	if len(matches) == 0 {
		matches = folded
	}
	switch len(matches) {
	case 0:
		return "", nil
	case 1:
		return matches[0], nil
	default:
		return "", fail(CodeArchive, "the archive has several files that may be %q: %s", filename, strings.Join(matches, ", ")).
			Expecting("one")
	}
}

// Names lists the files of the archive, in its order.
func (a *Archive) Names() []string {
	var names []string
	for _, f := range a.zip.File {
		if !f.Mode().IsDir() && !strings.HasSuffix(f.Name, "/") {
			names = append(names, f.Name)
		}
	}
	return names
}

// Open reads an entry, under the limits.
func (a *Archive) Open(name string) (io.ReadCloser, error) {
	for _, f := range a.zip.File {
		if f.Name != name {
			continue
		}
		in, err := f.Open()
		if err != nil {
			return nil, fail(CodeArchive, "the entry %q can't be read: %w", name, err)
		}
		return &entry{in: in, file: f, limits: a.limits}, nil
	}
	return nil, fail(CodeArchive, "the archive has no entry %q", name)
}

// entry counts the bytes of an entry as they are read.
type entry struct {
	in     io.ReadCloser
	file   *zip.File
	limits Limits
	read   uint64
}

func (e *entry) Read(p []byte) (int, error) {
	n, err := e.in.Read(p)
	e.read += uint64(n)
	if tooDense(e.read, e.file.CompressedSize64, e.limits) {
		return n, bomb(e.file.Name)
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, fs.ErrClosed) {
		// Not wrapped: who reads whole blocks takes io.ErrUnexpectedEOF for the end.
		err = fail(CodeArchive, "the entry %q is damaged: %v", e.file.Name, err)
	}
	return n, err
}

func (e *entry) Close() error { return e.in.Close() }
