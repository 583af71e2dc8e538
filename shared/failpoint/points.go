// Package failpoint lets a test end, stop, delay or fail a process of the fleet at
// one step of the protocol.
//
// A program contains it only when it is built with the tag failpoints; otherwise
// every call is an empty function that the compiler leaves out.
package failpoint

// Point is one step of the protocol.
type Point string

// The points, in the order in which an execution passes them. A program that is
// killed at one has done what it says, and nothing after that.
const (
	InputsStored  Point = "submit.inputs"    // the inputs are stored, the id is not claimed
	RequestStored Point = "submit.request"   // request.json is stored, nothing is published
	Published     Point = "submit.published" // the server has accepted the request, its sender doesn't know

	InboxPinned    Point = "inbox.pinned"    // how a file is checked is written down, the file is where it was put
	InboxClaimed   Point = "inbox.claimed"   // the file is where its execution's id says, nothing is submitted
	InboxSubmitted Point = "inbox.submitted" // it is accepted, and still there

	NoticeClaimed Point = "notice.claimed" // the record says that it is being sent, and it isn't
	NoticeSent    Point = "notice.sent"    // whoever hears it has taken it, the record doesn't say so
	NoticeNoted   Point = "notice.noted"   // the record says so, whoever wanted it said doesn't know
	AlarmKept     Point = "notice.kept"    // an incident is kept with what is to be said, nothing of it is

	Received    Point = "received"         // a message was delivered and read
	NoOutcome   Point = "outcome.none"     // no OUTCOME stands
	Locked      Point = "lock.acquired"    // the lock is held, the record says nothing of it
	Recorded    Point = "record.running"   // the record says RUNNING
	Reserved    Point = "invoke.reserved"  // what an invocation can cost is reserved, the ledger doesn't say so
	Entered     Point = "invoke.entered"   // the ledger says that a Lambda is asked; may fail, as if nobody knew
	Withdrawn   Point = "invoke.withdrawn" // it says that it wasn't, the reservation stands
	Invoking    Point = "invoke.before"    // a Lambda is about to be asked
	Invoked     Point = "invoke.after"     // it has answered
	Closed      Point = "invoke.closed"    // the ledger says what came of it, the reservation stands
	Working     Point = "work.before"      // the executor begins; may fail
	Worked      Point = "work.after"       // the results are made, none is stored
	OutputPut   Point = "output.stored"    // a large result is stored beside OUTCOME
	Committing  Point = "commit.before"    // everything is stored but OUTCOME
	FileWritten Point = "create.written"   // a directory's object is written and synced, without a name
	FileLinked  Point = "create.linked"    // it has its name, and the directory isn't synced
	Committed   Point = "commit.after"     // OUTCOME is created; may fail, as if the answer were lost
	ReadBack    Point = "commit.read"      // what stands was read back after an uncertain answer
	Unlocked    Point = "lock.released"    // the lock of what did not end is released
	EventSent   Point = "event.sent"       // the end is told, the server has not answered
	Ended       Point = "record.ended"     // the record says how it ended
	EventStored Point = "event.stored"     // the server has the event of the end
	Burying     Point = "dead.before"      // OUTCOME is DEAD, there is no dead letter
	Buried      Point = "dead.stored"      // the dead letter is stored
	Acking      Point = "ack.before"       // all is done but the acknowledgement
	Acked       Point = "ack.after"        // the message is acknowledged, which the server may not have heard

	RetryRecorded  Point = "retry.recorded"  // a failed attempt is charged
	RetryTold      Point = "retry.told"      // its event is stored
	RetryScheduled Point = "retry.scheduled" // the next attempt waits in LATER, the message is not acknowledged
	Due            Point = "move.before"     // a retry's time has come
	Moved          Point = "move.published"  // it is back on the queue, and still in LATER

	Reopened  Point = "redrive.opened"    // the record opens the next generation, nothing is published
	Requeued  Point = "redrive.published" // its message is accepted, the dead letter doesn't say so
	Cancelled Point = "cancel.committed"  // OUTCOME is CANCELLED, nothing says so
	Recalled  Point = "cancel.told"       // it is told and recorded, the lock is still held

	Resettled Point = "repair.settled"   // what an outcome lacked is told and recorded, its dead letter may be missing
	Reburied  Point = "repair.buried"    // its dead letter is stored, too
	Restored  Point = "repair.published" // what was nowhere is on the queue, nothing says so
	Repaired  Point = "repair.told"      // the event of a repair is stored

	Unrequested   Point = "gc.request"    // a request is deleted, its files are not
	FilesErased   Point = "erase.files"   // inputs, results and findings are deleted, OUTCOME holds what it held
	OutcomeErased Point = "erase.outcome" // it is a tombstone, the record and others quote the customer yet
	RecordErased  Point = "erase.record"  // of one generation nothing is left but its tombstone, its letters and its events
	LettersErased Point = "erase.letters" // the dead letters are removed
	EventsErased  Point = "erase.events"  // all is removed, nothing says so
)
