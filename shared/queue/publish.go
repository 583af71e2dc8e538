package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/trace"
)

// Codes of requests that the queue did not take.
const (
	CodeFull     fault.Code = "QUEUE_FULL"
	CodeTooLarge fault.Code = "REQUEST_TOO_LARGE"
)

// Publish puts r on the queue. When it returns nil the server has accepted r, as
// durably as it was declared to be. While no server answers it tries again, for 5 s
// or until ctx ends. Publishing the same request again is harmless.
func Publish(ctx context.Context, js jetstream.JetStream, r execution.Request) error {
	return publish(ctx, js, r, subjectOf(r))
}

// subjectOf is where r is published: what no Lambda has room for is not shown to bridges.
func subjectOf(r execution.Request) string {
	if r.Bytes() > execution.LambdaBytes {
		return bus.SubjectLocal(r.Mailbox, r.ID)
	}
	return bus.SubjectExec(r.Mailbox, r.ID)
}

// PublishLocal is Publish for a request that no Lambda may take.
func PublishLocal(ctx context.Context, js jetstream.JetStream, r execution.Request) error {
	return publish(ctx, js, r, bus.SubjectLocal(r.Mailbox, r.ID))
}

func publish(ctx context.Context, js jetstream.JetStream, r execution.Request, subject string) (err error) {
	ctx, span := followed(ctx, &r)
	defer func() { span.End(err) }()
	msg, err := requestMsg(r, subject)
	if err != nil {
		return err
	}
	ack, repeated, err := persist(ctx, js, msg, jetstream.WithMsgID(messageID(r)))
	if err == nil && ack.Duplicate {
		// After a repetition it is ours, as a rule: what waits needn't be sent twice.
		if !repeated || !stillWaits(ctx, js, r) {
			err = publishAgain(ctx, js, msg)
		}
	}
	failpoint.Hit(failpoint.Published)
	return publishFault(r.Key(), err)
}

// followed begins the span that a request is published in, and has the request carry it.
func followed(ctx context.Context, r *execution.Request) (context.Context, trace.Span) {
	ctx, span := trace.Start(trace.Continue(ctx, r.Trace), "publish "+r.Mailbox, trace.Producer, r.Key())
	if parent := trace.Parent(ctx); parent != "" {
		r.Trace = parent
	}
	return ctx, span
}

// stillWaits reports whether a message of r is known to be there.
func stillWaits(ctx context.Context, js jetstream.JetStream, r execution.Request) bool {
	found, ok, err := Find(ctx, js, r.Key())
	return err == nil && ok && found.Request.Digest() == r.Digest()
}

// messageID lets the server drop an honest repetition.
func messageID(r execution.Request) string { return r.Key().String() + ":" + r.Digest()[:16] }

// Republish puts the stored request r of an accepted execution back on the queue,
// when its message is gone. Two that do so on the same occasion do it once; the
// time of acceptance is kept.
func Republish(ctx context.Context, js jetstream.JetStream, r execution.Request, accepted time.Time, occasion string) error {
	msg, err := requestMsg(r, subjectOf(r))
	if err != nil {
		return err
	}
	msg.Header.Set(headerEnqueued, accepted.UTC().Format(time.RFC3339Nano))
	ack, err := js.PublishMsg(ctx, msg, jetstream.WithMsgID(r.Key().String()+":k"+occasion))
	if err == nil && ack.Duplicate {
		var found bool
		if _, found, err = Find(ctx, js, r.Key()); err == nil && !found {
			err = publishAgain(ctx, js, msg)
		}
	}
	return publishFault(r.Key(), err)
}

// publishAgain publishes msg without an id. The server's "duplicate" proves nothing:
// ids are the whole stream's, so anyone who may publish to any mailbox can have
// used this one. A request that is on the queue twice is executed once.
func publishAgain(ctx context.Context, js jetstream.JetStream, msg *nats.Msg) error {
	msg.Header.Del(jetstream.MsgIDHeader)
	_, _, err := persist(ctx, js, msg)
	return err
}

// PublishMany is Publish for many, with a window of unanswered messages. progress,
// if not nil, is called after each answer with how many came. The errors of all
// requests that were not accepted are joined.
func PublishMany(ctx context.Context, js jetstream.JetStream, rs []execution.Request, progress func(done int)) error {
	var errs []error
	futures := make([]jetstream.PubAckFuture, len(rs))
	spans := make([]trace.Span, len(rs))
	done := 0
	answered := func(i int) {
		before := len(errs)
		defer func() { spans[i].End(errors.Join(errs[before:]...)) }()
		select {
		case ack := <-futures[i].Ok():
			if ack != nil && ack.Duplicate {
				if err := publishAgain(ctx, js, futures[i].Msg()); err != nil {
					errs = append(errs, publishFault(rs[i].Key(), err))
				}
			}
		case err := <-futures[i].Err():
			errs = append(errs, publishFault(rs[i].Key(), err))
		case <-ctx.Done():
			errs = append(errs, publishFault(rs[i].Key(), ctx.Err()))
		}
		if done++; progress != nil {
			progress(done)
		}
	}
	const window = 2000
	for i, r := range rs {
		if i >= window {
			answered(i - window)
		}
		_, spans[i] = followed(ctx, &r)
		msg, err := requestMsg(r, subjectOf(r))
		if err == nil {
			futures[i], err = js.PublishMsgAsync(msg, jetstream.WithMsgID(messageID(r)))
		}
		if err != nil {
			errs = append(errs, publishFault(r.Key(), err))
			futures[i] = failedFuture{}
		}
	}
	for i := max(0, len(rs)-window); i < len(rs); i++ {
		answered(i)
	}
	return errors.Join(errs...)
}

// failedFuture stands for a publish that was not even sent, and was told of.
type failedFuture struct{ jetstream.PubAckFuture }

var answeredAlready = func() chan *jetstream.PubAck {
	c := make(chan *jetstream.PubAck)
	close(c)
	return c
}()

func (failedFuture) Ok() <-chan *jetstream.PubAck { return answeredAlready }
func (failedFuture) Err() <-chan error            { return nil }

func requestMsg(r execution.Request, subject string) (*nats.Msg, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	data, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	msg := nats.NewMsg(subject)
	msg.Data = data
	if r.Trace != "" && len(r.Trace) <= maxTrace {
		msg.Header.Set(trace.Header, r.Trace)
	}
	return msg, nil
}

func publishFault(k execution.Key, err error) error {
	const (
		storeFailed = 10077 // also what a stream at its limit answers under DiscardNew
		tooLarge    = 10054
	)
	api, isAPI := errors.AsType[*jetstream.APIError](err)
	switch {
	case err == nil:
		return nil
	case isAPI && api.ErrorCode == storeFailed:
		return fault.New(CodeFull, "publish %s: %w", k, err).Advise("the backlog is at its limit; try again later")
	case errors.Is(err, nats.ErrMaxPayload), isAPI && api.ErrorCode == tooLarge:
		return fault.New(CodeTooLarge, "publish %s: %w", k, err).
			Advise("send the configuration and the files by reference").Permanent()
	}
	return fmt.Errorf("publish %s: %w", k, err)
}
