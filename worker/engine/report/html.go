package report

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine"
)

// page is a document being written. Everything that isn't a constant of this
// file goes through text.
type page struct{ bytes.Buffer }

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;", "\x00", "\ufffd")

// text writes s as text or as the value of a quoted attribute.
func (p *page) text(s string) { _, _ = escaper.WriteString(&p.Buffer, s) }

// element writes one element that holds text.
func (p *page) element(tag, class, s string) {
	p.WriteString("<" + tag)
	if class != "" {
		p.WriteString(` class="` + class + `"`)
	}
	p.WriteString(">")
	p.text(s)
	p.WriteString("</" + tag + ">")
}

const head = `<!doctype html>
<html lang="%s">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
`

const style = `<style>
:root{--bg:#f6f7f9;--card:#fff;--fg:#1b2430;--dim:#5d6b7c;--line:#dfe4ea;--error:#b3261e;--warning:#8a5a00;--message:#1f5fa8;--good:#1c7a41}
@media(prefers-color-scheme:dark){:root{--bg:#12161c;--card:#1b222b;--fg:#e6ebf1;--dim:#9aa8b8;--line:#303a46;--error:#ff8a80;--warning:#ffc66b;--message:#8ab8f5;--good:#7bd8a0}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif}
main{max-width:60rem;margin:auto;padding:1rem}
h1{font-size:1.4rem;margin:.5rem 0;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:1.5rem 0 .5rem}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.6rem}
.card,section,li{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.7rem .9rem}
.card b{display:block;font-size:1.5rem;font-variant-numeric:tabular-nums}
.card span,.dim{color:var(--dim);font-size:.9rem}
section{margin:.6rem 0;border-left-width:.3rem}
section h3{font-size:1rem;margin:0;overflow-wrap:anywhere}
ul{list-style:none;margin:0;padding:0;display:grid;gap:.5rem}
code{font:.85rem/1.4 ui-monospace,monospace;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%;margin-top:.5rem;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.25rem .5rem .25rem 0;border-top:1px solid var(--line);vertical-align:top}
td:last-child{overflow-wrap:anywhere;white-space:pre-wrap}
p{margin:.3rem 0}
.error{border-left-color:var(--error)}.warning{border-left-color:var(--warning)}.message{border-left-color:var(--message)}
.error h3 i,.bad{color:var(--error)}.warning h3 i,.fair{color:var(--warning)}.message h3 i{color:var(--message)}.good{color:var(--good)}
h3 i{font-style:normal;font-size:.85rem}
</style>
`

// HTML renders report.html.
func (r *Report) HTML() []byte {
	l := r.text()
	var p page
	p.Grow(len(head) + len(style) + 4<<10) // what a page without findings takes
	_, _ = fmt.Fprintf(&p, head, l.code)
	p.element("title", "", l.title+" — "+r.Info.Data)
	p.WriteString(style)
	p.WriteString("</head>\n<body>\n<main>\n")
	p.element("h1", "", l.title+": "+r.Info.Data)
	r.cards(&p)
	if len(r.Problems) > 0 {
		p.element("h2", "", l.problems)
		p.WriteString("\n<ul>\n")
		for _, problem := range r.Problems {
			p.element("li", "bad", l.fault(problem))
			p.WriteString("\n")
		}
		p.WriteString("</ul>\n")
	}
	p.element("h2", "", l.findings)
	p.WriteString("\n")
	if len(r.Result.Findings) == 0 {
		p.element("p", "dim", l.noFindings)
	}
	for i := range r.Result.Findings {
		l.section(&p, &r.Result.Findings[i])
	}
	r.notes(&p)
	p.WriteString("</main>\n</body>\n</html>\n")
	return p.Bytes()
}

