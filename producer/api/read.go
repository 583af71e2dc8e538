package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/ledger"
	"github.com/sagefleet/sagefleet/shared/outcome"
)

// status says where an execution stands.
func (a *API) status(w http.ResponseWriter, r *http.Request) error {
	mailbox, id, err := names(r)
	if err != nil {
		return err
	}
	s, err := a.Tracker.Status(r.Context(), mailbox, id)
	if err != nil {
		return err
	}
	shown := delegatedStatus{Status: s}
	if a.Delegations != nil {
		e, _, err := a.Delegations.Load(r.Context(), s.Key)
		if err != nil {
			return err
		}
		if e.State != "" {
			shown.Delegation = &delegated{e.State, e.Number, e.Bridge, e.Mode, e.Invoked, e.Updated, e.Expiry, e.Billed, e.Code, e.Reason}
		}
	}
	return ok(w, http.StatusOK, shown)
}

// delegatedStatus is a status and the last delegation, if there was one.
type delegatedStatus struct {
	producer.Status
	Delegation *delegated `json:"delegation,omitempty"`
}

// delegated is what of a delegation is its mailbox's business: not whose function it
// was, nor what was reserved for it.
type delegated struct {
	State   delegation.State `json:"state"`
	Number  int              `json:"number"` // of the attempt
	Bridge  string           `json:"bridge"`
	Mode    string           `json:"mode"`
	Invoked time.Time        `json:"invoked"`
	Updated time.Time        `json:"updated"`
	Expiry  time.Time        `json:"expiry"`
	Billed  *execution.Usage `json:"billed,omitempty"`
	Code    string           `json:"code,omitempty"`
	Reason  string           `json:"reason,omitempty"`
}

func names(r *http.Request) (mailbox, id string, err error) {
	mailbox, id = r.PathValue("mailbox"), r.PathValue("id")
	return mailbox, id, execution.ValidateID(id)
}

// list is a page of what the caller may see, newest first.
func (a *API) list(w http.ResponseWriter, r *http.Request) error {
	f, err := filter(r)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	limit := 50
	if text := query.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > ledger.MaxPage {
			return badQuery("limit", text, fmt.Sprintf("1 to %d", ledger.MaxPage))
		}
	}
	page, err := a.History.List(r.Context(), f, query.Get("cursor"), limit)
	if err != nil {
		return err
	}
	if page.Executions == nil {
		page.Executions = []ledger.Execution{}
	}
	return ok(w, http.StatusOK, page)
}

// filter reads the query. Mailboxes are those that are asked for, each of which the
// caller must be allowed to see, or all of them.
func filter(r *http.Request) (f ledger.Filter, err error) {
	who, _ := access.From(r.Context())
	if !who.Everywhere() {
		f.Mailboxes = append([]string{}, who.Mailboxes...)
	}
	for name, values := range r.URL.Query() {
		value := values[0]
		switch name {
		case "mailbox":
			for _, m := range values {
				if err := who.Require(access.Viewer, m); err != nil {
					return f, err
				}
			}
			f.Mailboxes = values
		case "state":
			for _, s := range values {
				f.States = append(f.States, execution.State(s))
			}
		case "executor":
			f.Executor = value
		case "prefix":
			f.Prefix = value
		case "from":
			f.From, err = time.Parse(time.RFC3339, value)
		case "to":
			f.To, err = time.Parse(time.RFC3339, value)
		case "cursor", "limit":
		default:
			return f, badQuery(name, value, "mailbox, state, executor, from, to, prefix, cursor or limit")
		}
		if err != nil {
			return f, badQuery(name, value, "a time such as 2030-01-31T18:00:00Z")
		}
	}
	return f, nil
}

func badQuery(name, value, expected string) error {
	e := fault.New(CodeQuery, "%.40q is %.80q", name, value).Expecting("%s", expected).Permanent()
	e.Field = name
	return e
}

// ended returns how an execution ended, in the generation that is asked for or the
// last that has.
func (a *API) ended(r *http.Request) (execution.Outcome, error) {
	mailbox, id, err := names(r)
	if err != nil {
		return execution.Outcome{}, err
	}
	var o execution.Outcome
	if text := r.URL.Query().Get("generation"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return o, badQuery("generation", text, "a number from 1")
		}
		o, err = a.outcomes.Read(r.Context(), execution.Key{Mailbox: mailbox, ID: id, Generation: n})
		return o, a.notEnded(r.Context(), err, mailbox, id)
	}
	o, err = a.outcomes.Last(r.Context(), mailbox, id)
	return o, a.notEnded(r.Context(), err, mailbox, id)
}

