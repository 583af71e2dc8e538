package console

import (
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/producer/frontier"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/heartbeat"
	"github.com/sagefleet/sagefleet/shared/planning"
)

// planView is the page that says what past executions would have cost and missed.
type planView struct {
	Asked     planForm
	Mailboxes []string // to choose from; none is any
	Windows   []choice
	Fault     *fault.Error
	Empty     bool // nothing has ended in that time
	Told      *planTold
}

// planTold is an answer in the visitor's words.
type planTold struct {
	Count   int
	Cut     bool // there are more than were counted with
	Verdict string
	Kept    bool // the objective, by at least one
	Chart   template.HTML
	Rows    []planning.Option
	Notes   []planNote
	Command string // that says it without the bounds of this page
}

// planNote is what is to be known of the figures.
type planNote struct {
	Name  string
	Lines []string
}

// plan shows the page of plans. What can't be answered comes back with the form, as it
// was filled in.
func (c *Console) plan(w http.ResponseWriter, r *http.Request) {
	v := newVisit(r)
	p, err := c.viewPlan(v)
	status := http.StatusOK
	if err != nil {
		if status, p.Fault = explainPlan(err); status >= http.StatusInternalServerError {
			zerolog.Ctx(r.Context()).Warn().Err(err).Msg("plan not made")
		}
		if fault.CodeOf(err) == errPlanBusy.Code {
			w.Header().Set("Retry-After", "5")
		}
	}
	c.write(w, v, status, "plan", p)
}

func explainPlan(err error) (int, *fault.Error) {
	switch told := fault.Describe(err); told.Code {
	case errPlanBusy.Code:
		return http.StatusServiceUnavailable, told
	case codePlanQuestion:
		return http.StatusBadRequest, told
	}
	return explain(err)
}

func (c *Console) viewPlan(v *visit) (planView, error) {
	q, slots := v.URL.Query(), 0
	policy := planPolicy(c.watch.members(), &slots)
	p := planView{Asked: planFormOf(q, slots)}
	for _, h := range planWindows {
		text := fmt.Sprintf("%dh", h)
		p.Windows = append(p.Windows, choice{text, v.words.T("plan.hours", h), text == p.Asked.Window})
	}
	if !v.who.Everywhere() {
		p.Mailboxes = v.who.Mailboxes
	}
	question, window, err := p.Asked.question()
	if err != nil {
		return p, err
	}
	question.Policy = policy
	made, err := c.plans.of(v.Context(), v.mailboxes(p.Asked.Mailbox), window, question)
	if fault.CodeOf(err) == planning.CodeNoHistory {
		p.Empty = true
		return p, nil
	}
	if err != nil {
		return p, err
	}
	told := planTold{Count: made.Assumed.Jobs, Cut: made.cut, Rows: made.Options, Notes: planNotes(v.words, made.Answer, question), Command: p.Asked.command()}
	told.Verdict, told.Kept = planVerdict(v.words, made.Answer)
	if told.Chart, err = planChart(v.words, made.Answer, told.Verdict); err != nil && !errors.Is(err, frontier.ErrNoPoints) {
		return p, err
	}
	p.Told = &told
	return p, nil
}

// planPolicy is what the fleet does now, to measure the simulation by, and how many
// slots a worker has.
func planPolicy(members []heartbeat.Member, slots *int) string {
	policy := "local"
	for _, m := range members {
		if m.Worker != nil {
			*slots = max(*slots, m.Worker.Slots)
		}
		if m.Bridge == nil {
			continue
		}
		if policy = m.Bridge.Why.Policy; policy != "slack" && policy != "sized" {
			policy = "threshold"
		}
	}
	return policy
}

func planVerdict(w *words, a planning.Answer) (string, bool) {
	o, kept := a.Cheapest()
	if !kept {
		return w.T("plan.nothing", a.LatePercent, w.took(seconds(a.Deadline))), false
	}
	return w.N("plan.cheapest", o.Replicas, o.Policy, a.LatePercent, w.took(seconds(a.Deadline)), w.usd(o.PerThousand)), true
}

func planChart(w *words, a planning.Answer, verdict string) (template.HTML, error) {
	c := frontier.Chart{Title: w.T("plan.chart"), XName: w.T("plan.late.axis"), CostName: w.T("plan.cost.axis"), Objective: a.LatePercent,
		Words: frontier.Words{Frontier: w.T("plan.frontier"), Bound: w.T("plan.bound"), Objective: w.T("plan.objective"), Cheapest: w.T("plan.kept")}}
	for _, o := range a.Options {
		c.Points = append(c.Points, frontier.Point{Series: o.Policy, Label: fmt.Sprint(o.Replicas), X: o.Missed, Cost: o.PerThousand,
			Pareto: o.Pareto, Cheapest: o.Cheapest, Bound: o.Bound})
	}
	return c.Inline(w.T("plan.chart.label", verdict))
}

// planNotes say what was assumed, and how far that is from what was.
func planNotes(w *words, a planning.Answer, q planning.Question) []planNote {
	s := a.Assumed
	seen := func(is bool) string {
		if is {
			return w.T("plan.seen")
		}
		return w.T("plan.guess")
	}
	outline := func(r planning.Result) string {
		return w.T("plan.outline", w.took(seconds(r.P50)), w.took(seconds(r.P99)), r.Offloaded, r.Missed)
	}
	return []planNote{
		{w.T("plan.assumed"), []string{
			w.T("plan.assumed.jobs", s.Jobs, w.took(seconds(s.Span)), s.Negative),
			w.T("plan.assumed.sized", s.Sized),
			w.T("plan.assumed.lambda", s.CloudToLocal, seen(s.RatioSeen), w.took(seconds(s.ColdStart)), seen(s.ColdSeen)),
			w.T("plan.assumed.prices", q.Slots, w.usd(q.ReplicaUSD), int(q.MemoryMB), w.usd(q.GBSecondUSD), q.Concurrency),
			w.T("plan.assumed.rest"),
		}},
		{w.T("plan.calibration"), []string{
			w.N("plan.replay", a.ReplayWith, a.ReplayOf, outline(a.Replay)),
			w.T("plan.observed", outline(a.Observed)),
		}},
		{w.T("plan.policies"), []string{w.T("plan.policies.exact"), w.T("plan.policies.ends")}},
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// command is `sage plan` with the same question.
func (f planForm) command() string {
	var b strings.Builder
	workers := strings.Join(strings.FieldsFunc(f.Workers, betweenWorkers), ",")
	fmt.Fprintf(&b, "sage plan --deadline %ss --late %s --since %s --replicas %s --slots %s", f.Deadline, f.Late, f.Window, workers, f.Slots)
	usual := planFormOf(nil, 0)
	for _, flag := range []struct{ name, value, usual string }{
		{"mailbox", f.Mailbox, ""}, {"budget-usd", f.Budget, usual.Budget}, {"replica-usd", f.WorkerUSD, usual.WorkerUSD}, {"memory", f.MemoryMB, usual.MemoryMB},
		{"gb-second-usd", f.GBSecondUSD, usual.GBSecondUSD}, {"request-usd", f.RequestUSD, usual.RequestUSD}, {"concurrency", f.Environments, usual.Environments},
	} {
		if flag.value != flag.usual {
			fmt.Fprintf(&b, " --%s %s", flag.name, flag.value)
		}
	}
	return b.String()
}
