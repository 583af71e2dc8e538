package main

import (
	"fmt"
	"io"
	"os"

	"github.com/sagefleet/sagefleet/bridge/overflow/simulate"
	"github.com/sagefleet/sagefleet/producer/frontier"
)

// writeCharts writes the files that were asked for: what each policy costs over what
// it misses, a chart for each workload.
func writeCharts(args arguments, rows []simulate.Row) error {
	var charts []frontier.Chart
	for _, w := range args.Workloads {
		charts = append(charts, chart(w, rows))
	}
	if args.SVG != "" {
		if err := create(args.SVG, func(out io.Writer) error { return frontier.Sheet(out, charts...) }); err != nil {
			return err
		}
	}
	if args.HTML == "" {
		return nil
	}
	page := frontier.Page{
		Title:   "What overflow policies cost and miss",
		Summary: []string{fmt.Sprintf("Averages over seeds %d to %d. A file is missed that ends after its deadline. All policies have the same workers.", args.Seed, args.Seed+uint64(args.Seeds)-1)},
		Charts:  charts,
		Columns: []string{"workload", "policy", "jobs", "missed %", "Lambda $/h", "total $/1000", "mean s", "p50 s", "p99 s", "Lambda %", "idle %", "at once"},
		Notes: []frontier.Note{{Name: "exact", Lines: []string{"knows beforehand what each file will take. No bridge can: it bounds the others."}},
			{Name: "local, lambda", Lines: []string{"use nothing but the workers, and nothing but the Lambda for what it can take."}}},
	}
	for _, r := range rows {
		page.Rows = append(page.Rows, frontier.Row{Kept: r.Policy == recommended, Cells: []string{r.Workload, r.Policy, fmt.Sprint(r.Jobs), fmt.Sprintf("%.3f", r.Missed),
			fmt.Sprintf("%.4f", r.CloudPrice), fmt.Sprintf("%.4f", r.PerThousand), fmt.Sprintf("%.2f", r.Mean), fmt.Sprintf("%.2f", r.P50),
			fmt.Sprintf("%.2f", r.P99), fmt.Sprintf("%.1f", r.Offloaded), fmt.Sprintf("%.1f", r.Idle), fmt.Sprint(r.Peak)}})
	}
	return create(args.HTML, page.HTML)
}

func chart(workload string, rows []simulate.Row) frontier.Chart {
	var options []simulate.Option
	for _, r := range rows {
		if r.Workload == workload {
			options = append(options, simulate.Option{Policy: r.Policy, Result: r.Result, Bound: r.Policy == "exact"})
		}
	}
	simulate.Mark(options, -1) // no objective
	c := frontier.Chart{Title: workload, XName: "missed %", CostName: "Lambda $ an hour"}
	for _, o := range options {
		c.Points = append(c.Points, frontier.Point{Series: o.Policy, Label: o.Policy, X: o.Missed, Cost: o.CloudPrice, Pareto: o.Pareto, Bound: o.Bound})
	}
	return c
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
