package api_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/producer/api"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/shared/storage/storagetest"
)

// tell has the ledger know of an execution that runs.
func (f *fleet) tell(t *testing.T, mailbox, id string) {
	t.Helper()
	e := execution.NewEvent(execution.EventStarted, "h", time.Now(), execution.EventData{Key: execution.Key{Mailbox: mailbox, ID: id, Generation: 1},
		State: execution.Running, Attempt: "1-x", Number: 1, Executor: execution.OnWorker, Enqueued: time.Now().UTC(), Started: time.Now().UTC()})
	if err := f.ledger.Record(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

// delegate has the ledger of delegations say that k is with a Lambda.
func (f *fleet) delegate(t *testing.T, k execution.Key) {
	t.Helper()
	kv, err := f.js.KeyValue(t.Context(), bus.BucketDelegations)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	e := delegation.Entry{Key: k, Number: 2, State: delegation.Unknown, Function: "arn:sage", Bridge: "b-7", Mode: delegation.ModeEvent, ReservedUSD: 0.1, Invoked: now, Updated: now, Expiry: now.Add(time.Hour)}
	if _, err := delegation.New(f.js, kv, time.Hour).Save(t.Context(), e, 0); err != nil {
		t.Fatal(err)
	}
}

// viewed reads the events of views.
func (f *fleet) viewed(t *testing.T) (all []execution.Event) {
	t.Helper()
	c, err := f.js.OrderedConsumer(t.Context(), bus.StreamEvents, jetstream.OrderedConsumerConfig{FilterSubjects: []string{bus.SubjectEvent("ventas", execution.EventViewed)}})
	if err != nil {
		t.Fatal(err)
	}
	for n := c.CachedInfo().NumPending; n > 0; n-- {
		msg, err := c.Next()
		if err != nil {
			t.Fatal(err)
		}
		var e execution.Event
		if err := json.Unmarshal(msg.Data(), &e); err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

func TestWhatAnExecutionLeft(t *testing.T) {
	t.Parallel()
	f := dirFleet(t)
	token := f.token(t, access.Operator, "ventas")
	const path = "/v1/executions/ventas/e1"
	k := execution.Key{Mailbox: "ventas", ID: "e1", Generation: 1}
	f.call(t, "GET", path, token, nil).wants(t, 404, producer.CodeUnknown)
	f.call(t, "GET", path+"/report.html", token, nil).wants(t, 404, producer.CodeUnknown)
	accepted(t, f.send(t, token, part{field: "execution_id", text: "e1"}, part{field: "configuration", text: config}, part{field: "file", file: "c.csv", text: data}))
	f.call(t, "GET", path, token, nil).wants(t, 200, "")
	f.delegate(t, k)
	if r := f.call(t, "GET", path, token, nil); !strings.Contains(string(r.body), `"delegation":{"state":"unknown","number":2,"bridge":"b-7"`) || strings.Contains(string(r.body), "arn:") {
		t.Errorf("its delegation: %s", r.body)
	}
	f.call(t, "GET", path+"/report.html", token, nil).wants(t, 409, api.CodeNotEnded)
	f.sendJSON(t, token, path+"/redrive", "{}").wants(t, 409, producer.CodeNotDead)
	f.commit(t, k, execution.Succeeded)

	r := f.call(t, "GET", path+"/report.html", token, nil)
	if r.wants(t, 200, ""); string(r.body) != "<h1>ok</h1>" || r.Header.Get("Content-Security-Policy") != api.ReportPolicy || r.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s %v", r.body, r.Header)
	}
	f.call(t, "GET", path+"/report.json", token, nil).wants(t, 200, "")
	f.call(t, "GET", path+"/report.json?generation=1", token, nil).wants(t, 200, "")
	f.call(t, "GET", path+"/report.json?generation=x", token, nil).wants(t, 400, api.CodeQuery)
	f.call(t, "GET", path+"/report.json?generation=2", token, nil).wants(t, 409, api.CodeNotEnded)
	if r := f.call(t, "GET", path+"/files/data.csv", token, nil); string(r.body) != data || !strings.HasPrefix(r.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("%s %v", r.body, r.Header)
	}
	if r := f.call(t, "GET", path+"/files", token, nil); !strings.Contains(string(r.body), path+"/files/data.csv?generation=1") {
		t.Errorf("%s", r.body)
	}
	views := f.viewed(t)
	if len(views) != 4 || views[0].Data.Reason != "report.html" || !strings.HasPrefix(views[0].Source, "/operator/ana#") || views[1].ID == views[2].ID {
		t.Errorf("%d views are told: %+v", len(views), views)
	}
	// What names no file of the execution leads nowhere, and who only asks how large one is sees nothing.
	for _, name := range []string{"x", "..%2f..%2frequest.json", "%2e%2e", "..%5c..%5cetc", "inputs%2fventas%2fe1%2frequest.json", "%00"} {
		f.call(t, "GET", path+"/files/"+name, token, nil).wants(t, 404, api.CodeNoFile)
	}
	if r := f.call(t, "HEAD", path+"/report.html", token, nil); r.StatusCode != 200 || len(r.body) > 0 || r.ContentLength != 11 || r.Header.Get("Content-Security-Policy") != api.ReportPolicy {
		t.Errorf("%s, %d bytes, %v", r.Status, r.ContentLength, r.Header)
	}
	if n := len(f.viewed(t)); n != 4 {
		t.Errorf("%d views after those", n)
	}
	f.sendJSON(t, token, path+"/cancel", `{"reason":"late"}`).wants(t, 200, "")
	f.sendJSON(t, token, path+"/cancel", `{"from_generation":1}`).wants(t, 422, execution.CodeRequestField)
	f.call(t, "POST", path+"/cancel", token, strings.NewReader("{}"), "Content-Type", "text/plain").wants(t, 415, api.CodeMediaType)
	f.sendJSON(t, token, path+"/cancel", `{`).wants(t, 400, execution.CodeRequestJSON)
	f.sendJSON(t, token, path+"/cancel", `"`+strings.Repeat("x", 70<<10)+`"`).wants(t, 413, api.CodeTooLarge)
	f.sendJSON(t, token, path+"/uploads", `{"sha256":"`+strings.Repeat("0", 64)+`","size":1}`).wants(t, 501, api.CodeNoPresign)
}

func TestRedriveAndCancel(t *testing.T) {
	t.Parallel()
	f := dirFleet(t)
	token := f.token(t, access.Operator, "ventas")
	for _, id := range []string{"dead", "waits"} {
		accepted(t, f.send(t, token, part{field: "execution_id", text: id}, part{field: "configuration", text: config}, part{field: "file", file: "c.csv", text: data}))
	}
	r := f.sendJSON(t, token, "/v1/executions/ventas/waits/cancel", `{"reason":"sent twice"}`)
	r.wants(t, 200, "")
	o, err := outcome.New(f.objects).Last(t.Context(), "ventas", "waits")
	if err != nil || o.Kind != execution.Cancelled || !strings.HasPrefix(o.Host, "ana#") || !strings.Contains(o.Fault.Message, "sent twice") {
		t.Errorf("%+v, %v", o, err)
	}
	f.call(t, "POST", "/v1/executions/ventas/nobody/cancel", token, nil).wants(t, 404, producer.CodeUnknown)
	f.commit(t, execution.Key{Mailbox: "ventas", ID: "dead", Generation: 1}, execution.Dead)
	f.call(t, "GET", "/v1/executions/ventas/dead/report.html", token, nil).wants(t, 404, api.CodeNoFile)
	for _, want := range []string{`"generation":2,"from_generation":1,"state":"ACCEPTED","dry_run":true`, `"generation":2,"from_generation":1,"state":"ACCEPTED"`, `"already":true`} {
		body := "{}"
		if strings.Contains(want, "dry_run") {
			body = `{"dry_run":true}`
		}
		if r := f.sendJSON(t, token, "/v1/executions/ventas/dead/redrive", body); r.StatusCode != 200 || !strings.Contains(string(r.body), want) {
			t.Errorf("%s %s, want %s", r.Status, r.body, want)
		}
	}
	f.commit(t, execution.Key{Mailbox: "ventas", ID: "gone", Generation: 1}, execution.Dead) // published by other means
	f.sendJSON(t, token, "/v1/executions/ventas/gone/redrive", "{}").wants(t, 410, producer.CodeRequestGone)
}

// What is stored is not what was committed: the answer must not look whole.
func TestDamagedFilesAreCutOff(t *testing.T) {
	t.Parallel()
	f := dirFleet(t)
	token := f.token(t, access.Viewer, "ventas")
	f.commit(t, execution.Key{Mailbox: "ventas", ID: "e1", Generation: 1}, execution.Succeeded)
	for info, err := range f.objects.List(t.Context(), "inputs/ventas/e1/upload-") {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.objects.Put(t.Context(), info.Key, strings.NewReader("id\n2\n")); err != nil {
			t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), "GET", f.server.URL+"/v1/executions/ventas/e1/files/data.csv", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	if err == nil {
		defer answer.Body.Close()
		_, err = io.ReadAll(answer.Body)
	}
	if err == nil {
		t.Error("damaged bytes look whole")
	}
}

func TestPresignedUpload(t *testing.T) {
	t.Parallel()
	f := newFleet(t, limits, storagetest.S3(t))
	token := f.token(t, access.Submitter, "ventas")
	const path = "/v1/executions/ventas/big/uploads"
	sum := hexSum(data)
	for body, code := range map[string]fault.Code{`{"sha256":"x","size":1}`: execution.CodeRequestField, `{"sha256":"` + sum + `","size":-1}`: execution.CodeRequestField,
		`{"sha256":"` + sum + `","size":9000000000000}`: execution.CodeRequestField} {
		f.sendJSON(t, token, path, body).wants(t, 422, code)
	}
	r := f.sendJSON(t, token, path, `{"sha256":"`+sum+`","size":5}`)
	r.wants(t, http.StatusCreated, "")
	var up api.Upload
	if err := json.Unmarshal(r.body, &up); err != nil {
		t.Fatal(err)
	}
	put, err := http.NewRequestWithContext(t.Context(), up.Method, up.URL, strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range up.Headers {
		put.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(put)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", answer, err)
	}
	_ = answer.Body.Close()
	accepted(t, f.sendJSON(t, token, "/v1/executions", `{"mailbox":"ventas","execution_id":"big","yaml_config":`+quoted(config)+
		`,"input_files":[{"uri":`+quoted(up.URI)+`,"filename":"c.csv","sha256":"`+sum+`","size":5}]}`))
	if key := strings.TrimPrefix(up.URI, storage.Join(f.objects.URL(), "")); key != "inputs/ventas/big/"+sum {
		t.Errorf("it lies at %s", key)
	}
}

// What there is not, and what is not for a method, is answered as everything else.
func TestMisses(t *testing.T) {
	t.Parallel()
	f := dirFleet(t)
	for _, path := range []string{"/v1/", "/v1/other", "/v1/executions/a", "/v1/executions/a/b/c"} {
		f.call(t, "GET", path, "", nil).wants(t, 404, api.CodeNoRoute)
	}
	if r := f.call(t, "DELETE", "/v1/executions", "", nil); r.problem(t).Code != api.CodeMethod || r.Header.Get("Allow") == "" {
		t.Errorf("%s %s", r.Status, r.body)
	}
	f.call(t, "GET", "/v1/executions/ventas/../../../etc/passwd", "", nil).wants(t, http.StatusTemporaryRedirect, "")
	token := f.token(t, access.Viewer, "ventas")
	f.call(t, "GET", "/v1/executions/ventas/..%2fcompras", token, nil).wants(t, 422, execution.CodeID)
	f.call(t, "GET", "/v1/executions/..%2fventas/e1", token, nil).wants(t, 422, execution.CodeMailbox)
}
