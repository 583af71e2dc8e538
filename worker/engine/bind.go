package engine

import (
	"fmt"
	"strings"

	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine/reader"
)

// binding is how the columns of one file answer to the fields of its catalog.
type binding struct {
	layout   reader.Layout
	present  []bool   // by field: the file has such a column
	names    []string // the columns of the file
	trailing bool     // the first record itself ends with a delimiter
	findings []Finding
}

// bind matches the first record of a file with the fields, by name when it is a
// header and by position otherwise.
func bind(catalog *spec.Catalog, file string, first []string) *binding {
	b := &binding{present: make([]bool, len(catalog.Fields))}
	b.layout.Columns = len(catalog.Fields)
	for _, field := range catalog.Fields {
		b.layout.Dates = append(b.layout.Dates, field.Type == spec.Date)
	}
	width := len(first)
	if width == len(catalog.Fields)+1 && strings.TrimSpace(first[width-1]) == "" {
		b.trailing = true
		width--
	}
	b.layout.Slots = make([]int, width)
	for i := range b.layout.Slots {
		b.layout.Slots[i] = -1
	}
	var missing, extra []string
	if catalog.Header {
		b.names = first[:width]
		missing, extra = b.byName(catalog, file)
	} else {
		missing, extra = b.byPosition(catalog, width)
	}
	if len(missing) > 0 || len(extra) > 0 {
		b.findings = append([]Finding{{
			Kind: Columns, Severity: spec.Error, Catalog: catalog.ID, File: file, Count: 1,
			Columns: &ColumnDiff{Expected: len(catalog.Fields), Found: width, Missing: missing, Extra: extra},
		}}, b.findings...)
	}
	return b
}

// byName matches exactly first, then regardless of case and of spaces around:
// such a column is used, and reported.
func (b *binding) byName(catalog *spec.Catalog, file string) (missing, extra []string) {
	for i, name := range b.names {
		if f := catalog.Field(name); f >= 0 && !b.present[f] {
			b.present[f] = true
			b.layout.Slots[i] = f
		}
	}
	for i, name := range b.names {
		if b.layout.Slots[i] >= 0 {
			continue
		}
		f := b.near(catalog, name)
		if f < 0 {
			extra = append(extra, name)
			continue
		}
		b.present[f] = true
		b.layout.Slots[i] = f
		b.findings = append(b.findings, Finding{
			Kind: NearMiss, Severity: spec.Error, Catalog: catalog.ID, File: file, Count: 1,
			Field: catalog.Fields[f].Name, Found: name,
		})
	}
	for f, present := range b.present {
		if !present {
			missing = append(missing, catalog.Fields[f].Name)
		}
	}
	return missing, extra
}

func (b *binding) near(catalog *spec.Catalog, name string) int {
	for f, field := range catalog.Fields {
		if !b.present[f] && strings.EqualFold(strings.TrimSpace(name), strings.TrimSpace(field.Name)) {
			return f
		}
	}
	return -1
}

func (b *binding) byPosition(catalog *spec.Catalog, width int) (missing, extra []string) {
	for i := range width {
		name := fmt.Sprintf("COLUMNA_%d", i+1)
		if i < len(catalog.Fields) {
			b.layout.Slots[i] = i
			b.present[i] = true
			name = catalog.Fields[i].Name
		} else {
			extra = append(extra, name)
		}
		b.names = append(b.names, name)
	}
	for _, field := range catalog.Fields[min(width, len(catalog.Fields)):] {
		missing = append(missing, field.Name)
	}
	return missing, extra
}
