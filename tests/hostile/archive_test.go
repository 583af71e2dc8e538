package hostile

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"strings"

	"github.com/sagefleet/sagefleet/worker/engine/reader"
)

var archiveClasses = []class{
	{"zip/bomb", zipBombs},
	{"zip/nested", nestedZips},
	{"zip/entries", crowdedZips},
	{"zip/overlap", overlappingZips},
	{"zip/slip", slippingZips},
	{"zip/special", specialEntries},
	{"zip/encrypted", encryptedZips},
	{"zip/truncated", truncatedZips},
	{"zip/damaged", damagedZips},
	{"zip/ambiguous", ambiguousZips},
	{"zip/method", strangeMethods},
	{"zip/disguised", disguisedZips},
}

// part is an entry of an archive. A header that isn't nil is taken as it is.
type part struct {
	name    string
	content content
	stored  bool
	header  func(*zip.FileHeader)
}

func archive(parts ...part) content {
	return func(w io.Writer, dir string) error {
		z := zip.NewWriter(w)
		for _, p := range parts {
			header := &zip.FileHeader{Name: strings.ReplaceAll(p.name, "DIR", dir), Method: zip.Deflate}
			if p.stored {
				header.Method = zip.Store
			}
			if p.header != nil {
				p.header(header)
			}
			out, err := z.CreateHeader(header)
			if err == nil && p.content != nil {
				err = p.content(out, dir)
			}
			if err != nil {
				return err
			}
		}
		return z.Close()
	}
}

// directory lets change see every record of an archive's central directory, and
// the bytes of the whole archive.
func directory(c content, change func(i int, record, all []byte)) content {
	return func(w io.Writer, dir string) error {
		all, err := bytesOf(c, dir)
		if err != nil {
			return err
		}
		at := int(binary.LittleEndian.Uint32(all[len(all)-6:])) // no comment, so the end record is the last 22 bytes
		for i := 0; bytes.HasPrefix(all[at:], []byte("PK\x01\x02")); i++ {
			record := all[at:]
			change(i, record, all)
			u16 := binary.LittleEndian.Uint16
			at += 46 + int(u16(record[28:])) + int(u16(record[30:])) + int(u16(record[32:]))
		}
		_, err = w.Write(all)
		return err
	}
}

// forged is an archive of one entry whose header says what it likes.
func forged(body []byte, change func(*zip.FileHeader)) content {
	return func(w io.Writer, _ string) error {
		var packed bytes.Buffer
		deflate, err := flate.NewWriter(&packed, flate.BestCompression)
		if err != nil {
			return err
		}
		if _, err := deflate.Write(body); err != nil {
			return err
		}
		if err := deflate.Close(); err != nil {
			return err
		}
		header := &zip.FileHeader{Name: "c.csv", Method: zip.Deflate, CRC32: crc32.ChecksumIEEE(body),
			UncompressedSize64: uint64(len(body)), CompressedSize64: uint64(packed.Len())}
		change(header)
		z := zip.NewWriter(w)
		out, err := z.CreateRaw(header)
		if err != nil {
			return err
		}
		if _, err := out.Write(packed.Bytes()); err != nil {
			return err
		}
		return z.Close()
	}
}

// packages are specimens of archives.
func packages(specimens ...specimen) []specimen {
	for i := range specimens {
		specimens[i].file = "data.zip"
	}
	return specimens
}

func zipBombs() []specimen {
	header := "a,n,f\n"
	var all []specimen
	for _, mib := range []int{1, 16, 64} {
		for name, unit := range map[string]string{"zeros": strings.Repeat("\x00", 1024), "rows": strings.Repeat("x,1,2024-01-01\n", 64)} {
			bomb := around(header, repeat(unit, mib<<20/len(unit)), "")
			all = append(all,
				specimen{name: fmt.Sprintf("%s of %d MiB", name, mib), data: archive(part{name: "c.csv", content: bomb}), exit: 2, code: reader.CodeBomb},
			)
			if mib < 64 {
				all = append(all, specimen{name: fmt.Sprintf("%s of %d MiB that nobody reads", name, mib), exit: 2, code: reader.CodeBomb,
					data: archive(part{name: "c.csv", content: plainCSV}, part{name: "other.bin", content: bomb})})
			}
		}
	}
	body := []byte(header + strings.Repeat("x,1,2024-01-01\n", 1<<18))
	for name, change := range map[string]func(*zip.FileHeader){
		"size said to be small": func(h *zip.FileHeader) { h.UncompressedSize64 = 1000 },
		"size said to be zero":  func(h *zip.FileHeader) { h.UncompressedSize64 = 0 },
	} {
		all = append(all, specimen{name: name, data: forged(body, change), exit: 2, code: reader.CodeArchive})
	}
	all = append(all, specimen{name: "size said to be 2^62", exit: 2, code: reader.CodeBomb,
		data: forged(body, func(h *zip.FileHeader) { h.UncompressedSize64 = 1 << 62 })})
	return packages(all...)
}

