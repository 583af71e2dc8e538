package console_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/producer/console"
	"github.com/sagefleet/sagefleet/shared/bus"
)

// forget leaves the browser as it was for the tests that follow.
func (b *tab) forget() {
	b.Cleanup(func() { b.do(send(network.ClearBrowserCookies, cdp.Empty{})) })
}

// gated serves the console of the fleet to who has a token, until the test ends.
func gated(t *testing.T) (url, token string) {
	t.Helper()
	kv, err := fleet.JS.KeyValue(t.Context(), bus.BucketAccess)
	if err != nil {
		t.Fatal(err)
	}
	tokens := access.NewTokens(kv)
	gate, err := access.NewGate(t.Context(), tokens, access.Config{Cache: time.Second, Rate: 1000, Burst: 1000, Session: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if token, _, err = tokens.Create(t.Context(), access.Grant{Name: "eva", Role: access.Viewer, Mailboxes: []string{"ventas"}}, "test"); err != nil {
		t.Fatal(err)
	}
	c := console.New(console.Parts{Access: gate, JS: fleet.JS, Objects: fleet.Objects, Fleet: fleet.Fleet})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	s := httptest.NewServer(c)
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		s.Close()
	})
	return s.URL, token
}

// Who has no session is led to where it begins, and back; a wrong token is refused there;
// signing out ends it. The page can be read in every look.
func TestSignInAndOut(t *testing.T) {
	url, token := gated(t)
	for _, l := range looks {
		t.Run(l.name, func(t *testing.T) {
			b := open(t, l)
			b.forget()
			b.do(chromedp.Navigate(url + "/dead"))
			b.shoot("login-" + l.name)
			b.canBeRead("/login")
			b.expect("401")
			b.do(chromedp.SendKeys("input[name=token]", "sage_wrong"))
			b.press("form button.primary")
			b.until("the token is refused", func() bool { return eval[bool](b, `!!document.querySelector(".notice.bad")`) })
			b.canBeRead("/login, refused")
			b.do(chromedp.SendKeys("input[name=token]", token))
			b.press("form button.primary")
			if at := eval[string](b, "location.pathname"); at != "/dead" {
				t.Fatalf("signing in leads to %s", at)
			}
			b.do(chromedp.Click("details.menu summary"))
			b.press(`form[action="/logout"] button`)
			b.do(chromedp.Navigate(url + "/"))
			if at := eval[string](b, "location.pathname"); at != "/login" {
				t.Errorf("after signing out, / is at %s", at)
			}
		})
	}
}

// How a visitor likes pages is kept, and can be undone.
func TestPreferencesAreKept(t *testing.T) {
	b := open(t, desk)
	b.forget()
	b.visit("/executions")
	ground := func() string { return eval[string](b, "getComputedStyle(document.body).backgroundColor") }
	choose := func(name, value string) {
		b.do(chromedp.Click("details.menu summary"))
		b.press(`.menu button[name=` + name + `][value=` + value + `]`)
		if at := eval[string](b, "location.pathname"); at != "/executions" {
			t.Fatalf("%s leads to %s", value, at)
		}
	}
	light := ground()
	choose("theme", "dark")
	b.visit("/executions")
	if dark := ground(); dark == light {
		t.Errorf("dark is %s, as light", dark)
	}
	choose("language", "es")
	b.visit("/executions")
	if text := b.text(); !strings.Contains(text, "Ejecuciones") || eval[string](b, "document.documentElement.lang") != "es" {
		t.Errorf("in Spanish the page says\n%s", text)
	}
	choose("language", "en")
	choose("theme", "system")
	if ground() != light || !strings.Contains(b.text(), "Executions") {
		t.Error("it isn't as it was")
	}
}

// Dead letters are exported as they lie there, by their group.
func TestExport(t *testing.T) {
	submit(t, "exported", "exported-1", "sage_yaml: [")
	b := open(t, desk)
	b.visit("/dead")
	b.until("the letter is there", func() bool { return eval[bool](b, `!!document.querySelector('tr[data-key="exported.CONFIG_SYNTAX"]')`) })
	lines := get(t, eval[string](b, `document.querySelector('tr[data-key="exported.CONFIG_SYNTAX"] a[download]').href`))
	var letter producer.WholeLetter
	if err := json.Unmarshal([]byte(lines), &letter); err != nil || letter.Name != "exported-1" || letter.Request == nil {
		t.Errorf("exported %s: %v", lines, err)
	}
	b.visit("/executions/exported/exported-1")
	b.wait("a file was looked at by demo")
}

// The fleet's page shows what the Lambda may cost.
func TestBudgetIsShown(t *testing.T) {
	b := open(t, desk)
	b.visit("/")
	b.wait("$2.50 an hour")
	if meters := eval[int](b, `document.querySelectorAll('section[aria-labelledby="budget"] svg.meter').length`); meters != 1 {
		t.Errorf("%d meters of one limit", meters)
	}
}
