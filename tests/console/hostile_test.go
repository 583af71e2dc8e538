package console_test

import (
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/sagefleet/sagefleet/producer"
)

// hostile are texts that would run in a page that believed them.
var hostile = []string{
	`<script>document.title="owned"</script>`,
	`"><img src=x onerror=document.title='owned'>`,
	`'onmouseover='document.title="owned"`,
	`<svg onload=document.title="owned">`,
	`javascript:document.title="owned"`,
	`</textarea></title></style><script>document.title="owned"</script>`,
	`{{.}}${7*7}<b>bold</b>`,
}

// Whatever a file, its name, its sender, a configuration or an address says is text.
func TestWhatOthersWroteIsText(t *testing.T) {
	name := `a"><img onerror=document.title='owned' src=x>.csv`
	data := "id,age\n"
	for i, text := range hostile {
		data += string(rune('a'+i)) + `,"` + strings.ReplaceAll(text, `"`, `""`) + "\"\n"
	}
	all := strings.Join(hostile, " ")
	s := producer.Submission{Mailbox: "hostile", ID: "hostile-1", Sender: all, Method: hostile[0],
		Config: []byte(strings.Replace(config, "description: Who there is", "description: '"+strings.ReplaceAll(hostile[1], "'", "''")+"'", 1)),
		Files: []producer.File{{Name: "people.csv", Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(data)), nil }},
			{Name: name, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(data)), nil }}}}
	if _, err := producer.New(fleet.JS, fleet.Objects).Submit(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	submit(t, "hostile", "hostile-2", "sage_yaml: ["+hostile[0])
	b := open(t, desk)
	b.visit("/executions?mailbox=hostile")
	b.until("both ended", func() bool {
		return strings.Count(eval[string](b, `document.querySelector("#live").innerText`), "hostile-") == 2
	})
	if !strings.Contains(b.text(), "<img onerror") || !strings.Contains(b.text(), "<script>") {
		t.Errorf("the list doesn't show what was written:\n%s", b.text())
	}
	b.harmless()
	q := url.QueryEscape(all)
	for _, path := range []string{"/executions?q=" + q + "&from=" + q + "&state=" + q, "/executions?after=" + q, "/dead?code=" + q + "&mailbox=" + q, "/dead?redriven=" + q, "/dead", "/submit?mailbox=" + q,
		"/executions/hostile/hostile-1?done=" + q, "/executions/hostile/hostile-1/report", "/executions/hostile/hostile-2", "/" + url.PathEscape(hostile[0])} {
		b.expect("the server responded with a status of 4")
		b.visit(path)
		b.harmless()
	}
}

// harmless checks that nothing that was written became a part of the page.
func (b *tab) harmless() {
	b.Helper()
	if found := eval[[]string](b, `[...document.querySelectorAll("main script, main img, [onerror], [onload], [onmouseover], main b b, a[href^=javascript]")].map((e) => e.outerHTML)`); len(found) > 0 {
		b.Errorf("a text became %q", found)
	}
	if title := eval[string](b, "document.title"); strings.Contains(title, "owned") {
		b.Errorf("a text ran")
	}
}