// notEnded tells what has not ended from what there is not.
func (a *API) notEnded(ctx context.Context, err error, mailbox, id string) error {
	if !errors.Is(err, outcome.ErrNone) {
		return err
	}
	s, err := a.Tracker.Status(ctx, mailbox, id)
	if err != nil {
		return err
	}
	return fault.New(CodeNotEnded, "execution %s of mailbox %s is %s", id, mailbox, s.State).Expecting("one that has ended").
		Advise("ask again later: GET %s says when", location(s.Key))
}

// File is one file of an execution.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // hex
	URL    string `json:"url,omitempty"`
}

// files lists what an execution left, results first.
func (a *API) files(w http.ResponseWriter, r *http.Request) error {
	o, err := a.ended(r)
	if err != nil {
		return err
	}
	items, err := producer.Items(r.Context(), a.Objects, o)
	if err != nil {
		return err
	}
	list := struct {
		execution.Key
		Files []File `json:"files"`
	}{o.Key, []File{}}
	for _, it := range items {
		f := File{Name: it.Name, Size: it.File.Size, SHA256: it.File.SHA256}
		if it.Open != nil {
			f.URL = fmt.Sprintf("%s/files/%s?generation=%d", location(o.Key), url.PathEscape(it.Name), o.Generation)
		}
		list.Files = append(list.Files, f)
	}
	return ok(w, http.StatusOK, list)
}

func (a *API) reportJSON(w http.ResponseWriter, r *http.Request) error {
	return a.send(w, r, "report.json", "inline")
}

// reportHTML loosens the policy as far as a report's own style needs it, and shuts
// it into a sandbox: it is made of what senders wrote.
func (a *API) reportHTML(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Security-Policy", ReportPolicy)
	return a.send(w, r, "report.html", "inline")
}

// ReportPolicy is the Content-Security-Policy of reports. The console shows them in
// frames.
const ReportPolicy = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"

func (a *API) file(w http.ResponseWriter, r *http.Request) error {
	return a.send(w, r, r.PathValue("name"), "attachment")
}

// send answers with a file, once it is stored who saw it.
func (a *API) send(w http.ResponseWriter, r *http.Request, name, disposition string) error {
	o, err := a.ended(r)
	if err != nil {
		return err
	}
	items, err := producer.Items(r.Context(), a.Objects, o)
	if err != nil {
		return err
	}
	for _, it := range items {
		if it.Name == name && it.Open != nil {
			return a.sendItem(w, r, o.Key, it, disposition)
		}
	}
	return fault.New(CodeNoFile, "execution %s of mailbox %s is %s and has no file %.80q", o.ID, o.Mailbox, o.Kind, name).
		Advise("see %s/files", location(o.Key))
}

func (a *API) sendItem(w http.ResponseWriter, r *http.Request, k execution.Key, it producer.Item, disposition string) error {
	h := w.Header()
	h.Set("Content-Type", mediaType(it.Name))
	h.Set("Content-Length", strconv.FormatInt(it.File.Size, 10))
	h.Set("Content-Disposition", mime.FormatMediaType(disposition, map[string]string{"filename": it.Name}))
	if sum, err := hex.DecodeString(it.File.SHA256); err == nil {
		h.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum)+":")
	}
	if r.Method == http.MethodHead {
		return nil
	}
	body, err := it.Open()
	if err == nil {
		defer func() { _ = body.Close() }()
		err = a.audit(r, k, it.Name)
	}
	if err != nil {
		for _, name := range []string{"Content-Length", "Content-Disposition", "Repr-Digest"} {
			h.Del(name)
		}
		return err
	}
	sum := sha256.New()
	n, err := io.Copy(pacedWriter{w, a.newPace(w)}, io.TeeReader(io.LimitReader(body, it.File.Size), sum))
	if err != nil || n != it.File.Size || hex.EncodeToString(sum.Sum(nil)) != it.File.SHA256 {
		zerolog.Ctx(r.Context()).Error().Err(err).Str("file", it.Name).Int64("bytes", n).Int64("of", it.File.Size).Msg("a file was not sent whole")
		panic(http.ErrAbortHandler) // the only way left to say that it isn't what was committed
	}
	return nil
}

// audit tells that somebody sees a file of k, and waits until that is stored.
func (a *API) audit(r *http.Request, k execution.Key, what string) error {
	who, _ := access.From(r.Context())
	return producer.TellViewed(r.Context(), a.events, k, who.Actor(), what)
}

var mediaTypes = map[string]string{".html": "text/html; charset=utf-8", ".json": "application/json", ".txt": "text/plain; charset=utf-8",
	".log": "text/plain; charset=utf-8", ".yaml": "application/yaml", ".csv": "text/csv"}

func mediaType(name string) string {
	if kind, ok := mediaTypes[path.Ext(name)]; ok {
		return kind
	}
	return "application/octet-stream"
}
