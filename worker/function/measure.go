package function

import (
	"encoding/json"
	"io"
	"sync"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// Namespace is where CloudWatch keeps the Lambda's metrics.
const Namespace = "SageFleet"

// metric is one number that CloudWatch takes out of a line of the log.
type metric struct {
	Name string `json:"Name"`
	Unit string `json:"Unit"`
}

// Metrics of one execution, by FunctionName.
var (
	metricExecutions = metric{"sage_lambda_executions", "Count"}     // 1 when an outcome stands
	metricDead       = metric{"sage_lambda_dead", "Count"}           // 1 when that is DEAD
	metricFailures   = metric{"sage_lambda_failures", "Count"}       // 1 when there is none
	metricRun        = metric{"sage_lambda_run_seconds", "Seconds"}  // of the invocation
	metricWait       = metric{"sage_lambda_wait_seconds", "Seconds"} // from the acceptance to the invocation
	metricInput      = metric{"sage_lambda_input_bytes", "Bytes"}    // of the files that were read
	metricsOfLine    = []metric{metricExecutions, metricDead, metricFailures, metricRun, metricWait, metricInput}
)

// MetricNames are the metrics that the Lambda writes, for whoever watches them.
func MetricNames() []string {
	names := make([]string, 0, len(metricsOfLine))
	for _, m := range metricsOfLine {
		names = append(names, m.Name)
	}
	return names
}

// directive tells CloudWatch what of a line are metrics
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).
type directive struct {
	Timestamp int64        `json:"Timestamp"` // Unix milliseconds
	Metrics   []collection `json:"CloudWatchMetrics"`
}

type collection struct {
	Namespace  string     `json:"Namespace"`
	Dimensions [][]string `json:"Dimensions"`
	Metrics    []metric   `json:"Metrics"`
}

// WithMetrics has one line for each execution written to w, in CloudWatch's embedded
// metric format: what w is logged to makes metrics of it, without a call. name is the
// function's.
func WithMetrics(w io.Writer, name string) Option {
	return func(h *Handler) { h.lines = &lines{w: w, function: name} }
}

// lines writes whole lines. It is safe for concurrent use.
type lines struct {
	function string

	mu sync.Mutex
	w  io.Writer
}

// write writes the line of one execution that began when it says, and came to o or err.
func (l *lines) write(inv execution.Invocation, trace string, accepted, began time.Time, o execution.Outcome, err error) {
	if l == nil {
		return
	}
	line := map[string]any{
		"_aws":         directive{Timestamp: time.Now().UnixMilli(), Metrics: []collection{{Namespace, [][]string{{"FunctionName"}}, metricsOfLine}}},
		"FunctionName": l.function, "mailbox": inv.Mailbox, "execution": inv.ID, "generation": inv.Key().Generation,
		metricExecutions.Name: 0, metricDead.Name: 0, metricFailures.Name: 0,
		metricRun.Name: time.Since(began).Seconds(), metricWait.Name: max(0, began.Sub(accepted).Seconds()), metricInput.Name: sizeOf(o.Inputs),
	}
	if trace != "" {
		line["trace"] = trace
	}
	switch {
	case err != nil:
		line[metricFailures.Name], line["state"], line["code"] = 1, "FAILED", fault.CodeOf(err)
	default:
		line[metricExecutions.Name], line["state"], line["attempt"] = 1, o.Kind, o.Attempt
		if o.Kind == execution.Dead {
			line[metricDead.Name] = 1
		}
		if o.Fault != nil {
			line["code"] = o.Fault.Code
		}
	}
	text, err := json.Marshal(line)
	if err != nil {
		return // of these types none fails
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.w.Write(append(text, '\n'))
}

func sizeOf(files []execution.File) (sum int64) {
	for _, f := range files {
		sum += f.Size
	}
	return sum
}
