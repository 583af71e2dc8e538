package reader

import (
	"archive/zip"
	"encoding/xml"
	"errors"
	"io"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
)

// audit reads the sheets of a workbook a second time, beside excelize: that takes
// broken XML for the end of the sheet, a text that isn't there for an empty cell,
// and a cell or a row that comes too late for the next one. Rows would be lost, and
// cells land in other columns, without a word.
type audit struct {
	stopped atomic.Bool
	done    chan struct{}
	err     error // once done is closed
}

var errStopped = errors.New("the workbook was closed")

func startAudit(name string) *audit {
	a := &audit{done: make(chan struct{})}
	go func() {
		defer close(a.done)
		a.err = a.run(name)
	}()
	return a
}

// wait returns what is wrong with the workbook.
func (a *audit) wait() error {
	<-a.done
	return a.err
}

func (a *audit) stop() {
	a.stopped.Store(true)
	<-a.done
}

func (a *audit) run(name string) error {
	archive, err := zip.OpenReader(name)
	if err != nil {
		return fail(CodeExcel, "the file is not an .xlsx workbook: %w", err)
	}
	defer func() { _ = archive.Close() }()
	texts := 0
	for _, f := range archive.File {
		if !isStrings(f.Name) {
			continue
		}
		err := a.part(f, func(token xml.Token) error {
			if start, ok := token.(xml.StartElement); ok && start.Name.Local == "si" {
				texts++
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, f := range archive.File {
		if !strings.HasPrefix(strings.ToLower(f.Name), "xl/worksheets/") || !strings.EqualFold(path.Ext(f.Name), ".xml") {
			continue
		}
		cells := cellAudit{part: f.Name, texts: texts}
		if err := a.part(f, cells.see); err != nil {
			return err
		}
	}
	return nil
}

// part shows all tokens of a part to see. Its error says that the XML is broken.
func (a *audit) part(f *zip.File, see func(xml.Token) error) error {
	in, err := f.Open()
	if err != nil {
		return fail(CodeExcel, "the part %q can't be read: %w", f.Name, err)
	}
	defer in.Close()
	decoder := xml.NewDecoder(in)
	elements := false
	for {
		token, err := decoder.Token()
		switch {
		case a.stopped.Load():
			return errStopped
		case errors.Is(err, io.EOF) && elements:
			return nil
		case errors.Is(err, io.EOF):
			return fail(CodeExcel, "the part %q is empty", f.Name).Expecting("XML")
		case err != nil:
			return fail(CodeExcel, "the part %q is broken: %w", f.Name, err).
				Expecting("XML that is well-formed to its end").Advise("open the workbook in a spreadsheet program and save it again")
		}
		if _, ok := token.(xml.StartElement); ok {
			elements = true
		}
		if err := see(token); err != nil {
			return err
		}
	}
}

// cellAudit sees to it that the texts which cells name are there, and that rows
// and cells stand in their order.
type cellAudit struct {
	part  string
	texts int

	row, column int  // of the last cell
	over        bool // the rows are: what comes then may be called row as well

	cell   string // as it calls itself
	shared bool   // the cell's value is the number of a text
	value  bool   // inside it
}

func (c *cellAudit) see(token xml.Token) error {
	switch token := token.(type) {
	case xml.StartElement:
		switch token.Name.Local {
		case "row":
			return c.startRow(token)
		case "c":
			return c.startCell(token)
		case "v":
			c.value = c.shared
		}
	case xml.EndElement:
		c.value = false
		c.over = c.over || token.Name.Local == "sheetData"
	case xml.CharData:
		if !c.value {
			return nil
		}
		if text, err := strconv.Atoi(strings.TrimSpace(string(token))); err != nil || text < 0 || text >= c.texts {
			return fail(CodeExcel, "the cell %q of %q has the text number %.20q, and there are %d texts", c.cell, c.part, token, c.texts).
				Expecting("a number below that").Advise("open the workbook in a spreadsheet program and save it again")
		}
	}
	return nil
}

// startRow leaves numbers that are none to excelize, which refuses them.
func (c *cellAudit) startRow(row xml.StartElement) error {
	before := c.row
	c.row, c.column = before+1, 0
	for _, attribute := range row.Attr {
		if n, err := strconv.Atoi(attribute.Value); attribute.Name.Local == "r" && err == nil && n != 0 {
			c.row = n
		}
	}
	if c.row <= before && !c.over {
		return c.disorder("row %d of %q comes after row %d", c.row, c.part, before)
	}
	return nil
}

func (c *cellAudit) startCell(cell xml.StartElement) error {
	c.cell, c.shared = "", false
	before := c.column
	c.column++
	for _, attribute := range cell.Attr {
		switch attribute.Name.Local {
		case "r":
			c.cell = attribute.Value
			if n := columnOf(c.cell); n > 0 {
				c.column = n
			}
		case "s":
			if _, err := strconv.Atoi(attribute.Value); err != nil { // excelize would skip the cell
				return fail(CodeExcel, "a cell of row %d of %q has the style %.20q", c.row, c.part, attribute.Value).Expecting("the number of a style")
			}
		case "t":
			c.shared = attribute.Value == "s"
		}
	}
	if c.column <= before && !c.over {
		return c.disorder("the cell %.20q of %q comes after column %d", c.cell, c.part, before)
	}
	return nil
}

func (c *cellAudit) disorder(format string, args ...any) error {
	return fail(CodeExcel, format, args...).Expecting("rows and cells in their order, each once").
		Advise("open the workbook in a spreadsheet program and save it again")
}

// columnOf is the number of the column that a reference such as AB12 begins with.
// It is 0 if that is none.
func columnOf(reference string) int {
	n := 0
	for i := range len(reference) {
		letter := reference[i] | 0x20
		if letter < 'a' || letter > 'z' || n > 1<<14 {
			break
		}
		n = 26*n + int(letter-'a') + 1
	}
	return n
}
