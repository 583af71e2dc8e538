package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/sagefleet/sagefleet/bridge/overflow/simulate"
)

// runBudgets prints what becomes of work under budgets, and whether they were kept.
func runBudgets(ctx context.Context, args arguments, out io.Writer) (kept bool, err error) {
	rows, err := simulate.CompareBudgets(ctx, args.Workloads, args.Seed, args.Seeds)
	if err != nil {
		return false, err
	}
	kept = !slices.ContainsFunc(rows, func(r simulate.BudgetRow) bool { return r.Worst > r.Budget })
	switch {
	case args.JSON:
		return kept, writeJSON(out, rows)
	case args.CSV:
		return kept, writeBudgetsCSV(out, rows)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "workload\tbudget $/h\tdearest hour $\tmissed %: oldest first\twhat can still end in time\tof that the smallest\tp99 s: oldest\tin time\tsmallest\t")
	for i := 0; i+2 < len(rows); i += 3 {
		oldest, savable, smallest := rows[i], rows[i+1], rows[i+2]
		fmt.Fprintf(w, "%s\t%.2f\t%.4f\t%.2f\t%.2f\t%.2f\t%.0f\t%.0f\t%.0f\t\n", oldest.Workload, oldest.Budget,
			max(oldest.Worst, savable.Worst, smallest.Worst), oldest.Missed, savable.Missed, smallest.Missed, oldest.P99, savable.P99, smallest.P99)
	}
	return kept, w.Flush()
}

func writeBudgetsCSV(out io.Writer, rows []simulate.BudgetRow) error {
	w := csv.NewWriter(out)
	if err := w.Write([]string{"workload", "budget_usd_per_h", "order", "miss_pct", "lambda_usd_per_h", "max_hour_usd", "max_hour_usd_worst", "p50_s", "p99_s", "offload_pct"}); err != nil {
		return err
	}
	for _, r := range rows {
		line := append([]string{r.Workload, fmt.Sprint(r.Budget), r.Order}, figures(r.Missed, r.CloudPrice, r.MaxHour, r.Worst, r.P50, r.P99, r.Offloaded)...)
		if err := w.Write(line); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}
