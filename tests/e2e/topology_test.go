package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"mime/multipart"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sagefleet/sagefleet/deploy/compose"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/tests/process"
)

// TestComposedTopology starts all of deploy/compose's services and has them do what
// they are for: a command, a form sent to the API, and a burst that a Lambda helps with.
// Then it asks them to stop.
func TestComposedTopology(t *testing.T) {
	process.DependOnSources(t)
	t.Run("open", func(t *testing.T) { testTopology(t, prepareTopology(t), nil) })
	t.Run("TLS", func(t *testing.T) {
		p, producer := prepareSecureTopology(t)
		testTopology(t, p, producer)
	})
}

// testTopology submits with what a producer is told besides.
func testTopology(t *testing.T, p *compose.Processes, producer map[string]string) {
	t.Helper()
	told, err := p.Environment("sage")
	if err != nil {
		t.Fatal(err)
	}
	var log process.Output
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx, &log) }()
	defer func() {
		if t.Failed() {
			t.Logf("the services wrote:\n%s", log.Tail(16<<10))
		}
	}()
	site := "http://" + p.Address("serve", "8080")
	process.Eventually(t, time.Minute, "the console answers", func() bool {
		r, err := http.Get(site + "/login")
		return err == nil && r.Body.Close() == nil && r.StatusCode == http.StatusOK
	})

	dir := t.TempDir()
	config, data := filepath.Join(dir, "pedidos.yaml"), filepath.Join(dir, "pedidos.csv")
	write(t, config, pedidos)
	write(t, data, orders(3, 1))
	admin, err := p.Environment("admin")
	if err != nil {
		t.Fatal(err)
	}
	as := maps.Clone(told)
	maps.Copy(as, producer)
	if p := start(t, "sage", as, "submit", config, data, "--mailbox", mailbox, "--id", "command"); p.Exit(t, time.Minute) != 0 {
		t.Errorf("sage submit: %s", p.Tail(4<<10))
	}
	if p := start(t, "sage", told, "wait", "command", "--mailbox", mailbox); p.Exit(t, time.Minute) != 1 { // one row is wrong
		t.Errorf("sage wait: %s", p.Tail(4<<10))
	}
	created := start(t, "sage", admin, "token", "create", "ana", "--mailbox", mailbox, "--role", "operator", "--json")
	if code := created.Exit(t, time.Minute); code != 0 {
		t.Fatalf("sage token: %s", created.Tail(4<<10))
	}
	var token struct{ Token string }
	text := created.Tail(4 << 10)
	if err := json.Unmarshal([]byte(text[strings.IndexByte(text, '{'):]), &token); err != nil {
		t.Fatal(err)
	}
	if err := send(t.Context(), site, token.Token, "form"); err != nil {
		t.Fatal(err)
	}

	objects, err := storage.Open(t.Context(), told["STORAGE_URL"])
	if err != nil {
		t.Fatal(err)
	}
	const burst = 60
	var submitting errgroup.Group
	submitting.SetLimit(8) // of API_UPLOADS
	for n := range burst {
		submitting.Go(func() error { return send(t.Context(), site, token.Token, fmt.Sprintf("burst-%d", n)) })
	}
	if err := submitting.Wait(); err != nil {
		t.Fatal(err)
	}
	by := map[string]int{}
	outcomes := outcome.New(objects)
	for n := range burst {
		key := execution.Key{Mailbox: mailbox, ID: fmt.Sprintf("burst-%d", n), Generation: 1}
		var o execution.Outcome
		process.Eventually(t, time.Minute, "the outcome of "+key.ID, func() bool {
			o, err = outcomes.Read(t.Context(), key)
			return err == nil
		})
		if o.Kind != execution.Succeeded {
			t.Errorf("%s is %s", key.ID, o.Kind)
		}
		by[o.Executor]++
	}
	t.Logf("%d executions by %v", burst, by)

	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if s := log.Tail(1 << 20); strings.Contains(s, "signal: killed") || strings.Contains(s, "panic:") {
		t.Errorf("not all stopped by themselves:\n%s", s)
	}
}

// send submits a file of three rows by the API.
func send(ctx context.Context, site, token, id string) error {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	_ = w.WriteField("mailbox", mailbox)
	_ = w.WriteField("execution_id", id)
	_ = w.WriteField("configuration", string(pedidos))
	file, _ := w.CreateFormFile("file", "pedidos.csv")
	_, _ = file.Write(orders(3, 1))
	_ = w.Close()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, site+"/v1/executions", &form)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", w.FormDataContentType())
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted {
		return fmt.Errorf("%s: %s", id, answer.Status)
	}
	return nil
}
