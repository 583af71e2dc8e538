package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/sagefleet/sagefleet/bridge/overflow/simulate"
)

// runBudgets prints what becomes of work under budgets. It is an error when one wasn't
// kept.
func runBudgets(ctx context.Context, args arguments, out io.Writer) error {
	rows, err := simulate.CompareBudgets(ctx, args.Workloads, args.Seed, args.Seeds)
	if err != nil {
		return err
	}
	switch {
	case args.JSON:
		err = writeJSON(out, rows)
	case args.CSV:
		err = writeBudgetsCSV(out, rows)
	default:
		err = writeBudgets(out, rows)
	}
	if err != nil {
		return err
	}
	return simulate.Exceeded(rows)
}

const arrangements = `
plain and product are what a fleet does without and with OVERFLOW_DEADLINE: one function of 900 s, and workers that take what
can still end in time three times of four while bridges take the oldest. In crashing its bridges die, once in 50 times, after they
reserved, after they invoked and before they settled. No others are arrangements of the product; it is measured by them: declined
has bridges leave the oldest alone when it is late, 4- has functions of 15, 60, 300 and 900 s of which a bridge chooses by size,
and in savable and smallest bridges choose what can end in time, and of that the smallest, out of all that waits.
`

func writeBudgets(out io.Writer, rows []simulate.BudgetRow) error {
	fmt.Fprintln(out, "Missed %, by arrangement, and the dearest hour of all of them:")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "workload\tbudget $/h\tdearest hour $\t")
	for _, a := range simulate.Arrangements {
		fmt.Fprint(w, a.Name, "\t")
	}
	n := len(simulate.Arrangements)
	for i := 0; i+n <= len(rows); i += n {
		worst, line := 0.0, ""
		for _, r := range rows[i : i+n] {
			worst = max(worst, r.Worst)
			line += fmt.Sprintf("%.2f\t", r.Missed)
		}
		fmt.Fprintf(w, "\n%s\t%.2f\t%.4f\t%s", rows[i].Workload, rows[i].Budget, worst, line)
	}
	fmt.Fprintln(w)
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprint(out, arrangements)
	return err
}

func writeBudgetsCSV(out io.Writer, rows []simulate.BudgetRow) error {
	w := csv.NewWriter(out)
	if err := w.Write([]string{"workload", "budget_usd_per_h", "arrangement", "order", "miss_pct", "lambda_usd_per_h", "max_hour_usd", "max_hour_usd_worst", "p50_s", "p99_s", "offload_pct"}); err != nil {
		return err
	}
	for _, r := range rows {
		line := append([]string{r.Workload, fmt.Sprint(r.Budget), r.Arrangement, r.Order}, figures(r.Missed, r.CloudPrice, r.MaxHour, r.Worst, r.P50, r.P99, r.Offloaded)...)
		if err := w.Write(line); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}
