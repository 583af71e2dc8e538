package spec

import (
	"fmt"
	"slices"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// Config is a checked configuration. Catalogs and packages keep the order of the
// file, because selection takes the first that fits.
type Config struct {
	File        string // what the source was called, for messages
	Name        string
	Description string
	Version     string
	Author      string
	Comments    string
	Catalogs    []*Catalog
	Packages    []*Package
}

// Catalog returns the catalog with that id, or nil.
func (c *Config) Catalog(id string) *Catalog {
	for _, catalog := range c.Catalogs {
		if catalog.ID == id {
			return catalog
		}
	}
	return nil
}

// Catalog describes one table: a CSV file or a sheet.
type Catalog struct {
	ID           string
	Name         string
	Description  string
	Filename     string
	Format       Format // CSV or Excel, never ZIP
	Delimiter    rune   // of CSV
	Header       bool   // the first row holds the column names
	Fields       []*Field
	RowRules     []*Rule
	CatalogRules []*Rule

	index map[string]int // of the first field of each name, when Parse made the catalog
}

// Field returns the index of the field with that name, or -1.
func (c *Catalog) Field(name string) int {
	if c.index != nil {
		if i, ok := c.index[name]; ok {
			return i
		}
		return -1
	}
	for i, f := range c.Fields {
		if f.Name == name {
			return i
		}
	}
	return -1
}

// add appends a field, which may have the name of another.
func (c *Catalog) add(f *Field) {
	if c.index == nil {
		c.index = map[string]int{}
	}
	if _, double := c.index[f.Name]; !double {
		c.index[f.Name] = len(c.Fields)
	}
	c.Fields = append(c.Fields, f)
}

// Field is one column of a catalog.
type Field struct {
	Name     string
	Type     FieldType
	Required bool // an empty cell is an error
	Unique   bool // a second occurrence is an error; nulls never are
	Rules    []*Rule
}

// Package groups the catalogs that arrive together in one file.
type Package struct {
	ID          string
	Name        string
	Description string
	Format      Format
	Catalogs    []*Catalog // more than one only in a ZIP
	Rules       []*Rule
}

// Rule is one check that the author of a configuration wrote.
type Rule struct {
	Name        string
	Description string // the message people see
	Source      string // the expression, as written
	Severity    Severity
	Scope       Scope

	// Expr is nil exactly when Err says why the rule can't be evaluated. Such a
	// rule counts as one error and stops no other.
	Expr Expr
	Err  *fault.Error

	where position
}

// Scope says which rows a rule sees and how its failures are counted.
type Scope uint8

// The scopes of rules.
const (
	ScopeField   Scope = iota + 1 // rows where the field isn't null; counts rows
	ScopeRow                      // all rows of the catalog; counts rows
	ScopeCatalog                  // all rows of the catalog; counts once
	ScopePackage                  // all catalogs of the package; counts once
)

// FieldType is the type a cell must have.
type FieldType uint8

// The types of fields.
const (
	Text FieldType = iota + 1
	Decimal
	Integer
	Date
	Boolean
)

// Format is a kind of file.
type Format uint8

// The kinds of files.
const (
	CSV Format = iota + 1
	Excel
	ZIP
)

// Severity says what a failed rule counts as.
type Severity uint8

// The severities. A message is information and counts as nothing.
const (
	Error Severity = iota + 1
	Warning
	Message
)

var (
	scopeNames    = [...]string{ScopeField: "field", ScopeRow: "row", ScopeCatalog: "catalog", ScopePackage: "package"}
	typeNames     = [...]string{Text: "texto", Decimal: "decimal", Integer: "entero", Date: "fecha", Boolean: "booleano"}
	formatNames   = [...]string{CSV: "CSV", Excel: "EXCEL", ZIP: "ZIP"}
	severityNames = [...]string{Error: "error", Warning: "warning", Message: "message"}
)

func (s Scope) String() string     { return nameOf(scopeNames[:], int(s)) }
func (t FieldType) String() string { return nameOf(typeNames[:], int(t)) }
func (f Format) String() string    { return nameOf(formatNames[:], int(f)) }
func (s Severity) String() string  { return nameOf(severityNames[:], int(s)) }

// MarshalText gives a severity its name in JSON.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (s *Severity) UnmarshalText(text []byte) error {
	i := slices.Index(severityNames[:], string(text))
	if i < 1 {
		return fmt.Errorf("severity %q, not one of error, warning, message", text)
	}
	*s = Severity(i)
	return nil
}

// nameOf tolerates values outside the enumeration: a message about a zero value
// must not itself fail.
func nameOf(names []string, i int) string {
	if i <= 0 || i >= len(names) {
		return "unknown"
	}
	return names[i]
}
