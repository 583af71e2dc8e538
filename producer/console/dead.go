package console

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/queue"
)

const (
	maxLetters  = 2000 // that the page reads
	maxRedriven = 200  // in one request
)

// deadView is the page of dead letters.
type deadView struct {
	Groups   []deadGroup
	Letters  []letterRow // of the group that is looked at
	Code     string
	Mailbox  string
	More     bool // there are more letters than were read
	Filtered bool
	Redriven int // what was just done
	Failed   int
	Left     bool // some of the group were not come to
	Done     bool
}

// deadGroup is what died of one cause in one mailbox.
type deadGroup struct {
	Mailbox, Code string
	Count         int
	First, Last   time.Time
	Example       string // a reason
	URL, Export   string
	Refused       bool // was never an execution: nothing to redrive
	MayRedrive    bool
	Chosen        bool
}

type letterRow struct {
	queue.Letter
	URL string
}

func (c *Console) viewDead(v *visit) (any, error) {
	q := v.URL.Query()
	d := deadView{Code: q.Get("code"), Mailbox: q.Get("mailbox"), Done: q.Has("redriven"), Left: q.Has("left")}
	d.Filtered = d.Code != "" || d.Mailbox != ""
	_, _ = fmt.Sscan(q.Get("redriven"), &d.Redriven)
	_, _ = fmt.Sscan(q.Get("failed"), &d.Failed)
	groups := map[[2]string]*deadGroup{}
	read := 0
	for l, err := range c.letters(v) {
		if err != nil {
			return nil, err
		}
		if read++; read > maxLetters {
			d.More = true
			break
		}
		g := groups[[2]string{l.Mailbox, l.Code}]
		if g == nil {
			g = newGroup(v, l)
			g.Chosen = d.Filtered && d.chooses(l)
			groups[[2]string{l.Mailbox, l.Code}] = g
		}
		g.Count++
		g.Last = l.Stored
		g.Refused = g.Refused && l.Refused()
		if d.Filtered && d.chooses(l) && len(d.Letters) < listed*2 {
			row := letterRow{Letter: l}
			if !l.Refused() {
				row.URL = executionURL(l.Mailbox, l.Name)
			}
			d.Letters = append(d.Letters, row)
		}
	}
	if d.More && c.parts.Ledger != nil {
		if err := c.countAll(v, groups); err != nil {
			return nil, err
		}
	}
	for _, g := range groups {
		d.Groups = append(d.Groups, *g)
	}
	slices.SortFunc(d.Groups, func(a, b deadGroup) int {
		return cmp.Or(b.Count-a.Count, cmp.Compare(a.Mailbox, b.Mailbox), cmp.Compare(a.Code, b.Code))
	})
	slices.Reverse(d.Letters) // the newest first
	return d, nil
}

// letters are those that the visitor may see. Those of nobody's mailbox are for
// whoever sees all.
func (c *Console) letters(v *visit) iter.Seq2[queue.Letter, error] {
	if v.who.Everywhere() {
		return queue.Letters(v.Context(), c.parts.JS, queue.LetterFilter{})
	}
	return func(yield func(queue.Letter, error) bool) {
		for _, mailbox := range v.who.Mailboxes {
			for l, err := range queue.Letters(v.Context(), c.parts.JS, queue.LetterFilter{Mailbox: mailbox}) {
				if !yield(l, err) {
					return
				}
			}
		}
	}
}

// countAll has groups count also the letters that weren't read, by the ledger.
func (c *Console) countAll(v *visit, groups map[[2]string]*deadGroup) error {
	causes, err := c.parts.Ledger.Dead(v.Context(), v.mailboxes(""), time.Time{})
	if err != nil {
		return err
	}
	for _, cause := range causes {
		key := [2]string{cause.Mailbox, cause.Code}
		if groups[key] == nil {
			groups[key] = newGroup(v, queue.Letter{Mailbox: cause.Mailbox, Code: cause.Code, Stored: cause.First})
			groups[key].Refused = false
		}
		groups[key].Count, groups[key].Last = max(groups[key].Count, cause.Count), cause.Last
	}
	return nil
}

func (d deadView) chooses(l queue.Letter) bool {
	return (d.Code == "" || d.Code == l.Code) && (d.Mailbox == "" || d.Mailbox == l.Mailbox)
}

func newGroup(v *visit, l queue.Letter) *deadGroup {
	q := url.Values{"mailbox": {l.Mailbox}, "code": {l.Code}}.Encode()
	return &deadGroup{Mailbox: l.Mailbox, Code: l.Code, First: l.Stored, Example: l.Reason, URL: "/dead?" + q, Export: "/dead/export?" + q,
		Refused: true, MayRedrive: v.who.May(access.Operator, l.Mailbox)}
}

// groupOf is the group that an address or a form names.
func groupOf(v *visit, role access.Role) (queue.LetterFilter, error) {
	f := queue.LetterFilter{Mailbox: v.FormValue("mailbox"), Code: v.FormValue("code")}
	return f, v.who.Require(role, f.Mailbox)
}

// redriveGroup has a group carried out again, as far as a request may take.
func (c *Console) redriveGroup(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	v := newVisit(r)
	f, err := groupOf(v, access.Operator)
	if err != nil {
		c.fail(w, v, err)
		return
	}
	op, err := c.operator(v)
	if err != nil {
		c.fail(w, v, err)
		return
	}
	ctx, cancel := context.WithTimeout(v.Context(), 20*time.Second)
	defer cancel()
	back := url.Values{}
	done, failed := 0, 0
	for d, err := range op.RedriveAll(ctx, f, r.PostFormValue("reason"), false) {
		if err != nil && d.ID == "" {
			c.fail(w, v, err)
			return
		}
		if err != nil {
			failed++
			zerolog.Ctx(ctx).Warn().Err(err).Str("mailbox", d.Mailbox).Str("execution", d.ID).Msg("not redriven")
		} else {
			done++
		}
		if done+failed == maxRedriven || ctx.Err() != nil {
			back.Set("left", "1")
			break
		}
	}
	back.Set("redriven", fmt.Sprint(done))
	back.Set("failed", fmt.Sprint(failed))
	http.Redirect(w, r, "/dead?"+back.Encode(), http.StatusSeeOther)
}

// exportDead sends letters as JSON lines, as `sage dead export` prints them, once it is
// stored who saw them.
func (c *Console) exportDead(w http.ResponseWriter, r *http.Request) {
	v := newVisit(r)
	f, err := groupOf(v, access.Viewer)
	if err != nil {
		c.fail(w, v, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/jsonl")
	h.Set("Content-Disposition", `attachment; filename="dead-letters.jsonl"`)
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	for l, err := range producer.Viewed(v.Context(), c.events, queue.Letters(v.Context(), c.parts.JS, f), v.who.Actor()) {
		if err == nil {
			err = out.Encode(producer.Whole(l))
		}
		if err != nil { // what was sent can't be taken back: a line says that more is missing
			zerolog.Ctx(v.Context()).Error().Err(err).Msg("dead letters not exported")
			_ = out.Encode(map[string]*fault.Error{"error": fault.Describe(err)})
			return
		}
	}
}
