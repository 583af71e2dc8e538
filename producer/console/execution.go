package console

import (
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/ledger"
	"github.com/sagefleet/sagefleet/shared/state"
)

// executionView is the page of one execution.
type executionView struct {
	producer.Status
	Place      label
	StateLabel label
	Known      ledger.Execution // what the ledger knows besides; zero when it doesn't
	Steps      []step
	Report     string // where it is; empty without one
	Downloads  []download
	Cost       float64
	Done       string // what was just done, a key of texts

	MayCancel, MayRedrive bool
	Act                   string // where actions are sent
}

// Settled reports that nothing more happens by itself.
func (e executionView) Settled() bool { return e.State.Terminal() }

// Waited is how long it waited for its attempt.
func (e executionView) Waited() time.Duration {
	if e.Started.IsZero() || e.Enqueued.IsZero() {
		return 0
	}
	return e.Started.Sub(e.Enqueued)
}

// Ran is how long its last attempt took.
func (e executionView) Ran() time.Duration {
	if e.Started.IsZero() || e.Finished.IsZero() {
		return 0
	}
	return e.Finished.Sub(e.Started)
}

// step is one event on the timeline.
type step struct {
	At      time.Time
	After   string // since it was accepted
	Tone    string
	Text    string
	Reasons []string // in the fleet's own words, English
	Numbers string
}

type download struct {
	execution.File
	URL string
}

// tracker is made for each request: it holds nothing.
func (c *Console) tracker(v *visit) (*producer.Tracker, error) {
	kv, err := c.parts.JS.KeyValue(v.Context(), bus.BucketState)
	if err != nil {
		return nil, err
	}
	return producer.NewTracker(c.parts.JS, state.New(c.parts.JS, kv, 0), c.parts.Objects), nil
}

func (c *Console) viewExecution(v *visit) (any, error) {
	mailbox, id := v.PathValue("mailbox"), v.PathValue("id")
	if err := v.who.Require(access.Viewer, mailbox); err != nil {
		return nil, err
	}
	t, err := c.tracker(v)
	if err != nil {
		return nil, err
	}
	s, err := t.Status(v.Context(), mailbox, id)
	if err != nil {
		return nil, err
	}
	e := executionView{Status: s, Place: placeLabel(v.words, s.Executor), StateLabel: stateLabel(v.words, s.State), Act: executionURL(mailbox, id)}
	if done := v.URL.Query().Get("done"); v.words.has("done." + done) {
		e.Done = "done." + done
	}
	operates := v.who.May(access.Operator, mailbox)
	e.MayCancel = operates && !s.State.Terminal()
	e.MayRedrive = operates && s.State == execution.Dead.Terminal() && s.Erased == nil
	if s.Usage != nil {
		e.Cost = s.Usage.CostUSD
	}
	for _, f := range s.Files {
		e.Downloads = append(e.Downloads, download{f, e.Act + "/files/" + url.PathEscape(f.Name)})
		if f.Name == reportFile {
			e.Report = e.Act + "/report"
		}
	}
	return e, c.tell(v, t, &e)
}

// tell adds the timeline: from the ledger, or else from the events that are kept.
func (c *Console) tell(v *visit, t *producer.Tracker, e *executionView) error {
	var events []producer.Step
	if c.parts.Ledger != nil {
		known, err := c.parts.Ledger.Get(v.Context(), e.Key)
		if err == nil {
			e.Known = known
			told, err := c.parts.Ledger.Events(v.Context(), e.Key)
			if err != nil {
				return err
			}
			for _, x := range told {
				events = append(events, producer.Step{At: x.At, Kind: x.Kind, Host: path.Base(x.Source), EventData: x.Data})
			}
		}
	}
	if len(events) == 0 {
		explained, err := t.Explain(v.Context(), e.Mailbox, e.ID)
		if err != nil {
			return err
		}
		events = explained.Steps
	}
	if !e.Enqueued.IsZero() {
		e.Steps = append(e.Steps, step{At: e.Enqueued, Text: v.words.T("event.accepted")})
	}
	for _, x := range producer.WithStarts(events) {
		e.Steps = append(e.Steps, stepOf(v.words, x, e.Enqueued))
	}
	return c.delegationStep(v, e)
}