func (r *Report) cards(p *page) {
	l := r.text()
	tone := map[string]string{Success: "good", Partial: "fair", Failed: "bad"}[r.Status()]
	p.WriteString(`<div class="cards">`)
	for _, card := range [][3]string{
		{l.status, l.statuses[r.Status()], tone},
		{l.records, fmt.Sprint(r.Result.Records), ""},
		{l.errors, fmt.Sprint(r.Errors()), ""},
		{l.warnings, fmt.Sprint(r.Result.Warnings), ""},
		{l.rate, fmt.Sprintf("%.2f %%", r.successRate()), ""},
		{l.duration, seconds(r.Info.End.Sub(r.Info.Start)), ""},
	} {
		p.WriteString(`<div class="card">`)
		p.element("b", card[2], card[1])
		p.element("span", "", card[0])
		p.WriteString("</div>")
	}
	p.WriteString("</div>\n")
}

func (l *language) section(p *page, f *engine.Finding) {
	class := map[spec.Severity]string{spec.Error: "error", spec.Warning: "warning", spec.Message: "message"}[f.Severity]
	p.WriteString(`<section class="` + class + `"><h3>`)
	p.element("i", "", fmt.Sprintf("%s · %d", l.severities[f.Severity], f.Count))
	p.WriteString(" ")
	p.text(l.message(f))
	p.WriteString("</h3>")
	var where []string
	for _, part := range [][2]string{{l.file, f.File}, {l.field, f.Field}} {
		if part[1] != "" {
			where = append(where, part[0]+": "+part[1])
		}
	}
	if len(where) > 0 {
		p.element("p", "dim", strings.Join(where, " · "))
	}
	if f.Rule != nil {
		p.WriteString("<p>")
		p.element("code", "", f.Rule.Source)
		p.WriteString("</p>")
	}
	if f.Columns != nil {
		expected, found := l.columnCounts(f.Columns)
		p.element("p", "", l.expected+": "+expected+" · "+l.found+": "+found)
		for _, names := range l.columnNames(f.Columns) {
			p.element("p", "", names)
		}
	}
	if f.Found != "" {
		p.element("p", "", l.found+": «"+f.Found+"»")
	}
	l.rowsTable(p, f)
	p.WriteString("</section>\n")
}

func (l *language) rowsTable(p *page, f *engine.Finding) {
	if len(f.Details) == 0 {
		return
	}
	p.WriteString("<table><thead><tr>")
	p.element("th", "", l.line)
	p.element("th", "", l.row)
	p.element("th", "", l.value)
	p.WriteString("</tr></thead><tbody>")
	for _, d := range f.Details {
		p.WriteString("<tr>")
		line := "—"
		if d.Line > 0 {
			line = fmt.Sprint(d.Line)
		}
		p.element("td", "", line)
		p.element("td", "", fmt.Sprint(d.Row))
		value := d.Value.Text
		if d.Value.Null {
			value = "—"
		}
		p.element("td", "", shorten(value))
		p.WriteString("</tr>")
	}
	p.WriteString("</tbody></table>")
	if total := max(f.Rows, f.Count); total > len(f.Details) {
		p.element("p", "dim", fmt.Sprintf(l.listed, len(f.Details), total))
	}
}

// shorten keeps one huge cell from making the page unreadable.
func shorten(s string) string {
	if runes := []rune(s); len(runes) > maxLine {
		return string(runes[:maxLine-1]) + "…"
	}
	return s
}

func (r *Report) notes(p *page) {
	l := r.text()
	var notes []string
	for i := range r.Result.Notes {
		n := &r.Result.Notes[i]
		text := l.noteText(n)
		if n.File != "" {
			text = n.File + ": " + text
		}
		notes = append(notes, text)
	}
	for _, a := range r.Advice {
		notes = append(notes, l.fault(a))
	}
	if len(notes) == 0 {
		return
	}
	p.element("h2", "", l.notes)
	p.WriteString("\n<ul>\n")
	for _, note := range notes {
		p.element("li", "", note)
		p.WriteString("\n")
	}
	p.WriteString("</ul>\n")
}