func nestedZips() []specimen {
	inner := archive(part{name: "c.csv", content: plainCSV})
	deep := inner
	for range 8 {
		deep = archive(part{name: "inner.zip", content: deep, stored: true})
	}
	return packages(
		specimen{name: "beside the data", data: archive(part{name: "c.csv", content: plainCSV}, part{name: "inner.zip", content: inner}), exit: 2, code: reader.CodeNested},
		specimen{name: "upper case", data: archive(part{name: "INNER.ZIP", content: inner}), exit: 2, code: reader.CodeNested},
		specimen{name: "in a folder", data: archive(part{name: "a/b/inner.Zip", content: inner}), exit: 2, code: reader.CodeNested},
		specimen{name: "nine levels", data: deep, exit: 2, code: reader.CodeNested},
		specimen{name: "called a CSV", data: archive(part{name: "c.csv", content: inner, stored: true}), exit: 2, code: reader.CodeEncoding},
	)
}

func crowdedZips() []specimen {
	crowd := func(n int) content {
		parts := make([]part, n)
		for i := range parts {
			parts[i] = part{name: fmt.Sprintf("%d.csv", i), stored: true}
		}
		return archive(parts...)
	}
	end := func(change func(end []byte)) content {
		return func(w io.Writer, dir string) error {
			all, err := bytesOf(archive(part{name: "c.csv", content: plainCSV}), dir)
			if err != nil {
				return err
			}
			change(all[len(all)-22:])
			_, err = w.Write(all)
			return err
		}
	}
	return packages(
		specimen{name: "1001", data: crowd(1001), exit: 2, code: reader.CodeBomb},
		specimen{name: "10^4", data: crowd(10_000), exit: 2, code: reader.CodeBomb},
		specimen{name: "10^5", data: crowd(100_000), exit: 2, code: reader.CodeBomb},
		specimen{name: "1000 and no data", data: crowd(1000), exit: 1, code: "missing_file"},
		specimen{name: "said to be 65535", data: end(func(e []byte) { copy(e[8:], "\xff\xff\xff\xff") }), exit: 2, code: reader.CodeArchive},
		specimen{name: "directory said to be 4 GiB", data: end(func(e []byte) { copy(e[12:], "\xfe\xff\xff\xff") }), exit: 2, code: reader.CodeArchive},
		specimen{name: "directory said to be at 4 GiB", data: end(func(e []byte) { copy(e[16:], "\xfe\xff\xff\xff") }), exit: 2, code: reader.CodeArchive},
	)
}

// overlappingZips have entries that share bytes, so that a small archive is the
// same large file many times over.
func overlappingZips() []specimen {
	same := func(n int) content {
		parts := []part{{name: "c.csv", content: around("a,n,f\n", noise(50_000), "")}}
		for i := range n {
			parts = append(parts, part{name: fmt.Sprintf("%d.csv", i), content: plainCSV})
		}
		return directory(archive(parts...), func(_ int, record, all []byte) {
			first := all[binary.LittleEndian.Uint32(all[len(all)-6:]):]
			copy(record[16:28], first[16:28]) // checksum and sizes
			copy(record[42:46], first[42:46]) // the place of the first
		})
	}
	quoted := directory(archive(part{name: "c.csv", content: plainCSV, stored: true}, part{name: "d.csv", content: plainCSV, stored: true}),
		func(i int, record, _ []byte) {
			if i == 0 { // the first goes on into the second
				binary.LittleEndian.PutUint32(record[20:], 2*uint32(len(plainText)))
				binary.LittleEndian.PutUint32(record[24:], 2*uint32(len(plainText)))
			}
		})
	return packages(
		specimen{name: "two", data: same(1), exit: 2, code: reader.CodeOverlap},
		specimen{name: "999", data: same(998), exit: 2, code: reader.CodeOverlap},
		specimen{name: "one inside the other", data: quoted, exit: 2, code: reader.CodeOverlap},
	)
}

