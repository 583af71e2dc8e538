package spec

import (
	"crypto/sha256"
	"encoding/binary"
)

// Digest is the same for two configurations exactly when they say the same: what
// is checked, in which order, under which names and with which messages. How the
// YAML is written (comments, quotes, indentation, aliases, the order of keys where
// it means nothing, defaults written out) makes no difference, nor does File.
// Expressions count as written, since reports show them.
func (c *Config) Digest() [sha256.Size]byte {
	var e encoding
	e.texts("sage-configuration-1", c.Name, c.Description, c.Version, c.Author, c.Comments)
	places := make(map[*Catalog]int, len(c.Catalogs))
	e.number(len(c.Catalogs))
	for i, catalog := range c.Catalogs {
		places[catalog] = i
		e.catalog(catalog)
	}
	e.number(len(c.Packages))
	for _, p := range c.Packages {
		e.texts(p.ID, p.Name, p.Description)
		e.number(int(p.Format))
		e.number(len(p.Catalogs))
		for _, catalog := range p.Catalogs {
			e.number(places[catalog])
		}
		e.rules(p.Rules)
	}
	return sha256.Sum256(e)
}

// encoding is what is hashed. Every part says its length, so that no two
// configurations can run together to the same bytes.
type encoding []byte

func (e *encoding) number(n int) { *e = binary.AppendVarint(*e, int64(n)) }

func (e *encoding) texts(texts ...string) {
	for _, s := range texts {
		e.number(len(s))
		*e = append(*e, s...)
	}
}

func (e *encoding) flag(b bool) {
	if b {
		e.number(1)
	} else {
		e.number(0)
	}
}

func (e *encoding) catalog(c *Catalog) {
	e.texts(c.ID, c.Name, c.Description, c.Filename)
	e.number(int(c.Format))
	e.number(int(c.Delimiter))
	e.flag(c.Header)
	e.number(len(c.Fields))
	for _, f := range c.Fields {
		e.texts(f.Name)
		e.number(int(f.Type))
		e.flag(f.Required)
		e.flag(f.Unique)
		e.rules(f.Rules)
	}
	e.rules(c.RowRules)
	e.rules(c.CatalogRules)
}

func (e *encoding) rules(rules []*Rule) {
	e.number(len(rules))
	for _, r := range rules {
		e.texts(r.Name, r.Description, r.Source)
		e.number(int(r.Severity))
		e.number(int(r.Scope))
	}
}

// Rules are all rules of the configuration, in the order of their catalogs and
// packages.
func (c *Config) Rules() []*Rule {
	var all []*Rule
	for _, catalog := range c.Catalogs {
		for _, f := range catalog.Fields {
			all = append(all, f.Rules...)
		}
		all = append(append(all, catalog.RowRules...), catalog.CatalogRules...)
	}
	for _, p := range c.Packages {
		all = append(all, p.Rules...)
	}
	return all
}

// ReadsClock reports whether the answer of some rule depends on when it is asked.
func (c *Config) ReadsClock() bool {
	found := false
	for _, r := range c.Rules() {
		Walk(r.Expr, func(x Expr) bool {
			if call, ok := x.(*Call); ok && call.Fn == "now" {
				found = true
			}
			return !found
		})
	}
	return found
}
