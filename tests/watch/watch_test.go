// Package watch runs a fleet and looks at what it shows of itself: metrics, traces, and
// the lines that the Lambda logs.
package watch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/sagefleet/sagefleet/deploy/local"
	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/telemetry"
	"github.com/sagefleet/sagefleet/worker"
)

const config = `
sage_yaml: {name: n, description: d, version: '1', author: a}
catalogs: {c: {name: c, description: d, filename: a.csv, file_format: {type: CSV, delimiter: ',', header: true}, fields: [{name: a, type: entero}]}}
packages: {p: {name: p, description: d, file_format: {type: CSV}, catalogs: [c]}}
`

// seen is what a fleet showed while it worked.
type seen struct {
	families []*dto.MetricFamily
	spans    tracetest.SpanStubs
	logs     string // of this process's components
	ready    string // what /readyz said
	keys     []execution.Key
	lambda   execution.Key // one that a Lambda executed
}

var look = sync.OnceValues(run)

func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" { // an environment of the local Lambda
		if err := worker.ServeLambda(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// fleet returns what one fleet showed, for all tests.
func fleet(t *testing.T) seen {
	t.Helper()
	s, err := look()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// syncBuffer is a bytes.Buffer for several.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// run has a fleet of one worker, a bridge and a Lambda execute a burst that is too much
// for the worker.
func run() (s seen, err error) {
	dir, err := os.MkdirTemp("", "sage-watch-")
	if err != nil {
		return s, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	self, err := os.Executable()
	if err != nil {
		return s, err
	}
	spans, logs := tracetest.NewInMemoryExporter(), &syncBuffer{}
	provider := trace.NewTracerProvider(trace.WithSyncer(spans))
	otel.SetTracerProvider(provider)
	ctx, cancel := context.WithTimeout(zerolog.New(logs).WithContext(context.Background()), time.Minute)
	defer cancel()
	err = local.Run(ctx, local.Config{Dir: dir, Workers: 1, Lambda: []string{self}}, func(ctx context.Context, p *local.Platform) error {
		serving, stop := context.WithCancel(ctx)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			stop()
			return err
		}
		served := make(chan error, 1)
		go func() { served <- p.Serve(serving, l) }()
		err = s.submit(ctx, p)
		if err == nil {
			err = s.gather(ctx, "http://"+l.Addr().String())
		}
		stop()
		return errors.Join(err, <-served)
	})
	s.spans, s.logs = spans.GetSpans(), logs.String()
	return s, err
}

// submit submits a burst, and more of larger files until a Lambda has executed one: a
// machine with nothing else to do executes small ones as fast as they are submitted.
func (s *seen) submit(ctx context.Context, p *local.Platform) error {
	submit, outcomes := producer.New(p.JS, p.Objects), outcome.New(p.Objects)
	for round := range 6 {
		rows := strings.Repeat("1\n", 20_000<<round)
		for i := range 10 {
			r, err := submit.Submit(ctx, producer.Submission{Mailbox: "ventas", ID: fmt.Sprintf("e-%d-%d", round, i), Config: []byte(config),
				Files: []producer.File{{Name: "a.csv", Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("a\n" + rows)), nil }}}})
			if err != nil {
				return err
			}
			s.keys = append(s.keys, r.Key())
		}
		if err := settled(ctx, p); err != nil {
			return err
		}
		for _, k := range s.keys {
			o, err := outcomes.Read(ctx, k)
			if err != nil {
				return err
			}
			if o.Executor == execution.OnLambda {
				s.lambda = k
			}
		}
		if s.lambda.ID != "" {
			return nil
		}
	}
	return fmt.Errorf("no Lambda was given anything")
}

// gather scrapes the metrics as Prometheus does, once the last message is counted: that is
// after the server was told of its end.
func (s *seen) gather(ctx context.Context, url string) error {
	for ctx.Err() == nil {
		text, err := get(ctx, url+"/metrics")
		if err != nil {
			return err
		}
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(strings.NewReader(text))
		if err != nil {
			return err
		}
		s.families = slices.Collect(maps.Values(families))
		if s.sum(telemetry.Messages.Name, "end", "ended") >= float64(len(s.keys)) {
			s.ready, err = get(ctx, url+"/readyz")
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return ctx.Err()
}

func get(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s: %s", url, response.Status, body)
	}
	return string(body), err
}

// settled waits until nothing waits or is under way.
func settled(ctx context.Context, p *local.Platform) error {
	for {
		lag, err := queue.Lag(ctx, p.JS)
		if err != nil {
			return err
		}
		if lag.Waiting+lag.Local+lag.Later == 0 && lag.InFlight == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%+v: %w", lag, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// named are the spans of a trace with one name, in the order they began.
func (s seen) named(trace, name string) []tracetest.SpanStub {
	var found []tracetest.SpanStub
	for _, span := range s.spans {
		if span.SpanContext.TraceID().String() == trace && span.Name == name {
			found = append(found, span)
		}
	}
	slices.SortFunc(found, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	return found
}
