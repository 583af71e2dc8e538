package console_test

import (
	_ "embed"
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

//go:embed contrast.js
var contrast string

// pages are all there are, by the name of their pictures.
func pages() map[string]string {
	return map[string]string{"execution": "/executions/looked/looked-1", "died": "/executions/looked/looked-2", "chosen": "/dead?mailbox=looked&code=CONFIG_SYNTAX",
		"fleet": "/", "executions": "/executions", "dead": "/dead", "plan": "/plan?deadline=5", "submit": "/submit", "nowhere": "/nowhere"}
}

// TestPagesCanBeRead looks at every page in both schemes and on a phone: all text stands
// out from what is behind it, nothing is wider than the screen, and everything that can
// be operated has a name.
func TestPagesCanBeRead(t *testing.T) {
	submit(t, "looked", "looked-1", config)
	submit(t, "looked", "looked-2", "sage_yaml: [")
	ready := open(t, desk)
	for _, id := range []string{"looked-1", "looked-2"} {
		ready.visit("/executions/looked/" + id)
		ready.until(id+" has ended", func() bool { return eval[bool](ready, `!!document.querySelector("h1 .good, h1 .bad")`) })
	}
	for _, l := range looks {
		t.Run(l.name, func(t *testing.T) {
			b := open(t, l)
			b.expect("/nowhere") // and no asset of any page
			for name, path := range pages() {
				b.visit(path)
				b.until("the page follows, if it does", func() bool {
					return eval[bool](b, `(document.getElementById("pulse") || {hidden: false}).hidden === false`)
				})
				b.shoot(fmt.Sprintf("%s-%s", name, l.name))
				b.canBeRead(path)
			}
		})
	}
}

func (b *tab) canBeRead(path string) {
	b.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("details").forEach((d) => (d.open = true))`))
	found := eval[struct {
		Seen int
		Bad  []string
	}](b, contrast)
	if found.Seen < 10 {
		b.Errorf("%s: only %d texts were looked at", path, found.Seen)
	}
	for _, bad := range found.Bad {
		b.Errorf("%s: contrast %s", path, bad)
	}
	if wide := eval[int](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); wide > 0 {
		b.Errorf("%s is %d pixels wider than the screen", path, wide)
	}
	for _, nameless := range eval[[]string](b, namelessScript) {
		b.Errorf("%s has no name: %s", path, nameless)
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
