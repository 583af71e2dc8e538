package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// letter is a dead letter: a message as it came, and why.
type letter struct {
	subject  string
	id       string // the same for the same letter
	cause    *fault.Error
	attempts int

	data     []byte
	from     string // subject that the message came on
	stream   string
	sequence uint64
	enqueued time.Time
}

// letterOf is the dead letter of o but for its message.
func letterOf(o execution.Outcome) letter {
	return letter{subject: bus.SubjectDead(o.Key), id: o.Key.String(), cause: o.Fault, attempts: o.Number}
}

// letter completes l with the message.
func (m message) letter(l letter) letter {
	l.data, l.from, l.stream, l.sequence, l.enqueued = m.Data(), m.Subject(), m.meta.Stream, m.meta.Sequence.Stream, m.enqueued()
	return l
}

// store waits until the server has the letter.
func (l letter) store(ctx context.Context, js jetstream.JetStream) error {
	failpoint.Hit(failpoint.Burying)
	msg := nats.NewMsg(l.subject)
	msg.Data = l.data
	for name, value := range map[string]string{
		headerCode: string(l.cause.Code), headerReason: headerText(l.cause.Error()), headerAttempts: strconv.Itoa(l.attempts),
		headerSubject: l.from, headerStream: l.stream, headerSequence: strconv.FormatUint(l.sequence, 10),
		headerEnqueued: l.enqueued.Format(time.RFC3339Nano),
	} {
		msg.Header.Set(name, value)
	}
	if _, err := js.PublishMsg(ctx, msg, jetstream.WithMsgID(l.id)); err != nil {
		return fmt.Errorf("dead letter %s: %w", l.subject, err)
	}
	failpoint.Hit(failpoint.Buried)
	return nil
}

// Bury stores the dead letter of o, whose message is gone: it died before the
// letter was stored, or it came as an invocation and never had one. r is the
// request, if it was kept.
func Bury(ctx context.Context, js jetstream.JetStream, o execution.Outcome, r *execution.Request) error {
	l := letterOf(o)
	l.from, l.enqueued = bus.SubjectExec(o.Mailbox, o.ID), o.Enqueued
	if l.cause == nil {
		l.cause = fault.New(fault.Unclassified, "the outcome says no cause")
	}
	if r != nil {
		var err error
		if l.data, err = json.Marshal(r); err != nil {
			return fmt.Errorf("dead letter %s: %w", l.subject, err)
		}
	}
	return l.store(ctx, js)
}

// headerText makes text fit for a header, which ends at a line break.
func headerText(text string) string {
	const limit = 4 << 10
	text = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return text
}
