package console_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/queue"
)

const config = `sage_yaml:
  name: People
  description: Who there is
  version: "1.0"
  author: tests
catalogs:
  people:
    name: People
    description: One a line
    filename: people.csv
    file_format: {type: CSV, delimiter: ",", header: true}
    fields:
      - {name: id, type: texto, required: true, unique: true}
      - {name: age, type: entero}
packages:
  people:
    name: People
    description: All of them
    file_format: {type: CSV}
    catalogs: [people]
`

const people = "id,age\na,30\nb,young\nb,31\n"

// press presses what leads to another page, and waits until it is there.
func (b *tab) press(selector string) {
	b.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](`window.left = false`), chromedp.Click(selector))
	b.until("another page after "+selector, func() bool { return eval[bool](b, `window.left === undefined && document.readyState === "complete"`) })
}

func get(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url) //nolint:gosec,noctx // the console's own
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	at := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return at
}

// submit has one file executed, behind the console's back.
func submit(t *testing.T, mailbox, id, text string) {
	t.Helper()
	s := producer.Submission{Mailbox: mailbox, ID: id, Config: []byte(text), Sender: "test",
		Files: []producer.File{{Name: "people.csv", Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(people)), nil }}}}
	if _, err := producer.New(fleet.JS, fleet.Objects).Submit(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

// A file that is uploaded leads to its report, without anybody loading the page anew.
func TestUploadLeadsToItsReport(t *testing.T) {
	b := open(t, desk)
	b.visit("/submit")
	b.do(chromedp.SendKeys(`input[name=mailbox]`, "people"), chromedp.SetUploadFiles(`input[name=file]`, []string{file(t, "people.csv", people)}),
		chromedp.SetUploadFiles(`input[type=file][name=configuration]`, []string{file(t, "people.yaml", config)}))
	b.press("form.upload button")
	b.wait("It was accepted.")
	b.until("a report", func() bool { return eval[bool](b, `!!document.querySelector("iframe.report")`) })
	b.wait("ended with a report")
	b.wait("a file was looked at by demo") // the frame has loaded it
	if records := eval[string](b, `document.querySelector(".tiles").innerText`); !strings.Contains(records, "Records\n3") {
		t.Errorf("the numbers are %q", records)
	}
	if report := get(t, eval[string](b, `document.querySelector("iframe.report").src`)); !strings.Contains(report, "young") {
		t.Errorf("the report doesn't show the value that is wrong:\n%.500s", report)
	}
}

// What is refused comes back as it was written, with all that is wrong.
func TestRefusedUploadComesBack(t *testing.T) {
	b := open(t, desk)
	b.expect("422")
	b.visit("/submit")
	wrong := strings.Replace(config, "type: entero", "type: nothing", 1)
	b.do(chromedp.SendKeys(`input[name=mailbox]`, "people"), chromedp.SetValue(`textarea`, wrong),
		chromedp.SetUploadFiles(`input[name=file]`, []string{file(t, "people.csv", people)}))
	b.press("form.upload button")
	b.wait("nothing was accepted")
	if text := eval[string](b, `document.querySelector("textarea").value`); text != wrong {
		t.Errorf("the text came back as %q", text)
	}
	if mailbox := eval[string](b, `document.querySelector("[name=mailbox]").value`); mailbox != "people" {
		t.Errorf("the mailbox came back as %q", mailbox)
	}
	if issues := eval[string](b, `document.querySelector(".issues").innerText`); !strings.Contains(issues, "nothing") {
		t.Errorf("the issues are %q", issues)
	}
}

// A dead letter is redriven by its group, and the execution again on its own page.
func TestRedrive(t *testing.T) {
	submit(t, "broken", "broken-1", "sage_yaml: [")
	b := open(t, desk)
	b.visit("/dead")
	b.wait("broken")
	b.do(chromedp.Click(`tr[data-key="broken.CONFIG_SYNTAX"] summary`), chromedp.SendKeys(`tr[data-key="broken.CONFIG_SYNTAX"] [name=reason]`, "again, all"))
	b.press(`tr[data-key="broken.CONFIG_SYNTAX"] form button`)
	b.wait("1 execution was redriven.")
	b.visit("/executions/broken/broken-1")
	b.until("generation 2 is dead", func() bool {
		return strings.Contains(b.text(), "Generation\n2\n") && eval[bool](b, `document.querySelector("h1").innerText.includes("dead")`)
	})
	b.do(chromedp.Click(`.head summary`), chromedp.SendKeys(`.head [name=reason]`, "once more"))
	b.press(`.head form button`)
	b.wait("It is carried out again, as another generation.")
	b.until("generation 3", func() bool { return strings.Contains(b.text(), "Generation\n3\n") })
}

// What waits is cancelled, and the page says by whom.
func TestCancel(t *testing.T) {
	retry(t, "waiting", "waiting-1")
	b := open(t, desk)
	b.visit("/executions/waiting/waiting-1")
	b.wait("attempt 1 failed")
	b.do(chromedp.Click(`.head summary`), chromedp.SendKeys(`.head [name=reason]`, "not wanted"))
	b.press(`.head form button`)
	b.wait("It was cancelled.")
	b.until("its state", func() bool { return eval[bool](b, `document.querySelector("h1").innerText.includes("cancelled")`) })
	b.wait("not wanted")
}

// retry submits what fails and waits for another attempt: its file is gone.
func retry(t *testing.T, mailbox, id string) {
	t.Helper()
	p := producer.New(fleet.JS, fleet.Objects)
	r, err := p.Store(t.Context(), producer.Submission{Mailbox: mailbox, ID: id, Config: []byte(config),
		Files: []producer.File{{Name: "people.csv", Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader([]byte(people))), nil }}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := fleet.Objects.Delete(t.Context(), path.Join(intake.Prefix(mailbox, id), r.Inputs[0].SHA256)); err != nil {
		t.Fatal(err)
	}
	if err := queue.Publish(t.Context(), fleet.JS, r); err != nil {
		t.Fatal(err)
	}
}

// The list is filtered by its form, and leads to what it lists.
func TestFilter(t *testing.T) {
	submit(t, "filtered", "filtered-1", config)
	submit(t, "filtered", "other-1", config)
	b := open(t, desk)
	b.visit("/executions")
	b.wait("filtered-1")
	b.wait("other-1")
	b.do(chromedp.SendKeys(`input[name=q]`, "filtered-"), chromedp.SetValue(`select[name=state]`, "SUCCEEDED"))
	b.press(".filter button")
	b.wait("filtered-1")
	if strings.Contains(b.text(), "other-1") {
		t.Error("what doesn't match is listed")
	}
	b.press("a.id")
	b.wait("Timeline")
}

// A page shows what happens while it is looked at.
func TestListIsLive(t *testing.T) {
	b := open(t, desk)
	b.visit("/executions?mailbox=live")
	b.wait("Nothing matches")
	submit(t, "live", "live-1", config)
	b.wait("live-1")
	b.until("its end", func() bool {
		return strings.Contains(eval[string](b, `document.querySelector("#live").innerText`), "ended")
	})
}

// A plan is made of what has ended, drawn, and said in a table; what can't be asked is
// refused with the form as it was.
func TestPlan(t *testing.T) {
	submit(t, "planned", "planned-1", config)
	submit(t, "planned", "planned-2", config)
	b := open(t, desk)
	b.visit("/executions?mailbox=planned&state=SUCCEEDED")
	b.wait("planned-1")
	b.wait("planned-2")
	b.visit("/plan")
	b.do(chromedp.SetValue(`input[name=mailbox]`, "planned"), chromedp.SetValue(`input[name=deadline]`, "30"), chromedp.SetValue(`input[name=workers]`, "1, 3"))
	b.press(".filter .buttons button")
	b.wait("1 worker with policy")
	if points, rows := eval[int](b, `document.querySelectorAll("svg.frontier circle.point").length`), eval[int](b, `document.querySelectorAll("tbody tr").length`); points != 12 || rows != 12 {
		t.Errorf("%d points and %d rows, want 12 of each: 6 policies with 2 numbers of workers", points, rows)
	}
	if counted := eval[string](b, `document.querySelector("#chart .dim").innerText`); counted != "2 executions" {
		t.Errorf("it was counted with %q", counted)
	}
	b.expect("400")
	b.do(chromedp.SetValue(`input[name=workers]`, "0"))
	b.press(".filter .buttons button")
	b.wait("PLAN_QUESTION")
	if left := eval[string](b, `document.querySelector("input[name=deadline]").value`); left != "30" {
		t.Errorf("the deadline came back as %q", left)
	}
}
