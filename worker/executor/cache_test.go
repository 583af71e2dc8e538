package executor_test

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/worker/cache"
	"github.com/sagefleet/sagefleet/worker/executor"
	"github.com/sagefleet/sagefleet/worker/processor"
)

// told is a configuration with everything that findings can be about, rules that
// don't compile included.
const told = `
sage_yaml: {name: n, description: d, version: "1", author: a}
catalogs:
  c:
    name: c
    description: d
    filename: a.csv
    file_format: {type: CSV, delimiter: ",", header: true}
    fields:
      - {name: id, type: entero, required: true, unique: true, validation_rules: [{name: corto, description: Es corto, rule: "df['id'] < 100", severity: warning}]}
      - {name: dia, type: fecha}
      - {name: peso, type: decimal}
    row_validation:
      - {name: peso, description: Pesa, rule: "df['peso'] > 0", severity: error}
      - {name: rota, description: Rota, rule: "df['falta'] > 0"}
      - {name: aviso, description: Aviso, rule: "df['peso'] < 5", severity: message}
    catalog_validation: [{name: suma, description: Suma, rule: "df['peso'].sum() > 1000"}]
packages:
  p: {name: p, description: d, file_format: {type: CSV}, catalogs: [c]}
`

const rows = "id,dia,peso\n1,01/02/2024,1.5\n1,02/03/2024,<b>\n500,,-3\n,x,\"2,5\"\n9,01/01/2024\n7,01/01/2024,1,2\n"

// cached is a worker over s that keeps findings.
func (s shop) cached(t *testing.T, cfg cache.Config, opts ...cache.Option) func(r execution.Request, language string) execution.Outcome {
	t.Helper()
	if cfg == (cache.Config{}) {
		cfg = cache.Config{Mode: "on", MaxAge: time.Hour, MaxBytes: 1 << 18}
	}
	p := processor.Native{Cache: cache.New(s.objects, cfg, opts...)}
	return func(r execution.Request, language string) execution.Outcome {
		t.Helper()
		e := executor.New(s.objects, p, execution.OnWorker, "h", executor.Config{Language: language, MaxInputBytes: 1 << 30, Scratch: t.TempDir()})
		o, err := e.Execute(t.Context(), execution.Attempt{Request: r, Token: 7, Number: 1})
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
}

var duration = regexp.MustCompile(`<b>[0-9.]+ s</b>`)

// files returns the result without what has to differ: ids and times.
func (s shop) files(t *testing.T, o execution.Outcome) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, f := range o.Files {
		body, err := s.outcomes.Open(t.Context(), o, f.Name)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(body)
		if err := body.Close(); err != nil {
			t.Error(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		switch f.Name {
		case "report.json":
			var doc map[string]any
			if err := json.Unmarshal(data, &doc); err != nil {
				t.Fatal(err)
			}
			delete(doc, "execution_info")
			data, _ = json.MarshalIndent(blur(doc), "", " ")
		case "report.html": // its duration
			data = duration.ReplaceAll(data, nil)
		case "output.log", "error.log":
			var lines []string
			for line := range strings.Lines(string(data)) {
				_, line, _ = strings.Cut(line, " ")
				lines = append(lines, line)
			}
			data = []byte(strings.Join(lines, ""))
		}
		all[f.Name] = string(data)
	}
	return all
}

// blur drops the timestamps of a report.
func blur(v any) any {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "timestamp")
		for _, inner := range v {
			blur(inner)
		}
	case []any:
		for _, inner := range v {
			blur(inner)
		}
	}
	return v
}

func (s shop) ask(t *testing.T, id, mailbox, config, data string) execution.Request {
	t.Helper()
	uri := s.put(t, "inputs/"+mailbox+"/"+id+".csv", data)
	return execution.Request{
		ID: id, Mailbox: mailbox, Sender: "sender of " + id, Config: execution.Config{Text: config},
		Inputs: []execution.Input{{URI: uri, Filename: "a.csv"}},
	}
}

