package console

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/producer/access"
)

// visit is one request for a page, and how its visitor likes pages.
type visit struct {
	*http.Request
	words *words
	theme string // light, dark, or empty: as the system is
	now   time.Time
	who   access.Identity
}

// maxForm is how many bytes a form without files may have.
const maxForm = 16 << 10

const (
	cookieLanguage = "sage_language"
	cookieTheme    = "sage_theme"
)

func newVisit(r *http.Request) *visit {
	v := &visit{Request: r, now: time.Now()}
	v.who, _ = access.From(r.Context())
	chosen := ""
	if c, err := r.Cookie(cookieLanguage); err == nil {
		chosen = c.Value
	}
	v.words = wordsFor(chosen, r.Header.Get("Accept-Language"))
	if c, err := r.Cookie(cookieTheme); err == nil && (c.Value == "light" || c.Value == "dark") {
		v.theme = c.Value
	}
	return v
}

// mailboxes are those that the visitor asks for and may see; nil is all there are.
func (v *visit) mailboxes(asked string) []string {
	switch {
	case asked != "" && v.who.May(access.Viewer, asked):
		return []string{asked}
	case asked != "":
		return []string{}
	case v.who.Everywhere():
		return nil
	}
	return v.who.Mailboxes
}

// setPreferences keeps how a visitor likes pages, in cookies.
func setPreferences(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	for field, cookie := range map[string]string{"language": cookieLanguage, "theme": cookieTheme} {
		value := r.PostFormValue(field)
		age := 365 * 24 * 60 * 60
		switch value {
		case "":
			continue
		case "system":
			age = -1
		case "light", "dark", "en", "es":
		default:
			http.Error(w, field, http.StatusBadRequest)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: cookie, Value: value, Path: "/", MaxAge: age, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil})
	}
	http.Redirect(w, r, here(r.PostFormValue("back")), http.StatusSeeOther)
}

// here returns a place of this console, whatever place says.
func here(place string) string {
	u, err := url.Parse(place)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") || strings.Contains(place, `\`) {
		return "/"
	}
	return (&url.URL{Path: u.Path, RawQuery: u.RawQuery}).String()
}
