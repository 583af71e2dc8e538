package frontier

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// Page is a document with charts, a table and notes.
type Page struct {
	Title   string
	Summary []string
	Charts  []Chart
	Columns []string
	Rows    []Row
	Notes   []Note
}

// Row is a line of the table.
type Row struct {
	Cells []string
	Kept  bool // set off from the others
}

// Note is what is to be known of the figures.
type Note struct {
	Name  string
	Lines []string
}

// figure is a chart that is drawn.
type figure struct {
	Title string
	SVG   template.HTML
}

// HTML writes the page as one file that needs no other and runs nothing.
func (p Page) HTML(out io.Writer) error {
	figures := make([]figure, len(p.Charts))
	for i, c := range p.Charts {
		var b bytes.Buffer
		if err := c.SVG(&b); err != nil {
			return fmt.Errorf("%s: %w", c.Title, err)
		}
		figures[i] = figure{Title: c.Title, SVG: template.HTML(b.String())} //nolint:gosec // the library has escaped its text
	}
	return pageTemplate.Execute(out, struct {
		Page
		Figures []figure
	}{p, figures})
}
