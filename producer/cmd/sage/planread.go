package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/history"
	"github.com/sagefleet/sagefleet/shared/planning"
)

// codePastInvalid says that a file of past executions can't be read.
const codePastInvalid fault.Code = "PLAN_INPUT"

// pastRow is one past execution in a file.
type pastRow struct {
	Enqueued time.Time `json:"enqueued"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	Executor string    `json:"executor"`
	InitMS   int64     `json:"init_ms"`
	Bytes    int64     `json:"bytes"`
}

// read returns past executions and on how many hosts workers did them.
func (c planCommand) read(ctx context.Context, a *app) (past []planning.Past, hosts int, err error) {
	if c.From != "" {
		file, err := os.Open(c.From)
		if err != nil {
			return nil, 0, err
		}
		defer file.Close()
		if strings.HasSuffix(c.From, ".csv") {
			past, err = pastCSV(file)
		} else {
			past, err = pastLines(file)
		}
		return past, 0, err
	}
	nc, js, err := a.connect(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer nc.Close()
	workers := map[string]bool{}
	err = history.Ended(ctx, js, c.Mailbox, c.Since.Time, func(e execution.Event) {
		p := planning.Past{Enqueued: e.Data.Enqueued, Started: e.Data.Started, Finished: e.Data.Finished, Lambda: e.Data.Executor == execution.OnLambda,
			Bytes: e.Data.InputBytes}
		if e.Data.Usage != nil {
			p.Init = time.Duration(e.Data.Usage.InitMillis) * time.Millisecond
		}
		if !p.Lambda {
			workers[e.Source] = true
		}
		past = append(past, p)
	})
	return past, len(workers), err
}

func pastLines(file io.Reader) ([]planning.Past, error) {
	var past []planning.Past
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var r pastRow
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, badPast(n, err)
		}
		p, err := r.past()
		if err != nil {
			return nil, badPast(n, err)
		}
		past = append(past, p)
	}
	return past, lines.Err()
}

func pastCSV(file io.Reader) ([]planning.Past, error) {
	reader := csv.NewReader(file)
	header, err := reader.Read()
	if err != nil {
		return nil, badPast(1, err)
	}
	var past []planning.Past
	for n := 2; ; n++ {
		cells, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return past, nil
		}
		if err != nil {
			return nil, badPast(n, err)
		}
		var r pastRow
		for i, column := range header {
			if err := r.set(column, cells[i]); err != nil {
				return nil, badPast(n, err)
			}
		}
		p, err := r.past()
		if err != nil {
			return nil, badPast(n, err)
		}
		past = append(past, p)
	}
}

func (r *pastRow) set(column, value string) (err error) {
	switch column {
	case "enqueued":
		r.Enqueued, err = time.Parse(time.RFC3339Nano, value)
	case "started":
		r.Started, err = time.Parse(time.RFC3339Nano, value)
	case "finished":
		r.Finished, err = time.Parse(time.RFC3339Nano, value)
	case "executor":
		r.Executor = value
	case "init_ms":
		r.InitMS, err = number(value)
	case "bytes":
		r.Bytes, err = number(value)
	}
	return err
}

func number(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	return strconv.ParseInt(text, 10, 64)
}

func (r pastRow) past() (planning.Past, error) {
	switch {
	case r.Enqueued.IsZero() || r.Started.IsZero() || r.Finished.IsZero():
		return planning.Past{}, errors.New("enqueued, started or finished is missing")
	case r.Executor != execution.OnWorker && r.Executor != execution.OnLambda:
		return planning.Past{}, fmt.Errorf("executor is %q; expected %s or %s", r.Executor, execution.OnWorker, execution.OnLambda)
	}
	return planning.Past{Enqueued: r.Enqueued, Started: r.Started, Finished: r.Finished, Lambda: r.Executor == execution.OnLambda,
		Init: time.Duration(r.InitMS) * time.Millisecond, Bytes: r.Bytes}, nil
}

func badPast(line int, err error) error {
	return fault.New(codePastInvalid, "line %d: %w", line, err).Expecting("past executions, as `sage plan --help` describes them").Permanent()
}
