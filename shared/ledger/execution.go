package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
)

// Execution is what the ledger knows of one generation. Times that aren't known are
// zero.
type Execution struct {
	execution.Key
	State    execution.State `json:"state"`
	Executor string          `json:"executor,omitempty"` // whose attempt it was; empty while it waits
	Host     string          `json:"host,omitempty"`
	Attempts int             `json:"attempts"`

	Accepted time.Time `json:"accepted,omitzero"` // when it was first heard of, if that isn't known
	Began    time.Time `json:"began,omitzero"`    // its first attempt
	Started  time.Time `json:"started,omitzero"`  // its last attempt
	Finished time.Time `json:"finished,omitzero"`
	Updated  time.Time `json:"updated,omitzero"` // the last event about it
	Deadline time.Time `json:"deadline,omitzero"`

	Sender    string   `json:"sender,omitempty"`
	Method    string   `json:"method,omitempty"`
	Class     string   `json:"class,omitempty"`
	Files     []string `json:"files,omitempty"` // the first names
	FileCount int      `json:"file_count"`      // of all input files
	Bytes     int64    `json:"bytes,omitempty"` // of all input files

	Status   string `json:"status,omitempty"` // of the report
	Records  int    `json:"records"`
	Errors   int    `json:"errors"`
	Warnings int    `json:"warnings"`
	Code     string `json:"code,omitempty"` // why it is DEAD, CANCELLED or to be tried again
	Reason   string `json:"reason,omitempty"`

	BilledMillis int64     `json:"billed_ms,omitempty"` // by AWS Lambda, of all attempts that are known
	CostUSD      float64   `json:"cost_usd,omitempty"`
	CachedFrom   string    `json:"cached_from,omitempty"` // the execution whose findings it repeats
	RedrivenAs   int       `json:"redriven_as,omitempty"` // the generation that followed
	Erased       time.Time `json:"erased,omitzero"`       // when the customer's data were removed
}

// Waited is how long it waited for its first attempt, and whether that is known.
func (e Execution) Waited() (time.Duration, bool) {
	return max(e.Began.Sub(e.Accepted), 0), !e.Began.IsZero() && !e.Accepted.IsZero()
}

// Ran is how long its last attempt took, and whether it has ended.
func (e Execution) Ran() (time.Duration, bool) {
	return max(e.Finished.Sub(e.Started), 0), !e.Finished.IsZero() && !e.Started.IsZero()
}

// tie orders executions that were accepted in the same microsecond, in every ledger alike.
func tie(k execution.Key) int64 {
	sum := sha256.Sum256([]byte(k.Path()))
	return int64(binary.BigEndian.Uint64(sum[:]) >> 1)
}

// columns of the table execution, in the order of values and scan.
const columns = `mailbox, execution_id, generation, tie, state, executor, host, attempts,
	accepted_us, began_us, started_us, finished_us, updated_us, deadline_us, waited_us, ran_us,
	sender, method, class, files, file_count, bytes, status, records, errors, warnings, code, reason,
	billed_ms, cost_usd, cached_from, redriven_as, erased_us`

func (e Execution) values() []any {
	files := "[]"
	if len(e.Files) > 0 {
		text, _ := json.Marshal(e.Files) // strings always marshal
		files = string(text)
	}
	return []any{e.Mailbox, e.ID, e.Generation, tie(e.Key), string(e.State), e.Executor, e.Host, e.Attempts,
		micros(e.Accepted), micros(e.Began), micros(e.Started), micros(e.Finished), micros(e.Updated), micros(e.Deadline),
		spanMicros(e.Waited()), spanMicros(e.Ran()),
		e.Sender, e.Method, e.Class, files, e.FileCount, e.Bytes, e.Status, e.Records, e.Errors, e.Warnings, e.Code, e.Reason,
		e.BilledMillis, e.CostUSD, e.CachedFrom, e.RedrivenAs, micros(e.Erased)}
}

// scan reads a row of [columns].
func scan(row interface{ Scan(...any) error }) (Execution, error) {
	var e Execution
	var files string
	var tie, accepted, began, started, finished, updated, deadline, waited, ran, erased int64
	err := row.Scan(&e.Mailbox, &e.ID, &e.Generation, &tie, &e.State, &e.Executor, &e.Host, &e.Attempts,
		&accepted, &began, &started, &finished, &updated, &deadline, &waited, &ran,
		&e.Sender, &e.Method, &e.Class, &files, &e.FileCount, &e.Bytes, &e.Status, &e.Records, &e.Errors, &e.Warnings, &e.Code, &e.Reason,
		&e.BilledMillis, &e.CostUSD, &e.CachedFrom, &e.RedrivenAs, &erased)
	if err != nil {
		return e, err
	}
	e.Accepted, e.Began, e.Started, e.Finished = moment(accepted), moment(began), moment(started), moment(finished)
	e.Updated, e.Deadline, e.Erased = moment(updated), moment(deadline), moment(erased)
	if files != "[]" {
		err = json.Unmarshal([]byte(files), &e.Files)
	}
	return e, err
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func spanMicros(d time.Duration, known bool) int64 {
	if !known {
		return -1
	}
	return d.Microseconds()
}

// terms are what e is found by.
func (e Execution) terms() []string {
	terms := []string{strings.ToLower(e.ID)}
	for _, name := range e.Files {
		terms = append(terms, strings.ToLower(name))
	}
	return terms
}
