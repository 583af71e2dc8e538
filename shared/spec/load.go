package spec

import (
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// Codes of contradictions in a configuration.
const (
	CodeUnknownCatalog   fault.Code = "CONFIG_UNKNOWN_CATALOG"
	CodeDuplicateCatalog fault.Code = "CONFIG_DUPLICATE_CATALOG"
	CodeDuplicateField   fault.Code = "CONFIG_DUPLICATE_FIELD"
	CodeNotZIP           fault.Code = "CONFIG_PACKAGE_NOT_ZIP"
	CodeCatalogZIP       fault.Code = "CONFIG_CATALOG_ZIP"
)

// Parse reads a configuration. file is what messages call it. The Config is nil
// exactly when the issues are [Issues.Structural]; a rule that doesn't compile is
// an issue too, but stays in the Config with its Err.
func Parse(file string, data []byte) (*Config, Issues) {
	root, err := readDocument(data)
	if err != nil {
		return nil, Issues{{Error: err.At(file, err.Line, err.Column), Severity: Error}}
	}
	r := &reader{file: file, text: rulerOf(string(data))}
	config := r.config(root)
	slices.SortStableFunc(r.issues, func(a, b Issue) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	if r.issues.Structural() {
		return nil, r.issues
	}
	return config, r.issues
}

func (r *reader) config(root *yaml.Node) *Config {
	c := &Config{File: r.file}
	o := r.object(root, "the configuration", "sage_yaml", "catalogs", "packages")
	if node := o.require("sage_yaml", "what this configuration is"); node != nil {
		about := r.object(node, "sage_yaml", "name", "description", "version", "author", "comments")
		c.Name = about.statedText("name", "a name")
		c.Description = about.statedText("description", "a text")
		c.Version = about.statedText("version", "'1.0'")
		c.Author = about.statedText("author", "a name")
		c.Comments = about.text("comments")
	}
	if node := o.require("catalogs", "the tables, by their id"); node != nil {
		entries, _ := r.mapping(node, "catalogs")
		for _, e := range entries {
			c.Catalogs = append(c.Catalogs, r.catalog(e))
		}
	}
	if node := o.require("packages", "the files that arrive, by their id"); node != nil {
		entries, _ := r.mapping(node, "packages")
		for _, e := range entries {
			c.Packages = append(c.Packages, r.pack(e, c))
		}
	}
	return c
}

func (r *reader) catalog(e entry) *Catalog {
	c := &Catalog{ID: e.key.Value}
	o := r.object(e.value, "the catalog "+c.ID,
		"name", "description", "filename", "file_format", "fields", "row_validation", "catalog_validation")
	c.Name = o.statedText("name", "a name")
	c.Description = o.statedText("description", "a text")
	c.Filename = o.requiredText("filename", c.ID+".csv")
	if node := o.require("file_format", "{type: CSV, delimiter: ','}"); node != nil {
		r.catalogFormat(node, c)
	}
	var rules []pending
	if node := o.require("fields", "the columns"); node != nil {
		for _, item := range r.sequence(node, "fields of "+o.what) {
			f, more := r.field(item, c)
			if f == nil {
				continue
			}
			c.add(f)
			rules = append(rules, more...)
		}
	}
	var more []pending
	c.RowRules, more = r.rules(o, "row_validation", ScopeRow)
	rules = append(rules, more...)
	c.CatalogRules, more = r.rules(o, "catalog_validation", ScopeCatalog)
	r.compile(append(rules, more...), c) // only now: a rule may name any field
	return c
}

func (r *reader) catalogFormat(node *yaml.Node, c *Catalog) {
	o := r.object(node, "file_format of the catalog "+c.ID, "type", "delimiter", "header")
	c.Format = Format(o.choice("type", o.require("type", "CSV"), formatNames[:], CodeUnknownFormat))
	c.Header = o.boolean("header")
	switch c.Format {
	case ZIP:
		r.report(Error, o.get("type"), fault.New(CodeCatalogZIP, "the catalog %s is a ZIP", c.ID).
			Expecting("CSV or EXCEL").Advise("a ZIP is a package of catalogs"))
	case CSV:
		c.Delimiter = r.delimiter(o)
	}
}

// delimiter reads one character. \t written out is a tab.
func (r *reader) delimiter(o object) rune {
	node := o.get("delimiter")
	if node == nil {
		at := o.node
		if e := o.entries["delimiter"]; e.key != nil {
			at = e.key
		}
		r.report(Warning, at, fault.New(CodeDelimiter, "%s has no delimiter", o.what).Expecting("delimiter: ','").Advise("a comma is assumed"))
		return ','
	}
	value := o.text("delimiter")
	if value == `\t` {
		value = "\t"
	}
	d, size := utf8.DecodeRuneInString(value)
	if size == 0 || size != len(value) || strings.ContainsRune("\"\r\n", d) {
		if node.Kind == yaml.ScalarNode {
			r.report(Error, node, fault.New(CodeDelimiter, "the delimiter of %s is %s", o.what, quoted(value)).
				Expecting("one character that isn't a quote or a line end, such as ',', ';', '|' or \"\\t\""))
		}
		return ','
	}
	return d
}

func (r *reader) field(node *yaml.Node, c *Catalog) (*Field, []pending) {
	o := r.object(node, "a field of the catalog "+c.ID, "name", "type", "required", "unique", "validation_rules")
	if !o.ok {
		return nil, nil
	}
	f := &Field{Name: o.requiredText("name", "the name of the column")}
	if f.Name != "" {
		o.what = "the field " + f.Name
	}
	f.Type = FieldType(o.choice("type", o.require("type", "texto"), typeNames[:], CodeUnknownType))
	f.Required = o.boolean("required")
	f.Unique = o.boolean("unique")
	if f.Name != "" && c.Field(f.Name) >= 0 {
		r.report(Error, o.get("name"), fault.New(CodeDuplicateField, "the catalog %s has the field %s twice", c.ID, f.Name).
			Expecting("each field once"))
	}
	var rules []pending
	f.Rules, rules = r.rules(o, "validation_rules", ScopeField)
	return f, rules
}

// pack reads a package.
func (r *reader) pack(e entry, config *Config) *Package {
	p := &Package{ID: e.key.Value}
	o := r.object(e.value, "the package "+p.ID, "name", "description", "file_format", "catalogs", "package_validation")
	p.Name = o.statedText("name", "a name")
	p.Description = o.statedText("description", "a text")
	format := o.require("file_format", "{type: ZIP}")
	if format != nil {
		of := r.object(format, "file_format of the package "+p.ID, "type", "delimiter", "header")
		p.Format = Format(of.choice("type", of.require("type", "ZIP"), formatNames[:], CodeUnknownFormat))
	}
	catalogs := o.require("catalogs", "[the ids of catalogs]")
	known := r.members(catalogs, p, config)
	if len(p.Catalogs) > 1 && (p.Format == CSV || p.Format == Excel) {
		r.report(Error, format, fault.New(CodeNotZIP, "the package %s has %d catalogs in one %s file", p.ID, len(p.Catalogs), p.Format).
			Expecting("type: ZIP").Advise("only a ZIP holds several files"))
	}
	var rules []pending
	p.Rules, rules = r.rules(o, "package_validation", ScopePackage)
	if known { // otherwise each rule would repeat what is said of the catalogs
		r.compile(rules, p.Catalogs...)
	}
	return p
}

// members finds the catalogs of a package. It reports false when one isn't there.
func (r *reader) members(node *yaml.Node, p *Package, config *Config) bool {
	known := node != nil && len(node.Content) > 0 && node.Kind == yaml.SequenceNode
	if node != nil && node.Kind == yaml.SequenceNode && !known {
		r.report(Error, node, fault.New(CodeMissingKey, "the package %s names no catalog", p.ID).Expecting("catalogs: [the ids of catalogs]"))
	}
	for _, item := range r.sequence(node, "catalogs of the package "+p.ID) {
		catalog := config.Catalog(item.Value)
		switch {
		case item.Kind != yaml.ScalarNode:
			known = false
			r.report(Error, item, fault.New(CodeWrongKind, "a catalog of the package %s is %s", p.ID, kindOf(item)).Expecting("the id of a catalog"))
		case catalog == nil:
			known = false
			e := fault.New(CodeUnknownCatalog, "the package %s names a catalog %s that isn't there", p.ID, quoted(item.Value))
			ids := idsOf(config.Catalogs)
			if near := nearest(item.Value, ids); near != "" {
				e = e.Expecting("%s", near)
			} else if len(ids) > 0 {
				e = e.Expecting("one of %s", abbreviate(ids, len(config.Catalogs)))
			} else {
				e = e.Expecting("a catalog under catalogs")
			}
			r.report(Error, item, e)
		case slices.Contains(p.Catalogs, catalog):
			r.report(Warning, item, fault.New(CodeDuplicateCatalog, "the package %s names the catalog %s twice", p.ID, catalog.ID).
				Expecting("it once").Advise("the second is ignored"))
		default:
			p.Catalogs = append(p.Catalogs, catalog)
		}
	}
	return known
}
