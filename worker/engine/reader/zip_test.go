package reader_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/worker/engine/reader"
)

// archive writes a ZIP of entries, given as name, content, name, content.
func archive(t *testing.T, entries ...string) string {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for i := 0; i < len(entries); i += 2 {
		f, err := w.Create(entries[i])
		if err == nil {
			_, err = io.WriteString(f, entries[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return save(t, buf.Bytes())
}

func save(t *testing.T, data []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "data.zip")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestArchiveRefuses(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range 1001 {
		many = append(many, fmt.Sprintf("%d.csv", i), "")
	}
	var link bytes.Buffer
	w := zip.NewWriter(&link)
	header := &zip.FileHeader{Name: "a.csv"}
	header.SetMode(0o777 | os.ModeSymlink)
	if _, err := w.CreateHeader(header); err != nil {
		t.Fatal(err)
	}
	w.Close()
	whole, err := os.ReadFile(archive(t, "a.csv", "a\n1\n"))
	if err != nil {
		t.Fatal(err)
	}
	directory := bytes.Index(whole, []byte("PK\x01\x02"))
	encrypted := bytes.Clone(whole)
	encrypted[directory+8] |= 1 // of the flags
	overlapping, err := os.ReadFile(archive(t, "a.csv", "a\n1\n", "b.csv", "a\n1\n"))
	if err != nil {
		t.Fatal(err)
	}
	second := bytes.LastIndex(overlapping, []byte("PK\x01\x02"))
	copy(overlapping[second+42:second+46], make([]byte, 4)) // the place of its local header
	tests := map[string]struct {
		file string
		code fault.Code
	}{
		"bomb":         {archive(t, "a.csv", string(make([]byte, 4<<20))), reader.CodeBomb},
		"many entries": {archive(t, many...), reader.CodeBomb},
		"slip":         {archive(t, "../../etc/passwd", "x"), reader.CodeEntryName},
		"backslashes":  {archive(t, `..\..\x`, "x"), reader.CodeEntryName},
		"absolute":     {archive(t, "/etc/passwd", "x"), reader.CodeEntryName},
		"link":         {save(t, link.Bytes()), reader.CodeEntryName},
		"nested":       {archive(t, "inner.ZIP", "x"), reader.CodeNested},
		"cut short":    {save(t, whole[:len(whole)-10]), reader.CodeArchive},
		"drive":        {archive(t, "C:/a.csv", "x"), reader.CodeEntryName},
		"password":     {save(t, encrypted), reader.CodeEncrypted},
		"overlap":      {save(t, overlapping), reader.CodeOverlap},
		"not a ZIP":    {save(t, []byte("a,b\n1,2\n")), reader.CodeArchive},
	}
	for name, tt := range tests {
		_, err := reader.OpenArchive(tt.file, reader.DefaultLimits())
		if fault.CodeOf(err) != tt.code || !fault.IsPermanent(err) {
			t.Errorf("%s: %v, want a permanent %s", name, err, tt.code)
		}
	}
}

// TestArchiveCountsWhatItReads: an entry that lies about its size is stopped.
func TestArchiveCountsWhatItReads(t *testing.T) {
	t.Parallel()
	name := archive(t, "a.csv", string(make([]byte, 4<<20)))
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	size := []byte{0, 0, 0x40, 0} // 4 MiB, in the directory
	i := bytes.LastIndex(data, size)
	copy(data[i:], []byte{100, 0, 0, 0})
	a, err := reader.OpenArchive(save(t, data), reader.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	in, err := a.Open("a.csv")
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, in)
	if code := fault.CodeOf(err); code != reader.CodeBomb && code != reader.CodeArchive {
		t.Errorf("%d bytes read, %v", n, err)
	}
	if n > 1<<20 {
		t.Errorf("%d bytes came out of an entry that says 100", n)
	}
}

func TestArchiveFind(t *testing.T) {
	t.Parallel()
	a, err := reader.OpenArchive(archive(t, "x/ventas.csv", "1", "CLIENTES.CSV", "2", "a/Dos.csv", "3", "b/DOS.csv", "4", "dir/", ""), reader.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	tests := map[string]struct {
		want string
		code fault.Code
	}{
		"ventas.csv":   {want: "x/ventas.csv"},
		"clientes.csv": {want: "CLIENTES.CSV"},
		"Dos.csv":      {want: "a/Dos.csv"},
		"dos.csv":      {code: reader.CodeArchive},
		"otro.csv":     {},
	}
	for filename, tt := range tests {
		got, err := a.Find(filename)
		if got != tt.want || err != nil && fault.CodeOf(err) != tt.code || (err == nil) != (tt.code == "") {
			t.Errorf("Find(%q) = %q, %v, want %q %s", filename, got, err, tt.want, tt.code)
		}
	}
	if names := a.Names(); len(names) != 4 {
		t.Errorf("Names() = %q, want 4 files", names)
	}
}