func TestIdenticalFilesAreAnsweredFromTheCache(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	first, other := s.cached(t, cache.Config{}), s.cached(t, cache.Config{}) // two workers
	made := first(s.ask(t, "e1", "ventas", told, rows), "es")
	if made.CachedFrom != nil || made.Summary.Errors == 0 || made.Summary.Warnings == 0 {
		t.Fatalf("%+v, %+v", made, made.Summary)
	}
	rewritten := "# the same, written otherwise, so that rules are on other lines\n\n" + strings.Replace(told, "name: c\n", "name: \"c\" # c\n", 1)
	for id, config := range map[string]string{"e2": told, "e3": rewritten} {
		hit := other(s.ask(t, id, "ventas", config, rows), "es")
		if hit.CachedFrom == nil || hit.CachedFrom.ExecutionID != "e1" || hit.Attempt == made.Attempt || hit.Kind != execution.Succeeded {
			t.Fatalf("%s was not answered from the cache: %+v", id, hit)
		}
		stands, err := s.outcomes.Read(t.Context(), hit.Key)
		if err != nil || cmp.Diff(stands.CachedFrom, hit.CachedFrom) != "" {
			t.Errorf("the stored outcome says %+v, %v", stands.CachedFrom, err)
		}
		if d := cmp.Diff(made.Summary, hit.Summary); d != "" {
			t.Error(d)
		}
		// What is processed without a cache is what the hit has to come to.
		plain, err := s.execute(t, processor.Native{}, s.ask(t, id+"-plain", "ventas", config, rows))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(s.files(t, plain), s.files(t, hit)); d != "" {
			t.Errorf("%s (-processed +cached)\n%s", id, d)
		}
		info := s.info(t, hit)
		if info["execution_id"] != id || info["emisor_id"] != "sender of "+id || info["cached_from"] != "e1" {
			t.Errorf("the report of %s is about %v", id, info)
		}
	}
	if _, there := s.info(t, made)["cached_from"]; there {
		t.Error("the first report says that it is a repetition")
	}
}

func (s shop) info(t *testing.T, o execution.Outcome) map[string]any {
	t.Helper()
	body, err := s.outcomes.Open(t.Context(), o, "report.json")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = body.Close() }()
	var doc struct {
		Info map[string]any `json:"execution_info"`
	}
	if err := json.NewDecoder(body).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	return doc.Info
}

func TestCacheMisses(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	work := s.cached(t, cache.Config{})
	work(s.ask(t, "first", "ventas", told, rows), "es")
	clock := strings.Replace(told, "df['peso'] > 0", "df['dia'] < pd.Timestamp.now()", 1)
	work(s.ask(t, "clock", "ventas", clock, rows), "es")
	broken := "id\n\"1\n"
	work(s.ask(t, "broken", "ventas", told, broken), "es")
	renamed := s.ask(t, "renamed", "ventas", told, rows)
	renamed.Inputs[0].Filename = "b.csv"
	more := s.ask(t, "more", "ventas", told, rows)
	more.Inputs = append(more.Inputs, execution.Input{URI: more.Inputs[0].URI, Filename: "extra.csv"})
	tests := map[string]struct {
		request  execution.Request
		language string
	}{
		"another mailbox":    {s.ask(t, "m1", "compras", told, rows), "es"},
		"another language":   {s.ask(t, "m2", "ventas", told, rows), "en"},
		"another message":    {s.ask(t, "m3", "ventas", strings.Replace(told, "Es corto", "Es largo", 1), rows), "es"},
		"another severity":   {s.ask(t, "m4", "ventas", strings.Replace(told, "severity: warning", "severity: error", 1), rows), "es"},
		"another byte":       {s.ask(t, "m5", "ventas", told, strings.Replace(rows, "500", "501", 1)), "es"},
		"another name":       {renamed, "es"},
		"one more file":      {more, "es"},
		"the clock":          {s.ask(t, "m6", "ventas", clock, rows), "es"},
		"an unreadable file": {s.ask(t, "m7", "ventas", told, broken), "es"},
	}
	for name, tt := range tests {
		if o := work(tt.request, tt.language); o.CachedFrom != nil {
			t.Errorf("%s was answered with the findings of %s", name, o.CachedFrom.ExecutionID)
		}
	}
	if o := work(s.ask(t, "again", "ventas", told, rows), "es"); o.CachedFrom == nil {
		t.Error("the same is not answered from the cache")
	}
	if o, err := s.execute(t, processor.Native{}, s.ask(t, "off", "ventas", told, rows)); err != nil || o.CachedFrom != nil {
		t.Errorf("without a cache: %+v, %v", o, err)
	}
}

// entries are the storage keys of all that is cached.
func (s shop) entries(t *testing.T) []string {
	t.Helper()
	var keys []string
	for info, err := range s.objects.List(t.Context(), "cache/") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, info.Key)
	}
	return keys
}

func TestDamagedEntriesAreComputedAgain(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(entry string) string{
		"a changed count": func(e string) string { return strings.Replace(e, `"Count":1`, `"Count":2`, 1) },
		"cut off":         func(e string) string { return e[:len(e)-10] },
		"empty":           func(string) string { return "" },
		"nonsense":        func(string) string { return "nonsense\n{}" },
		"a long one":      func(e string) string { return e + strings.Repeat(" ", 1<<20) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			work := s.cached(t, cache.Config{})
			want := work(s.ask(t, "e1", "ventas", told, rows), "es")
			keys := s.entries(t)
			if len(keys) != 1 {
				t.Fatalf("entries %q", keys)
			}
			data := s.read(t, keys[0])
			if err := s.objects.Delete(t.Context(), keys[0]); err != nil {
				t.Fatal(err)
			}
			s.put(t, keys[0], damage(data))
			again := work(s.ask(t, "e2", "ventas", told, rows), "es")
			if again.CachedFrom != nil || cmp.Diff(want.Summary, again.Summary) != "" {
				t.Fatalf("%+v", again)
			}
			if name == "a long one" {
				return // it may be that another worker's limit allows it
			}
			if o := work(s.ask(t, "e3", "ventas", told, rows), "es"); o.CachedFrom == nil || o.CachedFrom.ExecutionID != "e2" {
				t.Errorf("the entry was not mended: %+v", o.CachedFrom)
			}
		})
	}
}

