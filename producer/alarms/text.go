package alarms

import (
	_ "embed"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/shared/notify"
)

// Schema is the JSON Schema (2020-12) of an [Alarm].
//
//go:embed alarm.schema.json
var Schema []byte

// Alarm is the body of a webhook, and the attribute sage-data of SNS. Fields are added, and
// never change their meaning.
type Alarm struct {
	Type     string    `json:"type"`               // alarm.opened, alarm.again, alarm.resolved, alarm.digest
	Incident string    `json:"incident,omitempty"` // the same in all that is said of one
	Rule     string    `json:"rule,omitempty"`
	Subject  string    `json:"subject,omitempty"`
	Opened   time.Time `json:"opened,omitzero"`
	At       time.Time `json:"at"`
	Count    int       `json:"count,omitempty"`
	Examples []string  `json:"examples,omitempty"`
	Detail   string    `json:"detail,omitempty"`
	Look     string    `json:"look,omitempty"`    // a command that shows more
	Runbook  string    `json:"runbook,omitempty"` // what to do, a path in the repository
	Console  string    `json:"console,omitempty"`
	Alarms   []Alarm   `json:"alarms,omitempty"` // of a digest
}

// phrases is all that is said to people in one language.
type phrases struct {
	titles                                                     map[string]string // by rule, with the subject
	kinds                                                      map[string]string // before a title
	digest, since, over, cases, examples, detail, look, manual string
	console, automatic                                         string
}

var texts = map[string]*phrases{
	"es": {
		titles: map[string]string{
			RuleDead: "envíos que nadie pudo validar, %s", RuleDeadline: "informes después de su plazo, %s", RuleBudget: "presupuesto de Lambda, %s",
			RuleStuck: "ejecuciones que no avanzan, %s", RuleDown: "sin señales de vida, %s", RuleBacklog: "la cola espera demasiado, %s",
		},
		kinds:  map[string]string{Again: "Sigue: ", Resolved: "Resuelto: "},
		digest: "%d avisos juntos", since: "Desde el %s (UTC)", over: "Terminó el %s (UTC)", cases: "Casos: %d", examples: "Por ejemplo: %s",
		detail: "Detalle: %s", look: "Para ver más: %s", manual: "Qué hacer: %s", console: "Consola: %s", automatic: "Este mensaje es automático.",
	},
	"en": {
		titles: map[string]string{
			RuleDead: "dead letters, %s", RuleDeadline: "reports after their deadline, %s", RuleBudget: "budget of Lambda, %s",
			RuleStuck: "executions that don't go on, %s", RuleDown: "no sign of life, %s", RuleBacklog: "the queue waits for too long, %s",
		},
		kinds:  map[string]string{Again: "Still: ", Resolved: "Resolved: "},
		digest: "%d notices in one", since: "Since %s (UTC)", over: "Over at %s (UTC)", cases: "Cases: %d", examples: "Such as: %s",
		detail: "Detail: %s", look: "To see more: %s", manual: "What to do: %s", console: "Console: %s", automatic: "This message was sent automatically.",
	},
}

var runbooks = map[string]string{
	RuleDead: "dead-letters", RuleDeadline: "backlog-old", RuleBudget: "budget", RuleStuck: "attempts-fail", RuleDown: "components", RuleBacklog: "backlog-old",
}

// look is the command that shows more of a subject.
func look(rule, subject string, names []string) string {
	mailbox, rest, _ := strings.Cut(subject, "/")
	switch rule {
	case RuleDead:
		return "sage dead list --mailbox " + mailbox + " --code " + rest
	case RuleDeadline:
		return "sage list --mailbox " + mailbox
	case RuleBudget:
		return "sage budget"
	case RuleStuck:
		if len(names) > 0 {
			return "sage status " + names[0] + " --mailbox " + mailbox
		}
		return "sage backlog"
	case RuleDown:
		return "sage fleet"
	}
	return "sage backlog"
}

// alarm says n of an incident to programs.
func (f File) alarm(i *Incident, n Notice) Alarm {
	return Alarm{Type: "alarm." + n.Kind, Incident: incidentID(i.Rule, i.Subject, n.Opened), Rule: i.Rule, Subject: i.Subject, Opened: n.Opened.UTC(), At: n.At.UTC(),
		Count: n.Count, Examples: n.Names, Detail: n.Note, Look: look(i.Rule, i.Subject, n.Names), Runbook: "deploy/runbooks/" + runbooks[i.Rule] + ".md",
		Console: f.page(i.Rule, i.Subject)}
}

// page is where people see what an incident is about.
func (f File) page(rule, subject string) string {
	if f.Console == "" {
		return ""
	}
	base, mailbox := strings.TrimRight(f.Console, "/"), url.QueryEscape(strings.Split(subject, "/")[0])
	switch rule {
	case RuleDead:
		return base + "/dead?mailbox=" + mailbox
	case RuleDeadline, RuleStuck:
		return base + "/executions?mailbox=" + mailbox
	}
	return base + "/"
}

// title is one line of an alarm.
func (t *phrases) title(a Alarm) string {
	title := t.kinds[strings.TrimPrefix(a.Type, "alarm.")] + fmt.Sprintf(t.titles[a.Rule], a.Subject)
	if a.Count > 1 {
		title += fmt.Sprintf(" (%d)", a.Count)
	}
	return title
}

// message says an alarm to people and programs.
func (f File) message(id string, a Alarm) notify.Message {
	t := texts[f.Language]
	m := notify.Message{ID: id, Data: a}
	var lines []string
	if len(a.Alarms) > 0 {
		m.Subject = "[SAGE] " + fmt.Sprintf(t.digest, len(a.Alarms))
		for _, one := range a.Alarms {
			lines = append(lines, one.At.Format(time.DateTime)+"  "+t.title(one))
		}
	} else {
		m.Subject = "[SAGE] " + t.title(a)
		lines = append([]string{t.title(a), ""}, t.body(a)...)
	}
	if f.Console != "" && len(a.Alarms) > 0 {
		lines = append(lines, "", fmt.Sprintf(t.console, f.Console))
	}
	m.Text = strings.Join(append(lines, "", t.automatic, ""), "\n")
	return m
}

func (t *phrases) body(a Alarm) (lines []string) {
	lines = append(lines, fmt.Sprintf(t.since, a.Opened.Format(time.DateTime)))
	if a.Type == "alarm."+Resolved {
		return append(lines, fmt.Sprintf(t.over, a.At.Format(time.DateTime)))
	}
	if a.Count > 1 {
		lines = append(lines, fmt.Sprintf(t.cases, a.Count))
	}
	if len(a.Examples) > 0 {
		lines = append(lines, fmt.Sprintf(t.examples, strings.Join(a.Examples, ", ")))
	}
	if a.Detail != "" {
		lines = append(lines, fmt.Sprintf(t.detail, a.Detail))
	}
	lines = append(lines, "", fmt.Sprintf(t.look, a.Look), fmt.Sprintf(t.manual, a.Runbook))
	if a.Console != "" {
		lines = append(lines, fmt.Sprintf(t.console, a.Console))
	}
	return lines
}
