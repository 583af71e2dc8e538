package peers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/worker/processor"
)

const (
	mailbox    = "carga"
	configFile = "../../deploy/cmd/demo/configs/ventas.yaml"
	header     = "codigo_venta,codigo_cliente,codigo_producto,fecha,cantidad,precio,total\n"
	row        = "V-%010d,C-%08d,P-000001,2025-01-31,2,10.50,21.00\n"
	rows       = 10
	files      = 64 // different ones
)

// jobs are n requests to check files of ten rows, which they put into objects. All
// systems are given the same bytes.
func jobs(t testing.TB, objects storage.Store, n int) []execution.Request {
	t.Helper()
	config, err := os.ReadFile(configFile)
	if err != nil {
		t.Fatal(err)
	}
	var uris []string
	for i := range files {
		data := bytes.NewBufferString(header)
		for j := range rows {
			fmt.Fprintf(data, row, rows*i+j, i)
		}
		key := fmt.Sprintf("inputs/%s/%d.csv", mailbox, i)
		if _, err := objects.Put(t.Context(), key, data); err != nil {
			t.Fatal(err)
		}
		uris = append(uris, storage.Join(objects.URL(), key))
	}
	rs := make([]execution.Request, n)
	for i := range rs {
		rs[i] = execution.Request{ID: fmt.Sprintf("e%07d", i), Mailbox: mailbox, Config: execution.Config{Text: string(config)},
			Inputs: []execution.Input{{URI: uris[i%files], Filename: "ventas.csv"}}}
	}
	return rs
}

// handler is the job of River's and asynq's workers, as a user of theirs would write
// it: read the file, check it, keep the reports.
type handler struct {
	dir  string // of results
	tell bool   // write a line for each that is done
	die  bool   // end this process when the work is done and nothing is kept

	mu sync.Mutex
}

func newHandler(get func(string) string) (*handler, error) {
	h := &handler{dir: get("RESULTS"), tell: get("TELL") != "", die: get("DIE") != ""}
	for i := range shards {
		if err := os.MkdirAll(h.shard(byte(i)), 0o750); err != nil {
			return nil, err
		}
	}
	return h, syncDir(h.dir)
}

// shards are as many directories as outcomes are spread over.
const shards = 256

func (h *handler) shard(b byte) string { return filepath.Join(h.dir, fmt.Sprintf("%02x", b)) }

func (h *handler) handle(ctx context.Context, request []byte) error {
	var r execution.Request
	if err := json.Unmarshal(request, &r); err != nil {
		return err
	}
	data, err := os.ReadFile(strings.TrimPrefix(r.Inputs[0].URI, "file://"))
	if err != nil {
		return err
	}
	result, err := processor.Native{}.Process(ctx, processor.Job{
		Config: []byte(r.Config.Text), ConfigName: "input.yaml", Language: "es",
		Inputs: []processor.Input{{Name: r.Inputs[0].Filename, Data: data}},
		Info:   processor.Info{ExecutionID: r.ID, Mailbox: r.Mailbox},
	})
	if err != nil {
		return err
	}
	if h.die {
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			return err
		}
		select {}
	}
	if err := h.keep(r, result); err != nil || !h.tell {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err = fmt.Printf(doneFormat, r.ID, time.Now().UnixNano())
	return err
}

const doneFormat = "done %s %d\n"

// resultHead is the first line of a result; the files follow.
type resultHead struct {
	ID, Status string
	Records    int
	Files      []resultFile
}

type resultFile struct {
	Name string
	Size int
}

func (h resultHead) summary() string {
	names := make([]string, len(h.Files))
	for i, f := range h.Files {
		names[i] = f.Name
	}
	return fmt.Sprintf("%s, %d records, %s", h.Status, h.Records, strings.Join(names, " "))
}

// keep writes one durable file per job: a folder of five would cost five times as
// many fsyncs, and ours are in one file too.
func (h *handler) keep(r execution.Request, result processor.Result) error {
	kept := resultHead{ID: r.ID, Status: result.Status, Records: result.Records,
		Files: []resultFile{{"input.yaml", len(r.Config.Text)}}}
	body := bytes.NewBufferString(r.Config.Text)
	for _, f := range result.Files {
		kept.Files = append(kept.Files, resultFile{f.Name, len(f.Data)})
		body.Write(f.Data)
	}
	head, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	dir := h.shard(sha256.Sum256([]byte(r.ID))[0])
	draft := filepath.Join(dir, "."+r.ID)
	if err := writeSynced(draft, append(append(head, '\n'), body.Bytes()...)); err != nil {
		return err
	}
	if err := os.Rename(draft, filepath.Join(dir, r.ID)); err != nil {
		return err
	}
	return syncDir(dir)
}

func writeSynced(name string, data []byte) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncDir(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