func (s shop) read(t *testing.T, key string) string {
	t.Helper()
	body, err := s.objects.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = body.Close() }()
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestMisplacedEntriesAreNotBelieved puts the entry of one mailbox where another's
// is looked for.
func TestMisplacedEntriesAreNotBelieved(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	work := s.cached(t, cache.Config{})
	work(s.ask(t, "e1", "ventas", told, rows), "es")
	first := s.entries(t)
	work(s.ask(t, "e2", "compras", told, rows), "es")
	both := s.entries(t)
	second := slices.DeleteFunc(slices.Clone(both), func(k string) bool { return k == first[0] })
	if len(both) != 2 || len(second) != 1 {
		t.Fatalf("entries %q", both)
	}
	data := s.read(t, first[0])
	if err := s.objects.Delete(t.Context(), second[0]); err != nil {
		t.Fatal(err)
	}
	s.put(t, second[0], data)
	if o := work(s.ask(t, "e3", "compras", told, rows), "es"); o.CachedFrom != nil {
		t.Errorf("answered with the findings of %s, of another mailbox", o.CachedFrom.ExecutionID)
	}
}

func TestEntriesHaveBounds(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	small := s.cached(t, cache.Config{Mode: "on", MaxAge: time.Hour, MaxBytes: 500})
	small(s.ask(t, "e1", "ventas", told, rows), "es")
	if keys := s.entries(t); len(keys) != 0 {
		t.Errorf("kept more than 500 bytes: %q", keys)
	}
	now := time.Now()
	cfg := cache.Config{Mode: "on", MaxAge: time.Hour, MaxBytes: 1 << 18}
	aging := s.cached(t, cfg, cache.WithClock(func() time.Time { return now }))
	for i, tt := range []struct {
		later time.Duration
		from  string
	}{{0, ""}, {time.Hour, "a0"}, {2 * time.Second, ""}, {time.Second, "a2"}} {
		now = now.Add(tt.later)
		from := ""
		if o := aging(s.ask(t, fmt.Sprintf("a%d", i), "ventas", told, rows), "es"); o.CachedFrom != nil {
			from = o.CachedFrom.ExecutionID
		}
		if from != tt.from {
			t.Errorf("request %d was answered from %q, want %q", i, from, tt.from)
		}
	}
}

// BenchmarkCache executes a file of 1 MB whose findings are known, and one whose
// findings aren't.
func BenchmarkCache(b *testing.B) {
	var data strings.Builder
	data.WriteString("id,dia,peso\n")
	for i := 0; data.Len() < 1<<20; i++ {
		fmt.Fprintf(&data, "%d,2025-01-%02d,%d.5\n", i, 1+i%28, i%50)
	}
	for _, mode := range []string{"on", "off"} {
		b.Run(map[string]string{"on": "hit", "off": "miss"}[mode], func(b *testing.B) {
			objects, err := storage.Open(b.Context(), "file://"+b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			if _, err := objects.Put(b.Context(), "inputs/ventas/a.csv", strings.NewReader(data.String())); err != nil {
				b.Fatal(err)
			}
			p := processor.Native{Cache: cache.New(objects, cache.Config{Mode: mode, MaxAge: time.Hour, MaxBytes: 1 << 18})}
			e := executor.New(objects, p, execution.OnWorker, "h", executor.Config{Language: "es", MaxInputBytes: 1 << 30, Scratch: b.TempDir()})
			execute := func(id string) execution.Outcome {
				o, err := e.Execute(b.Context(), execution.Attempt{Number: 1, Request: execution.Request{
					ID: id, Mailbox: "ventas", Config: execution.Config{Text: told},
					Inputs: []execution.Input{{URI: storage.Join(objects.URL(), "inputs/ventas/a.csv"), Filename: "a.csv"}},
				}})
				if err != nil {
					b.Fatal(err)
				}
				return o
			}
			execute("first")
			b.SetBytes(int64(data.Len()))
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i++
				if o := execute(fmt.Sprint("e", i)); (o.CachedFrom != nil) != (mode == "on") {
					b.Fatalf("%+v", o)
				}
			}
		})
	}
}
