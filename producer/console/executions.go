package console

import (
	"net/url"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/ledger"
)

const listed = 50 // executions on a page

// executionsView is a page of the list of executions.
type executionsView struct {
	Without   bool // there is no ledger
	Asked     asked
	Mailboxes []string // to choose from; none is any
	States    []choice
	Executors []choice
	Rows      []executionRow
	Filtered  bool
	First     string // where the list begins; empty there
	Next      string // where it goes on; empty at the end
}

// asked is the filter as the visitor wrote it.
type asked struct{ Prefix, Mailbox, State, Executor, From, To string }

type choice struct {
	Value, Text string
	Chosen      bool
}

// executionRow is an execution in a list.
type executionRow struct {
	ledger.Execution
	State       label
	URL         string
	Place       label
	WaitedFor   string
	RanFor      string
	FilesBeyond int // that aren't named
}

const minuteLayout = "2006-01-02T15:04" // of a browser's field for a time

func (c *Console) viewExecutions(v *visit) (any, error) {
	q := v.URL.Query()
	a := asked{Prefix: q.Get("q"), Mailbox: q.Get("mailbox"), State: q.Get("state"), Executor: q.Get("executor"), From: q.Get("from"), To: q.Get("to")}
	e := executionsView{Without: c.parts.Ledger == nil, Asked: a, Filtered: a != asked{}}
	for _, s := range []execution.State{"", execution.Accepted, execution.Running, execution.RetryWait,
		execution.Succeeded.Terminal(), execution.Dead.Terminal(), execution.Cancelled.Terminal()} {
		e.States = append(e.States, choice{string(s), v.words.T("state." + string(s)), string(s) == a.State})
	}
	for _, x := range []string{"", execution.OnWorker, execution.OnLambda, execution.ByOperator} {
		e.Executors = append(e.Executors, choice{x, v.words.T("executor." + x), x == a.Executor})
	}
	if !v.who.Everywhere() {
		e.Mailboxes = v.who.Mailboxes
	}
	if e.Without {
		return e, nil
	}
	f := ledger.Filter{Mailboxes: v.mailboxes(a.Mailbox), Executor: a.Executor, From: minute(a.From), To: minute(a.To), Prefix: a.Prefix}
	if a.State != "" {
		f.States = []execution.State{execution.State(a.State)}
	}
	found, err := c.parts.Ledger.List(v.Context(), f, q.Get("after"), listed)
	if err != nil {
		return nil, err
	}
	for _, x := range found.Executions {
		e.Rows = append(e.Rows, rowOf(v.words, x))
	}
	if found.Next != "" {
		e.Next = with(q, "after", found.Next)
	}
	if q.Get("after") != "" {
		e.First = with(q, "after", "")
	}
	return e, nil
}

// with is the list with one parameter changed.
func with(q url.Values, name, value string) string {
	changed := url.Values{}
	for k, v := range q {
		changed[k] = v
	}
	changed.Del(name)
	if value != "" {
		changed.Set(name, value)
	}
	if len(changed) == 0 {
		return "/executions"
	}
	return "/executions?" + changed.Encode()
}

// minute reads a browser's field for a time; what isn't one is none.
func minute(text string) time.Time {
	t, _ := time.ParseInLocation(minuteLayout, text, time.Local)
	return t
}

func rowOf(w *words, x ledger.Execution) executionRow {
	row := executionRow{Execution: x, State: stateLabel(w, x.State), URL: executionURL(x.Mailbox, x.ID), Place: placeLabel(w, x.Executor),
		FilesBeyond: x.FileCount - len(x.Files)}
	if d, ok := x.Waited(); ok {
		row.WaitedFor = w.took(d)
	}
	if d, ok := x.Ran(); ok {
		row.RanFor = w.took(d)
	}
	return row
}

func executionURL(mailbox, id string) string {
	return "/executions/" + url.PathEscape(mailbox) + "/" + url.PathEscape(id)
}

// stateLabel is a state as a word with a colour.
func stateLabel(w *words, s execution.State) label {
	tones := map[execution.State]string{execution.Running: "busy", execution.RetryWait: "warn", execution.Succeeded.Terminal(): "good", execution.Dead.Terminal(): "bad"}
	if !w.has("state." + string(s)) {
		return label{"", string(s)}
	}
	return label{tones[s], w.T("state." + string(s))}
}

// placeLabel says where an execution ran.
func placeLabel(w *words, executor string) label {
	switch executor {
	case "":
		return label{}
	case execution.OnLambda:
		return label{"cloud", w.T("executor.lambda")}
	case execution.OnWorker, execution.ByOperator:
		return label{"", w.T("executor." + executor)}
	}
	return label{"", executor}
}
