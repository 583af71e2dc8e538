// Package bus is the fleet's only knowledge of NATS names: every subject,
// stream, consumer and bucket is spelled here and nowhere else.
//
// Accepted work lives in two streams. EXECUTIONS, where producers publish, has
// no schedules, no TTL and no rollup, because each of those lets anyone who may
// publish one subject destroy or redirect work that was already accepted. LATER,
// where only the fleet publishes, has schedules.
package bus

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sagefleet/sagefleet/shared/execution"
)

// Streams.
const (
	StreamExecutions = "EXECUTIONS" // the work queue
	StreamLater      = "LATER"      // delayed retries, and what they emit when due
	StreamEvents     = "EVENTS"     // one CloudEvent per transition
	StreamDecisions  = "DECISIONS"  // one CloudEvent per change of what a bridge takes
	StreamDead       = "DEAD"       // dead letters
	StreamAdvisories = "ADVISORIES" // what the server says about lost deliveries
)

// Durable consumers, and the priority group of the one that is shared with the
// bridge.
const (
	ConsumerFleet = "fleet" // sage.exec.>, shared by workers and the bridge
	ConsumerLocal = "local" // sage.local.>, work that a Lambda can't take
	ConsumerDue   = "due"   // sage.due.>, retries whose time has come
	ConsumerEnded = "ended" // events of executions that ended, for answers to their senders
	GroupFleet    = "fleet"
)

// Key-value buckets.
const (
	BucketLocks = "sage_locks"
	BucketState = "sage_state"
	BucketFleet = "sage_fleet"

	BucketDelegations = "sage_delegations"
	BucketBudget      = "sage_budget"
	BucketAccess      = "sage_access"  // who may ask `sage serve` for what
	BucketNotices     = "sage_notices" // who was told of what
)

const (
	prefixExec  = "sage.exec."
	prefixLocal = "sage.local."
	prefixLater = "sage.later."
	prefixDue   = "sage.due."
	prefixEvent = "sage.event."
	prefixDead  = "sage.dead."

	prefixDecision = "sage.decision."
)

// Filters for all subjects of a stream.
const (
	ExecFilter  = prefixExec + ">"
	LocalFilter = prefixLocal + ">"
	EventFilter = prefixEvent + ">"
)

// SubjectMailbox is where anyone submits to a mailbox.
func SubjectMailbox(mailbox string) string { return prefixExec + mailbox }

// SubjectExec is where the fleet's own publishers submit an execution: one
// subject per execution tells whether it still waits.
func SubjectExec(mailbox, id string) string { return prefixExec + mailbox + "." + id }

// SubjectLocal is where an execution is submitted that workers alone may take.
func SubjectLocal(mailbox, id string) string { return prefixLocal + mailbox + "." + id }

// IsLocal reports whether what came on subject is for workers alone.
func IsLocal(subject string) bool { return strings.HasPrefix(subject, prefixLocal) }

// SubjectLater holds the schedule of a generation's next attempt. A new schedule
// replaces the one before, so generations must not share a subject: a holder of the
// last one that wakes up late would take the retry of the next away.
func SubjectLater(k execution.Key) string { return prefixLater + k.Path() }

// SubjectLeft holds the schedule of a message that was left to newer programs. It names the
// message by its place in the queue too: another of the same execution must not replace it.
func SubjectLeft(mailbox, id string, sequence uint64) string {
	return fmt.Sprintf("%s%s.%s.%s%d", prefixLater, mailbox, id, leftMark, sequence)
}

// SubjectsLeft matches whatever is scheduled of an execution.
func SubjectsLeft(mailbox, id string) string { return prefixLater + mailbox + "." + id + ".*" }

// leftMark begins no generation.
const leftMark = "newer-"

// IsLater reports whether subject holds schedules.
func IsLater(subject string) bool { return strings.HasPrefix(subject, prefixLater) }

// SubjectDue is what a schedule emits.
func SubjectDue(mailbox, id string) string { return prefixDue + mailbox + "." + id }

// SubjectEvent is where transitions of a kind are told.
func SubjectEvent(mailbox, kind string) string { return prefixEvent + mailbox + "." + kind }

// SubjectDecision is where the bridge on a host tells what it takes. Dots in the name
// become dashes.
func SubjectDecision(host string) string {
	return prefixDecision + strings.NewReplacer(".", "-", " ", "-", "*", "-", ">", "-").Replace(host)
}

// SubjectKey is where a key of a bucket is written by hand: the client can't give what
// it changes or deletes a time to live.
func SubjectKey(bucket, key string) string { return "$KV." + bucket + "." + key }

// EventMailbox reads the mailbox from the subject of an event.
func EventMailbox(subject string) (mailbox string, ok bool) {
	rest, ok := strings.CutPrefix(subject, prefixEvent)
	mailbox, _, _ = strings.Cut(rest, ".")
	return mailbox, ok && execution.ValidateMailbox(mailbox) == nil
}

// SubjectDead holds the dead letter of a generation.
func SubjectDead(k execution.Key) string { return prefixDead + k.Path() }

// SubjectRefused holds the dead letter of a message that names no valid
// execution. The @ keeps it apart from every execution id.
func SubjectRefused(mailbox, stream string, sequence uint64) string {
	return fmt.Sprintf("%s%s.@%s-%d.0", prefixDead, mailbox, stream, sequence)
}

// ParseWork reads the mailbox, and the execution id if there is one, from a
// subject of accepted work.
func ParseWork(subject string) (mailbox, id string, err error) {
	if rest, ok := strings.CutPrefix(subject, prefixLater); ok {
		if named, _, left := strings.Cut(rest, "."+leftMark); left {
			rest = named + ".1"
		}
		k, err := execution.ParsePath(rest)
		return k.Mailbox, k.ID, err
	}
	for _, prefix := range []string{prefixExec, prefixLocal, prefixDue} {
		rest, ok := strings.CutPrefix(subject, prefix)
		if !ok {
			continue
		}
		mailbox, id, named := strings.Cut(rest, ".")
		if err := execution.ValidateMailbox(mailbox); err != nil {
			return "", "", err
		}
		if named {
			err = execution.ValidateID(id)
		}
		return mailbox, id, err
	}
	return "", "", fmt.Errorf("subject %q carries no work", subject)
}

// SubjectDeadOf matches the dead letters of all generations of an execution, of a
// whole mailbox when id is empty, and all there are when both are.
func SubjectDeadOf(mailbox, id string) string {
	switch {
	case mailbox == "":
		return prefixDead + ">"
	case id == "":
		return prefixDead + mailbox + ".>"
	}
	return prefixDead + mailbox + "." + id + ".*"
}

// ParseDead reads whose dead letter stands on a subject. The name is an execution
// id, or @stream-sequence with generation 0 for a message that names no execution.
func ParseDead(subject string) (mailbox, name string, generation int, err error) {
	parts := strings.Split(strings.TrimPrefix(subject, prefixDead), ".")
	if len(parts) != 3 || !strings.HasPrefix(subject, prefixDead) {
		return "", "", 0, fmt.Errorf("subject %q is no dead letter's", subject)
	}
	if generation, err = strconv.Atoi(parts[2]); err != nil {
		return "", "", 0, fmt.Errorf("subject %q is no dead letter's: %w", subject, err)
	}
	return parts[0], parts[1], generation, nil
}
