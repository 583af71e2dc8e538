package history

import (
	"cmp"

	"github.com/sagefleet/sagefleet/shared/execution"
)

// source is where a fact was found.
type source uint8

const (
	isAccepted source = iota // by whoever submitted it
	isRequest                // request.json in storage
	isOutcome
	isEvent
	isRecord
	isLetter
	isWaiting // in EXECUTIONS or LATER
)

// fact is one thing that is known of one generation. Times are Unix nanoseconds.
type fact struct {
	Mailbox, ID string
	Generation  int
	Source      source
	Sequence    uint64 // of an event
	Kind        string // of an event
	State       execution.State
	Attempt     string
	Token       uint64
	Executor    string
	Cost        float64
	At          int64 // when it became so
	Started     int64
	Enqueued    int64
	Erased      bool
	Damage      []string // of an outcome: what isn't as it was committed
	Gone        []string // of an outcome: large files that aren't there
}

func (f fact) key() execution.Key {
	return execution.Key{Mailbox: f.Mailbox, ID: f.ID, Generation: f.Generation}
}

// before orders facts by execution and generation.
func before(a, b fact) int {
	return cmp.Or(cmp.Compare(a.Mailbox, b.Mailbox), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Generation, b.Generation),
		cmp.Compare(a.Source, b.Source), cmp.Compare(a.Sequence, b.Sequence))
}

// about makes a fact of k.
func about(k execution.Key, from source) fact {
	return fact{Mailbox: k.Mailbox, ID: k.ID, Generation: k.Generation, Source: from}
}
