package answers

import (
	_ "embed"
	"fmt"
	"net/url"
	"strings"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// phrases is all that an e-mail says in one language. Counts and names are filled in.
type phrases struct {
	subject                                map[execution.Kind]string // mailbox, id
	clean, findings                        string                    // of the subject of what succeeded
	greeting, ended, summary, reason, link string
	detail                                 string // what the fault says itself, in English
	files, attached, automatic             string
	meaning                                func(fault.Code) string
	unnamed                                string // of a fault without a meaning
}

var texts = map[string]*phrases{
	"es": {
		subject: map[execution.Kind]string{
			execution.Succeeded: "[%s] Informe de validación: %s",
			execution.Dead:      "[%s] No se pudo validar su envío %s",
			execution.Cancelled: "[%s] Validación cancelada: %s",
		},
		clean: "sin errores", findings: "%d errores, %d avisos",
		greeting: "Hola:",
		ended:    "La ejecución %s del buzón %s terminó el %s (UTC).",
		summary:  "Resultado: %d registros, %d errores, %d avisos.",
		reason:   "Motivo: %s [%s]",
		detail:   "Detalle técnico, en inglés: %s",
		files:    "Ficheros: %s",
		link:     "Informe: %s",
		attached: "El informe va adjunto.",

		automatic: "Este mensaje es automático.",
		meaning:   fault.Code.Spanish, unnamed: "No se pudo llevar a cabo",
	},
	"en": {
		subject: map[execution.Kind]string{
			execution.Succeeded: "[%s] Validation report: %s",
			execution.Dead:      "[%s] Your files could not be validated: %s",
			execution.Cancelled: "[%s] Validation cancelled: %s",
		},
		clean: "no errors", findings: "%d errors, %d warnings",
		greeting: "Hello,",
		ended:    "Execution %s of mailbox %s ended on %s (UTC).",
		summary:  "Result: %d records, %d errors, %d warnings.",
		reason:   "Reason: %s",
		files:    "Files: %s",
		link:     "Report: %s",
		attached: "The report is attached.",

		automatic: "This message was sent automatically.",
	},
}

// compose writes the subject and the text of the e-mail that answers o. Names of files
// are the sender's own words; they come into the text alone.
func (t *phrases) compose(o execution.Outcome, link string, attached bool) (subject, text string) {
	subject = fmt.Sprintf(t.subject[o.Kind], o.Mailbox, o.ID)
	lines := []string{t.greeting, "", fmt.Sprintf(t.ended, o.ID, o.Mailbox, o.Finished.UTC().Format("2006-01-02 15:04:05"))}
	if names := inputNames(o); names != "" {
		lines = append(lines, fmt.Sprintf(t.files, names))
	}
	if s := o.Summary; s != nil {
		lines = append(lines, fmt.Sprintf(t.summary, s.Records, s.Errors, s.Warnings))
		if s.Errors+s.Warnings == 0 {
			subject += ": " + t.clean
		} else {
			subject += ": " + fmt.Sprintf(t.findings, s.Errors, s.Warnings)
		}
	}
	if o.Fault != nil {
		lines = append(lines, t.why(o.Fault)...)
	}
	if attached {
		lines = append(lines, t.attached)
	}
	if link != "" {
		lines = append(lines, "", fmt.Sprintf(t.link, link))
	}
	return subject, strings.Join(append(lines, "", t.automatic, ""), "\n")
}

// why says what f means in the language, and then what it says itself, in English.
func (t *phrases) why(f *fault.Error) []string {
	if t.meaning == nil {
		return []string{fmt.Sprintf(t.reason, f.Error())}
	}
	meaning := t.meaning(f.Code)
	if meaning == "" {
		meaning = t.unnamed
	}
	return []string{fmt.Sprintf(t.reason, meaning, f.Code), fmt.Sprintf(t.detail, f.Error())}
}

func inputNames(o execution.Outcome) string {
	const most = 10
	var names []string
	for i, f := range o.Inputs {
		if i == most {
			names = append(names, "…")
			break
		}
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}

// Schema is the JSON Schema (2020-12) of an [Answer].
//
//go:embed answer.schema.json
var Schema []byte

// Answer is the body of a webhook. Fields are added, and never change their meaning.
type Answer struct {
	Type string `json:"type"` // execution.succeeded, execution.dead, execution.cancelled
	execution.Key
	Sender   string             `json:"sender,omitempty"`
	Finished string             `json:"finished"` // RFC 3339, UTC
	Summary  *execution.Summary `json:"summary,omitempty"`
	Code     string             `json:"code,omitempty"`   // why there is no report
	Reason   string             `json:"reason,omitempty"` // the same for people
	Console  string             `json:"console,omitempty"`
	// Report is the path of report.json below the HTTP API.
	Report string `json:"report,omitempty"`
}

// answer says to programs how o ended.
func answer(o execution.Outcome, link string) Answer {
	a := Answer{Type: "execution." + o.Kind.EventKind(), Key: o.Key, Sender: o.Sender, Summary: o.Summary, Console: link,
		Finished: o.Finished.UTC().Format("2006-01-02T15:04:05.000Z07:00")}
	if o.Fault != nil {
		a.Code, a.Reason = string(o.Fault.Code), o.Fault.Error()
	}
	if o.Kind == execution.Succeeded {
		a.Report = "/v1/executions/" + o.Mailbox + "/" + o.ID + "/report.json"
	}
	return a
}

// link is where people see an execution.
func link(console string, o execution.Outcome) string {
	if console == "" {
		return ""
	}
	return strings.TrimRight(console, "/") + "/executions/" + url.PathEscape(o.Mailbox) + "/" + url.PathEscape(o.ID)
}
