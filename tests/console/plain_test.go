package console_test

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Without scripts files are submitted, lists filtered and letters redriven.
func TestWithoutScripts(t *testing.T) {
	b := open(t, desk)
	b.do(send(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	b.visit("/submit")
	if eval[bool](b, `typeof follow === "function"`) {
		t.Fatal("the page's script ran")
	}
	b.do(chromedp.SendKeys(`input[name=mailbox]`, "plain"), chromedp.SendKeys(`textarea`, "sage_yaml: ["), chromedp.SetUploadFiles(`input[name=file]`, []string{file(t, "people.csv", people)}))
	b.expect("422")
	b.press("form.upload button")
	b.wait("nothing was accepted")
	b.do(chromedp.SetValue(`textarea`, config), chromedp.SetUploadFiles(`input[name=file]`, []string{file(t, "people.csv", people)}))
	b.press("form.upload button")
	b.wait("It was accepted.")
	b.until("its end, when the page is loaded again", func() bool {
		b.do(chromedp.Reload())
		return strings.Contains(b.text(), "ended with a report")
	})
	submit(t, "plain", "plain-1", "sage_yaml: [")
	b.until("it is dead", func() bool {
		b.visit("/executions?mailbox=plain&state=DEAD")
		return strings.Contains(b.text(), "plain-1")
	})
	b.visit("/dead")
	b.do(chromedp.Click(`tr[data-key="plain.CONFIG_SYNTAX"] summary`))
	b.press(`tr[data-key="plain.CONFIG_SYNTAX"] form button`)
	b.wait("1 execution was redriven.")
	b.visit("/executions")
	b.do(chromedp.SendKeys(`input[name=q]`, "plain-"))
	b.press(".filter button")
	b.wait("plain-1")
	b.visit("/plan?mailbox=plain")
	b.press(".filter .buttons button")
	b.wait("Every policy with every number of workers")
}

// With the keyboard alone one comes first to the content, then to the pages in their
// order, and always sees where one is.
func TestKeyboard(t *testing.T) {
	b := open(t, desk)
	b.visit("/executions")
	var visited []string
	for range 9 {
		b.do(chromedp.KeyEvent("\t"))
		visited = append(visited, eval[string](b, `document.activeElement.innerText.trim()`))
		if eval[string](b, `getComputedStyle(document.activeElement).outlineStyle`) == "none" {
			t.Errorf("nobody sees that %q has the focus", visited[len(visited)-1])
		}
	}
	order := strings.Join(visited, " | ")
	for _, text := range []string{"Skip to the content", "SAGE Fleet", "Fleet", "Executions", "Dead letters", "Plan", "Submit", "demo"} {
		at := strings.Index(order, text)
		if at < 0 {
			t.Fatalf("%q doesn't follow in %q", text, visited)
		}
		order = order[at+len(text):]
	}
}
