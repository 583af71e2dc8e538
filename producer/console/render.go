package console

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"strings"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/producer/api"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

//go:embed pages/*.html
var pageFiles embed.FS

// templates are the pages of each language, by language and name.
var templates = parsePages()

func parsePages() map[string]map[string]*template.Template {
	all := map[string]map[string]*template.Template{}
	entries, err := pageFiles.ReadDir("pages")
	if err != nil {
		panic(err) // it is part of the program
	}
	for _, code := range languages {
		all[code] = map[string]*template.Template{}
		shared := template.Must(template.New("").Funcs(known[code].funcs()).ParseFS(pageFiles, "pages/layout.html", "pages/parts.html"))
		for _, e := range entries {
			name := strings.TrimSuffix(e.Name(), ".html")
			if name != "layout" && name != "parts" {
				all[code][name] = template.Must(template.Must(shared.Clone()).ParseFS(pageFiles, "pages/"+e.Name()))
			}
		}
	}
	return all
}

// frame is what surrounds every page.
type frame struct {
	*visit
	Name  string
	Nav   []link
	Dead  int // dead letters that the visitor may see, as far as that is known
	Body  any
	Live  bool
	Theme string
	Lang  string
	Back  string // this page, for forms that come back

	Who        string // is signed in
	CanSignOut bool
	Submits    bool // may submit files
}

type link struct {
	Name, URL string
	Current   bool
}

// navigation is where pages are found, in the order in which they are shown.
var navigation = []link{{Name: "fleet", URL: "/"}, {Name: "executions", URL: "/executions"}, {Name: "dead", URL: "/dead"},
	{Name: "plan", URL: "/plan"}, {Name: "submit", URL: "/submit"}}

func (c *Console) frame(v *visit, name string, body any) frame {
	f := frame{visit: v, Name: name, Body: body, Theme: v.theme, Lang: v.words.Code, Back: v.URL.RequestURI()}
	f.Live = templates[v.words.Code][name].Lookup("live") != nil
	if v.who.Role == "" {
		return f
	}
	f.Who = v.who.Name
	_, f.CanSignOut = c.parts.Access.(Sessions)
	f.Submits = c.maySubmit(v)
	f.Dead = c.deadFor(v)
	for _, l := range navigation {
		if l.Name == "submit" && !f.Submits || l.Name == "plan" && c.plans == nil {
			continue
		}
		l.Current = l.Name == name || l.Name == "executions" && name == "execution"
		f.Nav = append(f.Nav, l)
	}
	return f
}

// deadFor counts the dead letters that the visitor may see.
func (c *Console) deadFor(v *visit) int {
	if v.who.Everywhere() {
		return int(c.watch.now().Backlog.Dead) //nolint:gosec // a count of messages
	}
	if c.trends == nil {
		return 0
	}
	_, dead, err := c.trends.of(v.Context(), v.mailboxes(""), v.now)
	if err != nil {
		zerolog.Ctx(v.Context()).Warn().Err(err).Msg("dead letters not counted")
	}
	return dead
}

// maySubmit reports whether the visitor can submit files here.
func (c *Console) maySubmit(v *visit) bool {
	return c.parts.Submit != nil && v.who.Role.Includes(access.Submitter)
}

// write renders a page. Nothing is sent before it is whole.
func (c *Console) write(w http.ResponseWriter, v *visit, status int, name string, body any) {
	var out bytes.Buffer
	if err := templates[v.words.Code][name].ExecuteTemplate(&out, "layout", c.frame(v, name, body)); err != nil {
		zerolog.Ctx(v.Context()).Error().Err(err).Str("page", name).Msg("page not rendered")
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes())
}

// errNoPage is what unknown addresses answer.
var errNoPage = fault.New("PAGE_UNKNOWN", "the console has no such page").Advise("choose one above")

// fail shows an error as a page.
func (c *Console) fail(w http.ResponseWriter, v *visit, err error) {
	status, e := explain(err)
	if status >= 500 {
		zerolog.Ctx(v.Context()).Error().Err(err).Str("path", v.URL.Path).Msg("page not shown")
	}
	c.write(w, v, status, "error", e)
}

// explain returns the status of a failure, and what is told of it.
func explain(err error) (int, *fault.Error) {
	switch e := fault.Describe(err); e.Code {
	case errNoPage.Code:
		return http.StatusNotFound, e
	case execution.CodeID, execution.CodeMailbox: // of an address
		return http.StatusBadRequest, e
	}
	return api.Explain(err)
}
