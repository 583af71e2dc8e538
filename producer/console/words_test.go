package console

import (
	"html"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var verbs = regexp.MustCompile(`%[-+# 0]*[0-9.]*[a-zA-Z%]`)

func TestCataloguesSayTheSame(t *testing.T) {
	t.Parallel()
	en := known["en"]
	for _, code := range languages {
		w := known[code]
		if diff := cmp.Diff(en.keys(), w.keys()); diff != "" {
			t.Errorf("keys of en and %s (-en +%s):\n%s", code, code, diff)
		}
		for key, text := range w.texts {
			if strings.TrimSpace(text) == "" {
				t.Errorf("%s: %s is empty", code, key)
			}
			if diff := cmp.Diff(verbs.FindAllString(en.texts[key], -1), verbs.FindAllString(text, -1)); diff != "" {
				t.Errorf("%s: verbs of %s (-en +%s):\n%s", code, key, code, diff)
			}
		}
	}
}

var (
	action    = regexp.MustCompile(`\{\{(?s:.*?)\}\}`)
	element   = regexp.MustCompile(`<(?s:.*?)>`)
	spoken    = regexp.MustCompile(`\b(?:title|aria-label|alt|placeholder|data-yes|data-no)="([^"]*)"`)
	code      = regexp.MustCompile(`(?s)<code>.*?</code>`)
	letters   = regexp.MustCompile(`\p{L}{2,}`)
	literal   = regexp.MustCompile(`\b[tn] "([a-z][a-zA-Z0-9_.-]*)"`)
	inCode    = regexp.MustCompile(`\.([TN])\("([a-z][a-zA-Z0-9_.-]*)"`)
	prefixed  = regexp.MustCompile(`(?:\(print |\.[TN]\(|\.has\()"([a-z][a-zA-Z0-9_.-]*\.)"`)
	namesOnly = []string{"SAGE Fleet", "sage_"} // are the same in every language
)

// Pages hold no words: what a person reads comes from a catalogue.
func TestPagesHoldNoText(t *testing.T) {
	t.Parallel()
	for name, page := range sources(t, "pages/*.html") {
		page = action.ReplaceAllString(page, "")
		for _, said := range spoken.FindAllStringSubmatch(page, -1) {
			page += " " + said[1]
		}
		text := html.UnescapeString(element.ReplaceAllString(code.ReplaceAllString(page, ""), " "))
		for _, n := range namesOnly {
			text = strings.ReplaceAll(text, n, "")
		}
		if found := letters.FindAllString(text, -1); len(found) > 0 {
			t.Errorf("%s has text of its own: %q", name, found)
		}
	}
}

// Every text that is asked for is there, and every one that is there is asked for.
func TestTextsAreThoseThatAreUsed(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	var prefixes []string
	for name, text := range sources(t, "pages/*.html", "*.go") {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, m := range literal.FindAllStringSubmatch(text, -1) {
			used[m[1]] = true
		}
		for _, m := range inCode.FindAllStringSubmatch(text, -1) {
			used[m[2]] = true
		}
		for _, m := range prefixed.FindAllStringSubmatch(text, -1) {
			prefixes = append(prefixes, m[1])
		}
	}
	en := known["en"]
	for key := range used {
		if !strings.HasSuffix(key, ".") && !en.has(key) && !en.has(key+".one") {
			t.Errorf("no text for %s", key)
		}
	}
	for _, key := range en.keys() {
		base := strings.TrimSuffix(strings.TrimSuffix(key, ".one"), ".other")
		made := slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(key, p) })
		page := strings.HasSuffix(key, ".nav") || strings.HasSuffix(key, ".title")
		if !used[key] && !used[base] && !made && !page {
			t.Errorf("nothing says %s", key)
		}
	}
}

func sources(t *testing.T, patterns ...string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, p := range patterns {
		names, err := filepath.Glob(p)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v", p, err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all[name] = string(text)
		}
	}
	return all
}

func TestLanguageIsTheVisitors(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ chosen, accepted, want string }{
		"nothing said":     {"", "", "en"},
		"Mexican Spanish":  {"", "es-MX,es;q=0.9,en;q=0.8", "es"},
		"the better liked": {"", "en;q=0.3,es;q=0.7", "es"},
		"another":          {"", "zh-CN", "en"},
		"chosen":           {"es", "en", "es"},
		"chosen, unknown":  {"xx", "es", "es"},
		"not a header":     {"", ";;;=", "en"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := wordsFor(tt.chosen, tt.accepted).Code; got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestNumbersAreWrittenAsTheLanguageDoes(t *testing.T) {
	t.Parallel()
	en, es := known["en"], known["es"]
	for _, tt := range [][2]string{
		{en.number(1234567), "1,234,567"}, {es.number(1234567), "1.234.567"},
		{en.usd(12.5), "$12.50"}, {es.usd(0.25), "$0,2500"}, {en.usd(0.000093), "$0.000093"}, {en.usd(0.0000002), "$0.000000200"},
		{en.bytes(int64(999)), "999 B"}, {en.bytes(uint64(1500)), "1.5 kB"}, {es.bytes(2_500_000), "2,5 MB"},
		{en.took(90 * 1e9), "1 min 30 s"}, {es.took(1500 * 1e6), "1,5 s"}, {en.took(-1), "0 ms"},
		{en.percent(0.123), "12.3 %"},
	} {
		if tt[0] != tt[1] {
			t.Errorf("%q, want %q", tt[0], tt[1])
		}
	}
}
