package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// Codes of requests that the queue did not take.
const (
	CodeFull     fault.Code = "QUEUE_FULL"
	CodeTooLarge fault.Code = "REQUEST_TOO_LARGE"
)

// Publish puts r on the queue. When it returns nil the server has accepted r, as
// durably as it was declared to be. Publishing the same key twice within the
// stream's window is stored once; later, its outcome answers it.
func Publish(ctx context.Context, js jetstream.JetStream, r execution.Request) error {
	msg, err := requestMsg(r)
	if err != nil {
		return err
	}
	_, err = js.PublishMsg(ctx, msg, jetstream.WithMsgID(r.Key().String()))
	return publishFault(r.Key(), err)
}

// PublishMany is Publish for many, with a window of unanswered messages. progress,
// if not nil, is called after each answer with how many came. The errors of all
// requests that were not accepted are joined.
func PublishMany(ctx context.Context, js jetstream.JetStream, rs []execution.Request, progress func(done int)) error {
	var errs []error
	futures := make([]jetstream.PubAckFuture, len(rs))
	done := 0
	answered := func(i int) {
		select {
		case <-futures[i].Ok():
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
		msg, err := requestMsg(r)
		if err == nil {
			futures[i], err = js.PublishMsgAsync(msg, jetstream.WithMsgID(r.Key().String()))
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

func requestMsg(r execution.Request) (*nats.Msg, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	data, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	msg := nats.NewMsg(bus.SubjectExec(r.Mailbox, r.ID))
	msg.Data = data
	if r.Trace != "" {
		msg.Header.Set("traceparent", r.Trace)
	}
	return msg, nil
}

func publishFault(k execution.Key, err error) error {
	const storeFailed = 10077 // also what a stream at its limit answers under DiscardNew
	api, isAPI := errors.AsType[*jetstream.APIError](err)
	switch {
	case err == nil:
		return nil
	case isAPI && api.ErrorCode == storeFailed:
		return fault.New(CodeFull, "publish %s: %w", k, err).Advise("the backlog is at its limit; try again later")
	case errors.Is(err, nats.ErrMaxPayload):
		return fault.New(CodeTooLarge, "publish %s: %w", k, err).
			Advise("send the configuration and the files by reference").Permanent()
	}
	return fmt.Errorf("publish %s: %w", k, err)
}
