package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sagefleet/sagefleet/producer/frontier"
)

// draw writes the files that were asked for.
func (p plan) draw(c planCommand) error {
	if c.SVG != "" {
		if err := create(c.SVG, p.chart().SVG); err != nil {
			return err
		}
	}
	if c.HTML == "" {
		return nil
	}
	return create(c.HTML, p.page(c).HTML)
}

// chart is what every policy with every number of workers costs over what it misses.
func (p plan) chart() frontier.Chart {
	chart := frontier.Chart{Title: "Cost and late executions, by policy and number of workers", XName: "late %", CostName: "$ per 1,000 executions, workers and Lambda",
		Objective: p.LatePercent}
	for _, o := range p.Options {
		chart.Points = append(chart.Points, frontier.Point{Series: o.Policy, Label: fmt.Sprint(o.Replicas), X: o.Missed, Cost: o.PerThousand,
			Pareto: o.Pareto, Cheapest: o.Cheapest, Bound: o.Bound})
	}
	return chart
}

// page is the plan as a document.
func (p plan) page(c planCommand) frontier.Page {
	page := frontier.Page{
		Title:   "What past executions would have cost",
		Summary: []string{p.verdict()},
		Charts:  []frontier.Chart{p.chart()},
		Columns: strings.Split(planColumns, "\t"),
	}
	for _, o := range p.Options {
		page.Rows = append(page.Rows, frontier.Row{Cells: append(cells(o), marks(o)), Kept: o.Cheapest})
	}
	page.Notes = append(p.notes(c), frontier.Note{Name: "marks", Lines: []string{"* nothing else misses no more for less money",
		"< the cheapest that keeps the objective", "exact knows beforehand what each execution takes: the lower bound"}})
	return page
}

// create writes a file.
func create(name string, write func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := write(file); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}