// stepOf says what one event means.
func stepOf(w *words, x producer.Step, accepted time.Time) step {
	tones := map[string]string{execution.EventStarted: "busy", execution.EventRetry: "warn", execution.EventReturned: "warn",
		execution.EventSucceeded: "good", execution.EventDead: "bad", execution.EventStranded: "bad"}
	s := step{At: x.At, Tone: tones[x.Kind], Text: x.Kind}
	if !accepted.IsZero() && x.At.After(accepted) {
		s.After = "+" + w.took(x.At.Sub(accepted))
	}
	switch x.Kind {
	case execution.EventStarted:
		key := "event.started.worker"
		if x.Executor == execution.OnLambda {
			s.Tone, key = "cloud", "event.started.lambda"
		}
		s.Text = w.T(key, max(x.Number, 1), x.Host)
	case execution.EventRetry:
		s.Text = w.T("event.retry", x.Number)
	default:
		if w.has("event." + x.Kind) {
			s.Text = w.T("event."+x.Kind, x.Host)
		}
	}
	if x.Usage != nil {
		s.Text += " · " + w.T("event.billed", x.Usage.BilledMillis, w.usd(x.Usage.CostUSD))
	}
	if x.Reason != "" {
		s.Reasons = append(s.Reasons, x.Reason)
	}
	if y := x.Why; y != nil && !x.State.Terminal() { // an end repeats its start's
		if y.Rule == execution.RuleSlot {
			s.Numbers = w.T("why.slot")
		} else {
			s.Reasons = append(s.Reasons, strings.TrimSpace(y.Reason))
			s.Numbers = w.T("why.rule", y.Rule, y.Policy)
		}
		if y.Signals != nil {
			s.Numbers += " · " + w.T("why.numbers", y.Signals.Pending, y.Signals.Busy, y.Signals.Slots)
		}
	}
	return s
}

// redrive and cancel act on the execution of an address, and lead back to it.
func (c *Console) redrive(w http.ResponseWriter, r *http.Request) {
	c.act(w, r, func(v *visit, op *producer.Operator, mailbox, id string) (string, error) {
		_, err := op.Redrive(v.Context(), mailbox, id, 0, r.PostFormValue("reason"), false)
		return "redriven", err
	})
}

func (c *Console) cancel(w http.ResponseWriter, r *http.Request) {
	c.act(w, r, func(v *visit, op *producer.Operator, mailbox, id string) (string, error) {
		done, err := op.Cancel(v.Context(), mailbox, id, r.PostFormValue("reason"), false)
		if err == nil && done.Already {
			return "ended", nil
		}
		return "cancelled", err
	})
}

func (c *Console) act(w http.ResponseWriter, r *http.Request, do func(v *visit, op *producer.Operator, mailbox, id string) (string, error)) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	v, mailbox, id := newVisit(r), r.PathValue("mailbox"), r.PathValue("id")
	if err := v.who.Require(access.Operator, mailbox); err != nil {
		c.fail(w, v, err)
		return
	}
	op, err := c.operator(v)
	if err != nil {
		c.fail(w, v, err)
		return
	}
	done, err := do(v, op, mailbox, id)
	if err != nil {
		c.fail(w, v, err)
		return
	}
	http.Redirect(w, r, executionURL(mailbox, id)+"?done="+done, http.StatusSeeOther)
}

// operator acts for the visitor, under the name that events and records will have.
func (c *Console) operator(v *visit) (*producer.Operator, error) {
	return producer.OpenOperator(v.Context(), c.parts.JS, c.parts.Objects, c.parts.Fleet, c.parts.StateTTL, v.who.Actor())
}