func slippingZips() []specimen {
	names := []string{
		"../c.csv", "../../../../../../tmp/c.csv", "a/../../c.csv", "..", "a/b/../../../c.csv", "./../c.csv",
		`..\c.csv`, `..\..\..\c.csv`, `a\..\..\c.csv`, "/c.csv", "/etc/passwd", "DIR/c.csv", "//host/share/c.csv", `\\host\share\c.csv`, `\c.csv`,
		`C:\c.csv`, "C:/c.csv", "c:c.csv", "c.csv\x00.txt", "../" + strings.Repeat("x", 60_000),
	}
	var all []specimen
	for _, name := range names {
		all = append(all, specimen{name: fmt.Sprintf("%.20q", name), exit: 2, code: reader.CodeEntryName,
			data: archive(part{name: name, content: plainCSV}, part{name: "c.csv", content: plainCSV})})
	}
	for _, name := range []string{"./c.csv", "a/./b/../c.csv", "a//c.csv", strings.Repeat("d/", 30_000) + "c.csv", "\u202ec.csv/c.csv", "\xff\xfe/c.csv", "a\nb/c.csv"} {
		all = append(all, specimen{name: fmt.Sprintf("harmless %.20q", name), data: archive(part{name: name, content: plainCSV})})
	}
	return packages(all...)
}

func specialEntries() []specimen {
	var all []specimen
	for name, mode := range map[string]fs.FileMode{
		"link": fs.ModeSymlink | 0o777, "device": fs.ModeDevice | 0o666, "character device": fs.ModeDevice | fs.ModeCharDevice | 0o666,
		"pipe": fs.ModeNamedPipe | 0o666, "socket": fs.ModeSocket | 0o666,
	} {
		special := part{name: "c.csv", content: text("/etc/passwd"), header: func(h *zip.FileHeader) { h.SetMode(mode) }}
		all = append(all,
			specimen{name: name, data: archive(special), exit: 2, code: reader.CodeEntryName},
			specimen{name: name + " to the outside", exit: 2, code: reader.CodeEntryName,
				data: archive(part{name: "folder", content: text("../../.."), header: special.header}, part{name: "folder/c.csv", content: plainCSV})},
		)
	}
	all = append(all, specimen{name: "setuid", data: archive(part{name: "c.csv", content: plainCSV,
		header: func(h *zip.FileHeader) { h.SetMode(fs.ModeSetuid | 0o755) }})})
	return packages(all...)
}

func encryptedZips() []specimen {
	encrypt := func(flags byte, stored bool) content {
		return directory(archive(part{name: "c.csv", content: plainCSV, stored: stored}), func(_ int, record, all []byte) {
			record[8] |= flags
			all[6] |= flags
		})
	}
	return packages(
		specimen{name: "deflated", data: encrypt(1, false), exit: 2, code: reader.CodeEncrypted},
		specimen{name: "stored", data: encrypt(1, true), exit: 2, code: reader.CodeEncrypted},
		specimen{name: "strong", data: encrypt(0x41, false), exit: 2, code: reader.CodeEncrypted},
		specimen{name: "AES", exit: 2, code: reader.CodeEncrypted,
			data: directory(archive(part{name: "c.csv", content: plainCSV}), func(_ int, record, _ []byte) { record[8] |= 1; record[10] = 99 })},
	)
}

func truncatedZips() []specimen {
	whole := archive(part{name: "c.csv", content: join(text("a,n,f\n"), repeat("x,1,2024-01-01\n", 100))}, part{name: "d.csv", content: noise(2000)})
	var all []specimen
	for _, percent := range []int{0, 1, 10, 25, 50, 75, 90, 95, 98, 99} {
		all = append(all, specimen{name: fmt.Sprintf("%d %%", percent), exit: 2, code: reader.CodeArchive, data: func(w io.Writer, dir string) error {
			data, err := bytesOf(whole, dir)
			if err == nil {
				_, err = w.Write(data[:len(data)*percent/100])
			}
			return err
		}})
	}
	return packages(all...)
}

