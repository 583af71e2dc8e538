package alarms_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sagefleet/sagefleet/producer/alarms"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/notify/notifytest"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestFilesThatCanNotBeUsed(t *testing.T) {
	t.Parallel()
	mails := notifytest.Mail(t).Config()
	const ops = "channels: {ops: {email: {to: [a@example.com]}}}\n"
	for text, field := range map[string]string{
		"":                             "channels",
		"chanels: {}":                  "line 1: field chanels not found",
		ops + "rules:\n  dead: {x: 1}": "line 3: field x not found",
		"channels: {ops: {}}":          "one of email, webhook and sns",
		"channels: {o.p: {email: {to: [a@example.com]}}}":                                               "o.p",
		"channels: {ops: {email: {to: [nobody]}}}":                                                      "channels.ops: email.to",
		"channels: {ops: {webhook: {url: 'https://example.com'}}}":                                      "webhook.secret",
		"channels: {ops: {webhook: {url: 'file:///x', secret: " + notifytest.HookSecret + "}}}":         "file:///x",
		"channels: {ops: {sns: {topic: sage}}}":                                                         "arn:aws:sns",
		"channels: {ops: {email: {to: [a@example.com]}, per_hour: -1}}":                                 "per_hour",
		"channels: {ops: {email: {to: [a@example.com]}, sns: {topic: 'arn:aws:sns:eu-central-1:1:x'}}}": "one of email",
		ops + "rules: {fire: {}}":                                                                       "fire",
		ops + "rules: {dead: {channels: [nobody]}}":                                                     "rules.dead.channels",
		ops + "rules: {dead: {after: 1m}}":                                                              "rules.dead: after",
		ops + "rules: {down: {after: 5m}}":                                                              "rules.down: after",
		ops + "rules: {budget: {at: 180}}":                                                              "rules.budget: at",
		ops + "rules: {backlog: {at: 80}}":                                                              "rules.backlog: at",
		ops + "rules: {dead: {again: -1s}}":                                                             "rules.dead: again",
		ops + "language: fr":                                                                            "language",
		ops + "console: sage":                                                                           "console",
	} {
		file := filepath.Join(t.TempDir(), "alarms.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := alarms.Config{File: file, Notify: mails}.Read()
		if err == nil || !strings.Contains(err.Error(), field) || strings.Contains(err.Error(), notifytest.HookSecret) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestRulesNeedNotBeSaid(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "alarms.yaml")
	text := "channels: {a: {sns: {topic: 'arn:aws:sns:eu-central-1:1:x'}}, b: {sns: {topic: 'arn:aws:sns:eu-central-1:1:y'}}}\nrules: {backlog: {after: 1m, channels: [b]}}"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := alarms.Config{File: file}.Read()
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range f.Rules {
		want := alarms.Defaults[name]
		want.Channels = []string{"a", "b"}
		if name == alarms.RuleBacklog {
			want.After, want.Channels = time.Minute, []string{"b"}
		}
		if fmt.Sprint(r) != fmt.Sprint(want) {
			t.Errorf("%s: %+v, want %+v", name, r, want)
		}
	}
	if len(f.Rules) != len(alarms.Defaults) || f.Language != "es" {
		t.Errorf("%+v", f)
	}
}

// What webhooks carry is what the schema says.
func TestAlarmsAreAsDocumented(t *testing.T) {
	t.Parallel()
	r := receive(t)
	f := newFleet(t, webhook(r, ", per_hour: 2"), only(alarms.RuleDead, "again: 1s"))
	stop := f.alarm(t, "h1")
	f.leads(t, bus.StreamDead)
	f.bury(t, key("ventas", "e1"), "POISON")
	eventually(t, "one is told", func() bool { return len(r.all("")) == 1 })
	stop()
	for n := range 2 {
		f.bury(t, key(fmt.Sprint("m", n), "e"), "POISON")
	}
	f.alarm(t, "h2")
	eventually(t, "two are told in one", func() bool { return len(r.all(alarms.Digest)) == 1 })
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(alarms.Schema))
	if err == nil {
		err = compiler.AddResource("alarm.json", schema)
	}
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("alarm.json")
	if err != nil {
		t.Fatal(err)
	}
	known := schema.(map[string]any)["$defs"].(map[string]any)["alarm"].(map[string]any)["properties"].(map[string]any)
	var got bytes.Buffer
	for _, h := range r.all("")[:2] {
		body, err := jsonschema.UnmarshalJSON(bytes.NewReader(h.raw))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiled.Validate(body); err != nil {
			t.Errorf("%s: %v", h.raw, err)
		}
		fields := body.(map[string]any)
		for name := range fields {
			if known[name] == nil {
				t.Errorf("the schema doesn't know %s", name)
			}
		}
		timeless(fields)
		text, err := json.MarshalIndent(fields, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		got.Write(append(text, '\n'))
	}
	const golden = "testdata/alarms.golden"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%v: webhooks carry otherwise than %s has it; -update, and mind who reads them:\n%s", err, golden, got.Bytes())
	}
}

// timeless takes out what differs each time.
func timeless(fields map[string]any) {
	for _, name := range []string{"at", "opened", "incident"} {
		if fields[name] != nil {
			fields[name] = "…"
		}
	}
	inner, _ := fields["alarms"].([]any)
	slices.SortFunc(inner, func(a, b any) int {
		return strings.Compare(fmt.Sprint(a.(map[string]any)["subject"]), fmt.Sprint(b.(map[string]any)["subject"]))
	})
	for _, one := range inner {
		timeless(one.(map[string]any))
	}
}
