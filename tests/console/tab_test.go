package console_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// tab is a tab of the browser. It fails its test when a page complains: of an error,
// or of something that its policy forbids.
type tab struct {
	*testing.T
	ctx context.Context

	mu       sync.Mutex
	told     []string
	expected func(string) bool // complaints that the test provokes
}

// look is how a tab looks at pages.
type look struct {
	name          string
	width, height int64
	scheme        string // light or dark
	language      string
}

var (
	desk  = look{"light", 1360, 900, "light", "en"}
	night = look{"dark", 1360, 900, "dark", "en"}
	phone = look{"phone", 390, 844, "light", "es"}
	looks = []look{desk, night, phone}
)

// open opens a tab for the time of a test.
func open(t *testing.T, l look) *tab {
	t.Helper()
	ctx, closeTab := chromedp.NewContext(browser)
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	b := &tab{T: t, ctx: ctx}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	b.do(send(log.Enable, cdp.Empty{}), send(network.Enable, network.EnableParams{}),
		send(network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": l.language}}),
		send(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: l.scheme}}}),
		chromedp.EmulateViewport(l.width, l.height))
	t.Cleanup(func() {
		b.mu.Lock()
		for _, said := range b.told {
			t.Errorf("the browser says: %s", said)
		}
		b.mu.Unlock()
		cancel()
		closeTab()
	})
	return b
}

// send is the step that gives the browser a command.
func send[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	})
}

// hear keeps what the browser complains of.
func (b *tab) hear(event any) {
	said := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		said = fmt.Sprint("exception: ", e.ExceptionDetails.Text, " ", e.ExceptionDetails.URL)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			said = fmt.Sprintf("console.%s", e.Type)
			for _, a := range e.Args {
				said += " " + string(a.Value) + a.Description
			}
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Source == log.EntrySourceSecurity {
			said = string(e.Entry.Source) + ": " + e.Entry.Text + " " + e.Entry.URL
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if said != "" && (b.expected == nil || !b.expected(said)) {
		b.told = append(b.told, said)
	}
}

// expect lets the browser complain of what contains text.
func (b *tab) expect(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expected = func(said string) bool { return strings.Contains(said, text) }
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.Fatal(err)
	}
}

func (b *tab) visit(path string) {
	b.Helper()
	b.do(chromedp.Navigate(site + path))
}

// eval returns what a script's expression gives.
func eval[T any](b *tab, script string) T {
	b.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script))
	if err != nil {
		b.Fatal(err)
	}
	return v
}

// text is what a person reads on the page.
func (b *tab) text() string {
	b.Helper()
	return eval[string](b, "document.body.innerText")
}

// wait waits until the page says something, without being loaded anew.
func (b *tab) wait(what string) {
	b.Helper()
	b.until("the page says "+what, func() bool { return strings.Contains(b.text(), what) })
}

func (b *tab) until(what string, holds func() bool) {
	b.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("not within 30 s: %s\n%s", what, b.text())
		}
	}
}

// shoot keeps a picture of the page, if pictures are wanted.
func (b *tab) shoot(name string) {
	b.Helper()
	if *shots == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*shots, name+".png"), picture, 0o600); err != nil {
		b.Fatal(err)
	}
}
