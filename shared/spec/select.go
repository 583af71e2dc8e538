package spec

import (
	"path"
	"strings"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// Codes of files that no part of a configuration describes.
const (
	CodeSelectFormat fault.Code = "UNSUPPORTED_FILE_FORMAT"
	CodeSelectNone   fault.Code = "NO_CATALOG_FOR_FILE"
)

// Selection is the part of a configuration that a file is checked against.
type Selection struct {
	Package  *Package // nil when a catalog was chosen by itself
	Catalogs []*Catalog
}

var formats = map[string]Format{".csv": CSV, ".xlsx": Excel, ".xls": Excel, ".zip": ZIP}

// Select returns what a file of that name is checked against: the first package
// of its format, else, unless it is a ZIP, the first catalog. Its errors are
// permanent.
func (c *Config) Select(filename string) (Selection, error) {
	extension := path.Ext(strings.ReplaceAll(filename, `\`, "/"))
	format, ok := formats[strings.ToLower(extension)]
	if !ok {
		return Selection{}, fault.New(CodeSelectFormat, "the file %s has the extension %s", quoted(filename), quoted(extension)).
			Expecting(".csv, .xlsx, .xls or .zip").Permanent()
	}
	for _, p := range c.Packages {
		if p.Format == format {
			return Selection{Package: p, Catalogs: p.Catalogs}, nil
		}
	}
	for _, catalog := range c.Catalogs {
		if catalog.Format == format {
			return Selection{Catalogs: []*Catalog{catalog}}, nil
		}
	}
	e := fault.New(CodeSelectNone, "the file %s is %s and the configuration has nothing of that type", quoted(filename), format)
	if format == ZIP {
		return Selection{}, e.Expecting("a package with type: ZIP").Permanent()
	}
	return Selection{}, e.Expecting("a package or a catalog with type: %s", format).Permanent()
}
