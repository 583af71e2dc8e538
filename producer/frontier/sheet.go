package frontier

import (
	"bytes"
	"fmt"
	"io"
)

// Sheet writes charts, two in a row, as one document like that of [Chart.SVG].
func Sheet(out io.Writer, charts ...Chart) error {
	if len(charts) == 0 {
		return ErrNoPoints
	}
	columns := min(len(charts), 2)
	rows := (len(charts) + columns - 1) / columns
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d">`+"\n", columns*width, rows*height)
	for i, c := range charts {
		fmt.Fprintf(&b, `<svg x="%d" y="%d" width="%d" height="%d">`+"\n", i%columns*width, i/columns*height, width, height)
		if err := c.SVG(&b); err != nil {
			return fmt.Errorf("%s: %w", c.Title, err)
		}
		b.WriteString("\n</svg>\n")
	}
	b.WriteString("</svg>\n")
	_, err := b.WriteTo(out)
	return err
}
