package alarms

import (
	"slices"
	"strconv"
	"time"

	"github.com/sagefleet/sagefleet/shared/notify"
)

// Incident is something that is wrong, from when it was found until it is over. Its key is
// its rule and its subject, so that there is one at a time; when it was opened besides is
// what it is called outside.
type Incident struct {
	Rule    string    `json:"rule"`
	Subject string    `json:"subject"` // a mailbox, a component, a limit …
	Opened  time.Time `json:"opened"`
	Last    time.Time `json:"last"` // when it happened last
	Facts
	Place  uint64    `json:"place,omitempty"` // of the last occurrence that is counted, in its stream
	Told   int       `json:"told"`            // how many of them were told
	ToldAt time.Time `json:"told_at,omitzero"`
	Number int       `json:"number"` // of notices
	Closed bool      `json:"closed,omitempty"`
	// Notices are those that somebody is still to hear: kept with the incident, in one write,
	// so that no crash comes between finding something and telling it.
	Notices []Notice `json:"notices,omitempty"`
}

// Facts are what there is to say of it.
type Facts struct {
	Count int      `json:"count"`
	Names []string `json:"names,omitempty"` // of the last few executions
	Note  string   `json:"note,omitempty"`
}

// Kinds of notices.
const (
	Opened   = "opened"
	Again    = "again" // it goes on
	Resolved = "resolved"
	Digest   = "digest" // several in one, when they would be too many
)

// Notice is one thing to say of an incident, as it was then.
type Notice struct {
	ID     string    `json:"id"`
	Kind   string    `json:"kind"`
	Opened time.Time `json:"opened"` // of the incident
	At     time.Time `json:"at"`
	Facts
	Left []string `json:"left"`         // ways that it is still to go
	Of   []string `json:"of,omitempty"` // IDs of the notices that a digest stands for
}

func (i *Incident) key() string { return incidentKey(i.Rule, i.Subject) }

// incidentKey hides what a key can't hold.
func incidentKey(rule, subject string) string {
	return prefixIncident + rule + "." + notify.ID(subject)
}

const prefixIncident = "incident."

// ID names an incident for who hears of it.
func incidentID(rule, subject string, opened time.Time) string {
	return notify.ID("incident", rule, subject, opened.UTC().Format(time.RFC3339Nano))
}

// say adds a notice that is to go all ways.
func (i *Incident) say(kind string, now time.Time, ways []string) {
	i.Number++
	i.Told, i.ToldAt = i.Count, now
	n := Notice{ID: notify.ID("alarm", incidentID(i.Rule, i.Subject, i.Opened), kind, strconv.Itoa(i.Number)), Kind: kind, Opened: i.Opened,
		At: now, Facts: i.Facts, Left: slices.Clone(ways)}
	n.Names = slices.Clone(n.Names)
	i.Notices = append(i.Notices, n)
}

// reopen makes i another incident of the same subject. What nobody has heard of the last one
// is still to be said.
func (i *Incident) reopen(at time.Time) {
	*i = Incident{Rule: i.Rule, Subject: i.Subject, Opened: at.UTC(), Place: i.Place, Last: i.Last, Notices: i.Notices}
}

// finding is something that happened, or is the case.
type finding struct {
	subject string
	Facts
	at        time.Time
	place     uint64 // of what happened, in its stream
	forgotten bool   // it is no longer looked at, and nobody knows how it ended
}

const maxNames = 5

// counted reports whether f was counted before: whoever did died before it noted how far it
// was. A place may come again when a stream is made anew, and a time doesn't.
func (i *Incident) counted(f finding) bool { return f.place <= i.Place && !f.at.After(i.Last) }

// happened counts an occurrence.
func (i *Incident) happened(f finding) {
	i.Place, i.Last = f.place, f.at
	i.Count++
	i.Note = f.Note
	for _, name := range f.Names {
		if !slices.Contains(i.Names, name) {
			i.Names = append(i.Names, name)
		}
	}
	i.Names = i.Names[max(0, len(i.Names)-maxNames):]
}
