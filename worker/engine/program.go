package engine

import (
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine/kernel"
)

// Program is what a file is checked against, compiled. It is immutable: one
// program serves any number of runs at once.
type Program struct {
	pkg      *spec.Package
	catalogs []*catalogPlan
	rules    []*check // of the package
}

// catalogPlan is everything that is done with one catalog.
type catalogPlan struct {
	catalog *spec.Catalog
	checks  []*check // in the order of the report
	kept    []bool   // by field: some rule needs the column as a whole
	lines   bool     // some rule needs the lines of all rows
}

// check is a question about a catalog or a package that has its own counts.
type check struct {
	kind   Kind
	field  int // in the catalog's fields, -1 for those about rows
	rule   *spec.Rule
	kernel *kernel.Rule
	broken *fault.Error // why it can't be evaluated
}

// streams reports whether the check is done chunk by chunk. The other rules wait
// for the whole table.
func (c *check) streams() bool {
	return c.kernel != nil && c.kernel.Local && !c.kernel.Scalar()
}

// waits reports whether the check is a rule for the whole table.
func (c *check) waits() bool { return c.kernel != nil && !c.streams() }

// Compile prepares what a file was selected to be checked against. A rule that
// can't be compiled is a finding of every run, never an error.
func Compile(selection spec.Selection) *Program {
	p := &Program{pkg: selection.Package}
	for _, catalog := range selection.Catalogs {
		p.catalogs = append(p.catalogs, planCatalog(catalog))
	}
	if p.pkg != nil {
		for _, rule := range p.pkg.Rules {
			p.rules = append(p.rules, newCheck(PackageRule, -1, rule))
		}
	}
	for _, c := range p.rules {
		if c.kernel != nil {
			p.keep(c.kernel)
		}
	}
	return p
}

func planCatalog(catalog *spec.Catalog) *catalogPlan {
	plan := &catalogPlan{catalog: catalog, kept: make([]bool, len(catalog.Fields))}
	for i, field := range catalog.Fields {
		plan.checks = append(plan.checks, &check{kind: Type, field: i})
		if field.Required {
			plan.checks = append(plan.checks, &check{kind: Missing, field: i})
		}
		if field.Unique {
			plan.checks = append(plan.checks, &check{kind: Duplicate, field: i})
		}
		for _, rule := range field.Rules {
			plan.checks = append(plan.checks, newCheck(FieldRule, i, rule))
		}
	}
	for _, rule := range catalog.RowRules {
		plan.checks = append(plan.checks, newCheck(RowRule, -1, rule))
	}
	for _, rule := range catalog.CatalogRules {
		plan.checks = append(plan.checks, newCheck(CatalogRule, -1, rule))
	}
	for _, c := range plan.checks {
		if !c.waits() {
			continue
		}
		plan.lines = true
		for _, use := range c.kernel.Uses {
			plan.kept[use.Index] = true
		}
		if c.field >= 0 {
			plan.kept[c.field] = true
		}
	}
	return plan
}

func newCheck(kind Kind, field int, rule *spec.Rule) *check {
	c := &check{kind: kind, field: field, rule: rule}
	if rule.Expr == nil {
		if c.broken = rule.Err; c.broken == nil {
			c.broken = fault.New(kernel.CodeCompile, "the rule could not be compiled").Permanent()
		}
		return c
	}
	compiled, err := kernel.Compile(rule.Expr)
	if err != nil {
		c.broken = fault.Describe(err)
		return c
	}
	c.kernel = compiled
	return c
}

// keep notes the columns that a package rule reads.
func (p *Program) keep(rule *kernel.Rule) {
	for _, plan := range p.catalogs {
		for _, use := range rule.Uses {
			if use.Catalog == plan.catalog.ID {
				plan.kept[use.Index] = true
				plan.lines = true
			}
		}
	}
}