func damagedZips() []specimen {
	body := join(text("a,n,f\n"), repeat("x,1,2024-01-01\n", 2000))
	flip := func(stored bool, percent int) content {
		return directory(archive(part{name: "c.csv", content: body, stored: stored}), func(_ int, record, all []byte) {
			packed := int(binary.LittleEndian.Uint32(record[20:]))
			all[35+packed*percent/100] ^= 1 // the body begins at 35, after the name of 5 bytes
		})
	}
	var all []specimen
	for _, percent := range []int{1, 50, 95} {
		all = append(all,
			specimen{name: fmt.Sprintf("stored at %d %%", percent), data: flip(true, percent), exit: 2, code: reader.CodeArchive},
			specimen{name: fmt.Sprintf("deflated at %d %%", percent), data: flip(false, percent), exit: 2, code: reader.CodeArchive},
		)
	}
	field := func(name string, at int, value uint32) specimen {
		return specimen{name: name, exit: 2, code: reader.CodeArchive, data: directory(archive(part{name: "c.csv", content: body}),
			func(_ int, record, _ []byte) { binary.LittleEndian.PutUint32(record[at:], value) })}
	}
	return packages(append(all,
		field("checksum", 16, 0xdeadbeef), field("compressed size", 20, 10), field("size too small", 24, 100),
		field("size too large", 24, 40_000), field("place past the end", 42, 1<<30), field("place inside the body", 42, 60),
	)...)
}

func ambiguousZips() []specimen {
	two := func(a, b string) content {
		return archive(part{name: a, content: plainCSV}, part{name: b, content: plainCSV})
	}
	return packages(
		specimen{name: "the same name", data: two("c.csv", "c.csv"), exit: 2, code: reader.CodeArchive},
		specimen{name: "two folders", data: two("a/c.csv", "b/c.csv"), exit: 2, code: reader.CodeArchive},
		specimen{name: "two cases", data: two("C.csv", "c.CSV"), exit: 2, code: reader.CodeArchive},
		specimen{name: "one exact", data: two("C.CSV", "c.csv")},
		specimen{name: "a folder of that name", data: archive(part{name: "c.csv/"}, part{name: "x/c.csv", content: plainCSV})},
		specimen{name: "only a folder", data: archive(part{name: "c.csv/"}), exit: 1, code: "missing_file"},
		specimen{name: "nothing", data: archive(), exit: 1, code: "missing_file"},
	)
}

func strangeMethods() []specimen {
	var all []specimen
	for _, method := range []uint16{1, 6, 9, 12, 14, 93, 95, 98, 0xffff} {
		all = append(all, specimen{name: fmt.Sprint(method), exit: 2, code: reader.CodeArchive,
			data: directory(archive(part{name: "c.csv", content: plainCSV}), func(_ int, record, _ []byte) {
				binary.LittleEndian.PutUint16(record[10:], method)
			})})
	}
	return packages(all...)
}

func disguisedZips() []specimen {
	refused := map[string]content{
		"empty": text(""), "CSV": plainCSV, "HTML": text("<!DOCTYPE html><html><body>404</body></html>"),
		"gzip": text("\x1f\x8b\x08\x00\x00\x00\x00\x00"), "RAR": text("Rar!\x1a\x07\x01\x00"), "7z": text("7z\xbc\xaf\x27\x1c"),
		"noise": noise(100_000), "only signatures": repeat("PK\x05\x06", 10_000), "zeros": repeat("\x00", 1<<20),
		"end records": repeat("PK\x05\x06"+strings.Repeat("\xff", 18), 3000),
	}
	var all []specimen
	for name, data := range refused {
		all = append(all, specimen{name: name, data: data, exit: 2, code: reader.CodeArchive})
	}
	whole := archive(part{name: "c.csv", content: plainCSV})
	all = append(all, specimen{name: "program in front", data: join(text("MZ"), noise(5000), whole)})
	return packages(all...)
}
