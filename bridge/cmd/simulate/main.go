// Command simulate compares overflow policies on made-up and recorded workloads,
// and holds them against what was agreed on.
package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kong"

	"github.com/sagefleet/sagefleet/bridge/overflow"
	"github.com/sagefleet/sagefleet/bridge/overflow/simulate"
)

type arguments struct {
	Seed      uint64   `default:"1" help:"The first seed."`
	Seeds     int      `default:"10" help:"How many seeds to average over."`
	Workloads []string `name:"workload" enum:"${workloads}" default:"${workloads}" help:"Only these workloads: ${workloads}."`
	Policies  []string `name:"policy" enum:"${policies}" default:"${policies}" help:"Only these policies: ${policies}."`
	Budgets   bool     `help:"Compare what becomes of work under budgets, by how a fleet lives with them, also with bridges that die."`
	JSON      bool     `name:"json" xor:"form" help:"Print one JSON object a line."`
	CSV       bool     `name:"csv" xor:"form" help:"Print CSV."`
	SVG       string   `name:"svg" placeholder:"FILE" help:"Also draw what each policy costs over what it misses."`
	HTML      string   `name:"html" placeholder:"FILE" help:"Also write a page with these charts and the figures."`
}

// recommended is the policy that the charts stand out.
const recommended = overflow.PolicySized

// judged must meet what was agreed on; see [simulate.Exceptions].
var judged = []string{recommended, overflow.PolicySlack}

func main() {
	var args arguments
	parser := kong.Parse(&args, kong.Name("simulate"), kong.Vars{"workloads": strings.Join(simulate.Workloads, ","), "policies": strings.Join(simulate.Policies, ",")},
		kong.Description("Compares overflow policies on made-up and recorded workloads. Exits 0 when sized and slack meet what was agreed on, as far as they were run and but for known exceptions, and no hour cost more than its budget; otherwise, and on errors, 1. What was agreed on is of ten seeds: fewer may say otherwise."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	met, err := run(ctx, args, os.Stdout)
	parser.FatalIfErrorf(err)
	if !met {
		os.Exit(1)
	}
}

// run prints the comparison, and whether the policies are as good as was agreed.
func run(ctx context.Context, args arguments, out io.Writer) (met bool, err error) {
	if args.Seeds < 1 {
		return false, fmt.Errorf("--seeds is %d; expected 1 or more", args.Seeds)
	}
	if args.Budgets {
		return true, runBudgets(ctx, args, out)
	}
	rows, err := simulate.Compare(ctx, simulate.Grid(args.Workloads, args.Policies), args.Seed, args.Seeds)
	if err != nil {
		return false, err
	}
	if err := writeCharts(args, rows); err != nil {
		return false, err
	}
	met = true
	for _, policy := range judged {
		for _, v := range simulate.Judge(rows, policy) {
			met = met && (v.Met() || v.Excused())
		}
	}
	switch {
	case args.JSON:
		return met, writeJSON(out, rows)
	case args.CSV:
		return met, writeCSV(out, rows)
	}
	return met, writeTables(out, rows)
}

func writeJSON[T any](out io.Writer, rows []T) error {
	encoder := json.NewEncoder(out)
	for _, r := range rows {
		if err := encoder.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

func figures(values ...float64) []string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = strconv.FormatFloat(v, 'g', 6, 64)
	}
	return texts
}

var columns = []string{"workload", "policy", "jobs", "miss_pct", "lambda_usd_per_h", "total_usd_per_1000", "mean_s", "p50_s", "p99_s",
	"offload_pct", "idle_pct", "peak_concurrency", "max_hour_usd", "max_hour_usd_worst"}

func writeCSV(out io.Writer, rows []simulate.Row) error {
	w := csv.NewWriter(out)
	if err := w.Write(columns); err != nil {
		return err
	}
	for _, r := range rows {
		line := []string{r.Workload, r.Policy, strconv.Itoa(r.Jobs)}
		if err := w.Write(append(line, figures(r.Missed, r.CloudPrice, r.PerThousand, r.Mean, r.P50, r.P99, r.Offloaded, r.Idle, float64(r.Peak), r.MaxHour, r.Worst)...)); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

func writeTables(out io.Writer, rows []simulate.Row) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "workload\tpolicy\tjobs\tmissed %\tLambda $/h\ttotal $/1000\tmean s\tp50 s\tp99 s\tLambda %\tidle %\tat once\tdearest hour $\tof all seeds\t")
	for i, r := range rows {
		if i > 0 && r.Workload != rows[i-1].Workload {
			fmt.Fprintln(w, "\t\t\t\t\t\t\t\t\t\t\t\t\t\t")
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%.3f\t%.4f\t%.4f\t%.2f\t%.2f\t%.2f\t%.1f\t%.1f\t%d\t%.4f\t%.4f\t\n", r.Workload, r.Policy, r.Jobs, r.Missed,
			r.CloudPrice, r.PerThousand, r.Mean, r.P50, r.P99, r.Offloaded, r.Idle, r.Peak, r.MaxHour, r.Worst)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, policy := range judged {
		verdicts := simulate.Judge(rows, policy)
		if len(verdicts) == 0 {
			continue
		}
		var excuses []*simulate.Exception
		fmt.Fprintf(w, "\n%s, as agreed\tmissed %%\t≤\tLambda $ ÷ exact\t≤\tLambda $ ÷ threshold\t≤\t\t\n", policy)
		for _, v := range verdicts {
			if v.Excused() {
				excuses = append(excuses, v.Exception)
			}
			fmt.Fprintf(w, "%s\t%.4f\t%.2f\t%s\t%s\t%.3f\t%.2f\t%s\t\n", v.Workload, v.HasMissed, v.Missed,
				multiple(v.HasExact, v.OfExact, "%.3f"), multiple(v.OfExact, v.OfExact, "%.2f"), v.HasThreshold, v.OfThreshold, word(v))
		}
		if err := w.Flush(); err != nil {
			return err
		}
		for _, e := range excuses {
			fmt.Fprintf(out, "%s on %s is known: %s. Held to %.2f of exact, %.2f of threshold.\n", e.Policy, e.Workload, e.Reason, e.OfExact, e.OfThreshold)
		}
	}
	return nil
}

func multiple(value, bound float64, format string) string {
	if bound == 0 {
		return "–"
	}
	return fmt.Sprintf(format, value)
}

func word(v simulate.Verdict) string {
	switch {
	case v.Met():
		return "met"
	case v.Excused():
		return "known"
	}
	return "NOT MET"
}
