package e2e

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/deploy/lambdalocal"
	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/execution"
)

const parityFiles = 500

// variety is parityFiles submissions: each kind of file that the engine knows, good
// and bad, and what it refuses.
func variety(t *testing.T) []producer.Submission {
	t.Helper()
	cases, err := filepath.Glob("../../worker/engine/testdata/cases/*")
	if err != nil || len(cases) < 40 {
		t.Fatalf("%d cases: %v", len(cases), err)
	}
	var all []producer.Submission
	for i, dir := range cases {
		config, err := os.ReadFile(filepath.Join(dir, "config.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		inputs, err := filepath.Glob(filepath.Join(dir, "data.*"))
		if err != nil || len(inputs) != 1 {
			t.Fatalf("%s: %v %v", dir, inputs, err)
		}
		data, err := os.ReadFile(inputs[0])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, one(fmt.Sprintf("case-%d", i), config, filepath.Base(inputs[0]), data))
	}
	for i := len(all); i < parityFiles; i++ {
		id, data := fmt.Sprintf("file-%d", i), orders(i%60, i%7)
		switch i % 20 {
		case 0:
			all = append(all, one(id, pedidos, "pedidos.zip", data)) // it is none
		case 1:
			all = append(all, one(id, []byte("sage_yaml: ["), "pedidos.csv", data))
		case 2:
			all = append(all, one(id, pedidos, "pedidos.csv", append(data, "P-1,\xff\xfe,\"\n"...)))
		default:
			all = append(all, one(id, pedidos, "pedidos.csv", data))
		}
	}
	return all
}

func one(id string, config []byte, name string, data []byte) producer.Submission {
	return producer.Submission{Mailbox: "ventas", ID: id, Sender: "Distribuidora 7", Method: "e2e", Config: config,
		Files: []producer.File{{Name: name, Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }}}}
}

// TestParity: a worker and a Lambda come to the same result, byte for byte but for when
// and where.
func TestParity(t *testing.T) {
	t.Parallel()
	local := newFleet(t, directory(t), map[string]string{"SLOTS": "4"})
	local.startWorker(t)
	cloud := prepareFleet(t, secure(t), "nats://127.0.0.1:1", directory(t), nil)
	service := cloud.startLambdaWith(t, lambdalocal.Config{}, nil)
	submissions := variety(t)
	for _, s := range submissions {
		if _, err := local.producer.Submit(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	delegate(t, cloud, service, submissions)
	local.settled(t, time.Minute)

	kinds := map[execution.Kind]int{}
	for _, s := range submissions {
		want, got := local.result(t, s.ID), cloud.result(t, s.ID)
		kinds[want.Kind]++
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-worker +lambda):\n%s", s.ID, diff)
		}
	}
	t.Logf("%v", kinds)
	if kinds[execution.Dead] < parityFiles/20 || kinds[execution.Succeeded] < parityFiles/2 {
		t.Errorf("there is too little variety: %v", kinds)
	}
}

// delegate has the Lambda execute submissions, a few at once, as a bridge asks for it.
func delegate(t *testing.T, f *fleet, service *lambdalocal.Service, submissions []producer.Submission) {
	t.Helper()
	todo := make(chan execution.Request)
	var working sync.WaitGroup
	for range 4 {
		working.Go(func() {
			for r := range todo {
				reply := invoke(t, service, execution.Invocation{Request: r, Delegation: &execution.Delegation{Token: 1, Number: 1}})
				if reply.StatusCode != 200 {
					t.Errorf("%s: answered %+v", r.ID, reply)
				}
			}
		})
	}
	defer working.Wait()
	defer close(todo)
	for _, s := range submissions {
		r, err := producer.New(nil, f.objects).Store(t.Context(), s)
		if err != nil {
			t.Error(err)
			return
		}
		todo <- r
	}
}

// result is what an outcome says of the files, without when and where.
type result struct {
	Kind    execution.Kind
	Fault   string
	Summary *execution.Summary
	Inputs  []execution.File
	Files   map[string]string
}

// moment is a time or a duration that a report tells.
var moment = regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d([.,]\d+)?(Z|[+-]\d\d:?\d\d)?|"duration": [0-9.e-]+|\d+\.\d{2,3} s\b`)

func (f *fleet) result(t *testing.T, id string) result {
	t.Helper()
	o := f.outcome(t, "ventas", id)
	r := result{o.Kind, "", o.Summary, o.Inputs, map[string]string{}}
	if o.Fault != nil {
		r.Fault = o.Fault.Error()
	}
	for i := range r.Inputs {
		r.Inputs[i].Source = "" // each has a store of its own
	}
	for _, file := range o.Files {
		body, err := f.outcomes.Open(t.Context(), o, file.Name)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(body)
		_ = body.Close()
		if err != nil {
			t.Fatal(err)
		}
		r.Files[file.Name] = moment.ReplaceAllString(string(data), "<time>")
	}
	return r
}
