package reader

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"io"
	"path"
	"strings"
)

// What of a workbook may be in memory.
const (
	maxPart   = 16 << 20 // bytes of one other part of XML, which takes a multiple of that when it is parsed
	maxParts  = 64 << 20 // bytes of all other parts together
	maxProlog = 64 << 10 // bytes of XML before its first element
)

// checkWorkbook applies the limits of archives before anything is unpacked, and
// refuses document types, through which XML can pull in other files.
func checkWorkbook(files []*zip.File, limits Limits) error {
	if err := checkEntries(files, limits); err != nil {
		return err
	}
	if err := checkParts(files); err != nil {
		return err
	}
	for _, f := range files {
		if err := checkProlog(f); err != nil {
			return err
		}
	}
	return nil
}

// streamed reports whether the part of that name may be a large one: it is read
// in pieces. All others are read as a whole.
func streamed(part string) bool {
	part = partName(part)
	return strings.HasPrefix(part, "xl/worksheets/") || part == partStrings
}

func checkParts(files []*zip.File) error {
	var total uint64
	names := make(map[string]bool, len(files))
	for _, f := range files {
		if names[partName(f.Name)] {
			return fail(CodeExcel, "the workbook has the part %q twice", f.Name).Expecting("each part once")
		}
		names[partName(f.Name)] = true
		if streamed(f.Name) {
			continue
		}
		total += f.UncompressedSize64
		switch ext := strings.ToLower(path.Ext(f.Name)); {
		case total > maxParts:
			return fail(CodeExcelTooLarge, "the parts beside the sheets have more than %d bytes", maxParts).
				Expecting("a workbook of data").Advise("remove its pictures and pivot tables, or save it as CSV")
		case (ext == ".xml" || ext == ".rels") && f.UncompressedSize64 > maxPart:
			return fail(CodeExcelTooLarge, "the part %q has %d bytes", f.Name, f.UncompressedSize64).
				Expecting("at most %d", maxPart).Advise("copy the data into a new workbook, or save it as CSV")
		}
	}
	return nil
}

// checkProlog looks at what stands before the first element of a part. A drawing
// that excelize never reads may declare its type, as many programs do.
func checkProlog(f *zip.File) error {
	if strings.HasPrefix(f.Name, "xl/media/") {
		return nil
	}
	in, err := f.Open()
	if err != nil {
		return fail(CodeExcel, "the part %q can't be read: %w", f.Name, err)
	}
	defer in.Close()
	head := &io.LimitedReader{R: in, N: maxProlog}
	decoder := xml.NewDecoder(head)
	decoder.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // the prolog is ASCII
	for {
		token, err := decoder.RawToken()
		if err != nil && head.N > 0 {
			return nil // broken, or no XML: whoever needs the part says so
		}
		if err != nil {
			return fail(CodeExcel, "the part %q has no element in its first %d bytes", f.Name, maxProlog).Expecting("a workbook as Excel writes it")
		}
		switch token := token.(type) {
		case xml.Directive:
			return fail(CodeExcelDoctype, "the part %q declares a document type", f.Name).Expecting("a workbook as Excel writes it")
		case xml.CharData:
			if len(bytes.Trim(token, " \t\r\n\ufeff")) > 0 {
				return nil // no XML
			}
		case xml.StartElement:
			return nil
		}
	}
}
