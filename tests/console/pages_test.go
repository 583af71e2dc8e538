package console_test

import (
	_ "embed"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

//go:embed contrast.js
var contrast string

// pages are all there are, by the name of their pictures.
func pages() map[string]string {
	return map[string]string{"fleet": "/", "executions": "/executions", "dead": "/dead", "submit": "/submit", "nowhere": "/nowhere"}
}

// TestPagesCanBeRead looks at every page in both schemes and on a phone: all text stands
// out from what is behind it, nothing is wider than the screen, and everything that can
// be operated has a name.
func TestPagesCanBeRead(t *testing.T) {
	for name, path := range pages() {
		for _, l := range looks {
			t.Run(name+"/"+l.name, func(t *testing.T) {
				b := open(t, l)
				b.expect("404")
				b.visit(path)
				time.Sleep(300 * time.Millisecond) // the live part comes, and fonts
				b.shoot(fmt.Sprintf("%s-%s", name, l.name))
				b.do(chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("details").forEach((d) => (d.open = true))`))
				found := eval[struct {
					Seen int
					Bad  []string
				}](b, contrast)
				if found.Seen < 10 {
					t.Errorf("only %d texts were looked at", found.Seen)
				}
				for _, bad := range found.Bad {
					t.Errorf("contrast %s", bad)
				}
				if wide := eval[int](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); wide > 0 {
					t.Errorf("the page is %d pixels wider than the screen", wide)
				}
				for _, nameless := range eval[[]string](b, namelessScript) {
					t.Errorf("has no name: %s", nameless)
				}
			})
		}
	}
}

// namelessScript lists fields, buttons, links, pictures and frames without a name for
// those who don't see them, and headings that leave a level out.
const namelessScript = `(() => {
  const bad = [];
  for (const e of document.querySelectorAll("a, button, summary, input:not([type=hidden]), select, textarea, iframe, img")) {
    const name = e.getAttribute("aria-label") || e.title || e.alt || e.innerText || (e.labels && [...e.labels].map((l) => l.innerText).join(""));
    if (!name || !name.trim()) bad.push(e.outerHTML.slice(0, 120));
  }
  let level = 0;
  for (const h of document.querySelectorAll("h1, h2, h3, h4")) {
    const n = Number(h.localName[1]);
    if (n > level + 1) bad.push("heading " + h.outerHTML.slice(0, 80));
    level = n;
  }
  if (document.querySelectorAll("h1").length !== 1) bad.push("not one h1");
  if (!document.documentElement.lang) bad.push("no language");
  return bad;
})()`
