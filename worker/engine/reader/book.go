package reader

import (
	"archive/zip"
	"encoding/xml"
	"errors"
	"io"
	"path"
	"strings"
)

// book is an open workbook: its parts, and which of them are its sheets.
type book struct {
	archive  *zip.ReadCloser
	parts    map[string]*zip.File // by name in lower case, with slashes
	sheets   []sheetPart
	from1904 bool
}

type sheetPart struct{ name, part string }

// The parts that have to be found without another part that names them.
const (
	partTypes   = "[content_types].xml"
	partRels    = "_rels/.rels"
	partStrings = "xl/sharedstrings.xml"
)

// relations are what a part refers to.
type relations struct {
	Relationship []struct {
		ID     string `xml:"Id,attr"`
		Type   string `xml:"Type,attr"`
		Target string `xml:"Target,attr"`
	}
}

type workbookXML struct {
	Properties struct {
		Date1904 string `xml:"date1904,attr"`
	} `xml:"workbookPr"`
	Sheets []struct {
		Name  string     `xml:"name,attr"`
		Other []xml.Attr `xml:",any,attr"`
	} `xml:"sheets>sheet"`
}

// openBook finds the sheets of a workbook whose parts have been found harmless.
func openBook(archive *zip.ReadCloser) (*book, error) {
	b := &book{archive: archive, parts: map[string]*zip.File{}}
	for _, f := range archive.File {
		b.parts[partName(f.Name)] = f
	}
	if b.parts[partTypes] != nil {
		if err := b.decode(partTypes, &struct{}{}); err != nil {
			return nil, err
		}
	}
	var top, rels relations
	if err := b.decode(partRels, &top); err != nil {
		return nil, err
	}
	main := ""
	for _, r := range top.Relationship {
		if strings.HasSuffix(r.Type, "/officeDocument") {
			main = target("", r.Target)
		}
	}
	var workbook workbookXML
	if err := b.decode(main, &workbook); err != nil {
		return nil, err
	}
	if err := b.decode(path.Join(path.Dir(main), "_rels", path.Base(main)+".rels"), &rels); err != nil {
		return nil, err
	}
	b.from1904 = workbook.Properties.Date1904 == "1" || workbook.Properties.Date1904 == "true"
	for _, s := range workbook.Sheets {
		found := sheetPart{name: s.Name}
		for _, a := range s.Other {
			for _, r := range rels.Relationship {
				if a.Name.Local == "id" && a.Value == r.ID {
					found.part = target(path.Dir(main), r.Target)
				}
			}
		}
		b.sheets = append(b.sheets, found)
	}
	if len(b.sheets) == 0 {
		return nil, fail(CodeExcel, "the workbook has no sheet")
	}
	return b, nil
}

func partName(name string) string { return strings.ToLower(strings.ReplaceAll(name, `\`, "/")) }

// target is the name of the part that a part in dir refers to. One outside of the
// archive is a name that no part has.
func target(dir, name string) string {
	name = partName(name)
	if rooted, ok := strings.CutPrefix(name, "/"); ok {
		return path.Clean(rooted)
	}
	return path.Join(dir, name)
}

// decode reads a small part: checkParts has bounded its size.
func (b *book) decode(name string, into any) error {
	in, err := b.open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	decoder := xml.NewDecoder(in)
	if err := decoder.Decode(into); err != nil {
		return broken(name, err)
	}
	for { // to its end, where its checksum is
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return broken(name, err)
		}
	}
}

func (b *book) open(name string) (io.ReadCloser, error) {
	f := b.parts[name]
	if f == nil {
		return nil, fail(CodeExcel, "the workbook has no part %q", name).Expecting("a workbook as Excel writes it")
	}
	in, err := f.Open()
	if err != nil {
		return nil, fail(CodeExcel, "the part %q can't be read: %w", name, err)
	}
	return in, nil
}

// texts reads the shared strings. A workbook needn't have any.
func (b *book) texts() (*texts, error) {
	if b.parts[partStrings] == nil {
		return &texts{}, nil
	}
	in, err := b.open(partStrings)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	t, err := readTexts(newMarkup(in))
	if err != nil {
		t.close()
		return nil, broken(partStrings, err)
	}
	return t, nil
}

// broken says that a part isn't the XML it should be.
func broken(part string, err error) error {
	return fail(CodeExcel, "the part %q is broken: %w", part, err).
		Expecting("XML that is well-formed to its end").Advise("open the workbook in a spreadsheet program and save it again")
}
