package ledger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// CodeForeign says that a message among the events is none of the fleet's.
const CodeForeign fault.Code = "LEDGER_EVENT_FOREIGN"

// told is one event of one generation, as the ledger keeps it.
type told struct {
	execution.Key        // whose it is; a redrive's is also that of the generation before
	ID            string // of the CloudEvent, without the key
	Sequence      uint64 // in the stream; 0 if it was made of what storage holds
	Kind          string
	At            time.Time
	Source        string // /executor/host
	Data          execution.EventData
}

const (
	typePrefix = "dev.sagefleet.execution."

	maxWord  = 128     // bytes of a code
	maxText  = 1 << 10 // bytes of an id, a source
	maxFiles = 20
	maxData  = 64 << 10 // bytes of what an event says
)

// decode reads a message of the stream of events, which came in that mailbox. Anyone
// with the right may publish there.
func decode(data []byte, mailbox string, sequence uint64) (told, error) {
	foreign := func(format string, args ...any) (told, error) {
		return told{}, fault.New(CodeForeign, format, args...).Expecting("an event of this fleet").
			Advise("look at it with `nats stream get`, and for who may publish there").Permanent()
	}
	if len(data) > maxData {
		return foreign("an event of %d bytes", len(data))
	}
	var e execution.Event
	if err := json.Unmarshal(withoutNUL(data), &e); err != nil {
		return foreign("no event: %w", err)
	}
	kind, ok := strings.CutPrefix(e.Type, typePrefix)
	switch {
	case !ok || kind == "" || len(kind) > 40:
		return foreign("an event of type %.80q", e.Type)
	case e.Data.Key.Validate() != nil || e.Data.Mailbox != mailbox:
		return foreign("an event of %.200q in mailbox %s", e.Data.Key, mailbox)
	case e.ID == "" || max(len(e.ID), len(e.Source), len(e.Data.Host)) > maxText:
		return foreign("an event whose id is missing, or whose id, source or host is too long")
	case e.Data.Generation > math.MaxInt32 || e.Data.From < 0 || e.Data.From >= max(e.Data.Generation, 1):
		return foreign("an event of generation %d, from %d", e.Data.Generation, e.Data.From)
	case len(e.Data.Attempt) > maxWord || len(e.Data.Code) > maxWord || len(e.Data.Executor) > maxWord: // indexes hold no long ones
		return foreign("an event whose attempt, code or executor is longer than %d bytes", maxWord)
	case stages[kind] && !slices.Contains(states, e.Data.State):
		return foreign("an event of state %.80q", e.Data.State)
	case sequence > math.MaxInt64>>2:
		return foreign("an event at %d", sequence)
	}
	return toldOf(e, kind, sequence), nil
}

// untold is e as if it had been told: under the same limits.
func untold(e execution.Event) (told, error) {
	data, err := json.Marshal(e)
	if err != nil {
		return told{}, fmt.Errorf("event %s: %w", e.ID, err)
	}
	t, err := decode(data, e.Data.Mailbox, 0)
	if err != nil {
		return told{}, fmt.Errorf("event %s: %w", e.ID, err)
	}
	return t, nil
}

func toldOf(e execution.Event, kind string, sequence uint64) told {
	t := told{Key: e.Data.Key, ID: strings.TrimPrefix(e.ID, e.Data.Key.String()+":"), Sequence: sequence, Kind: kind,
		At: e.Time.UTC(), Source: e.Source, Data: e.Data}
	if kind == execution.EventErased { // one for all generations, and whoever tells of it
		t.ID = kind
	}
	if a := t.Data.Asked; a != nil && (len(a.Files) > maxFiles || slices.ContainsFunc(a.Files, func(name string) bool { return !execution.IsFilename(name) })) {
		t.Data.Asked = nil
	}
	if t.Data.Usage != nil && !(t.Data.Usage.CostUSD >= 0 && t.Data.Usage.CostUSD < math.MaxInt32) {
		t.Data.Usage = nil
	}
	return t
}

// withoutNUL replaces escaped NULs, which PostgreSQL keeps in no text.
func withoutNUL(data []byte) []byte {
	nul := []byte(`\u0000`)
	if !bytes.Contains(data, nul) {
		return data
	}
	clean := bytes.Clone(data)
	for i := 0; i < len(clean)-1; i++ {
		if clean[i] != '\\' {
			continue
		}
		if bytes.HasPrefix(clean[i:], nul) {
			copy(clean[i:], `\ufffd`)
		}
		i++ // what is escaped begins no escape
	}
	return clean
}

// host is the last part of the source.
func (t told) host() string {
	if t.Source == "" {
		return ""
	}
	return path.Base(t.Source)
}

// rank decides which of two with the same id stands, whatever came first: one that
// knows what it cost, then one that was told, then the first.
func (t told) rank() int64 {
	rank := int64(t.Sequence)
	if t.Data.Usage == nil {
		rank |= 1 << 61
	}
	if t.Sequence == 0 {
		rank |= 1 << 60
	}
	return rank
}

// concerns returns t for every generation that it says something of.
func (t told) concerns() []told {
	all := []told{t}
	as := func(generation int) {
		c := t
		c.Generation = generation
		all = append(all, c)
	}
	switch t.Kind {
	case execution.EventRedriven:
		if t.Data.From > 0 {
			as(t.Data.From)
		}
	case execution.EventErased: // it is told of the last generation, and all of them were
		const most = 1000 // generations: nobody redrives so often
		for g := max(1, t.Generation-most); g < t.Generation; g++ {
			as(g)
		}
	}
	return all
}

// text is the data as the ledger stores it. The key has columns of its own.
func (t told) text() string {
	text, err := json.Marshal(t.Data)
	if err != nil {
		panic("ledger: what was JSON is JSON again: " + err.Error()) // no field can fail
	}
	return string(text)
}
