package sim

import (
	"context"
	"maps"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
)

// client is a process's connection to JetStream. What it does not override, the
// fleet does not use: calling that panics.
type client struct {
	jetstream.JetStream
	p *process
}

// applied runs the client library's options, whose types are its own, on a fresh
// value of what they configure.
func applied[T any](opts []T) (reflect.Value, error) {
	var target reflect.Value
	for _, opt := range opts {
		f := reflect.ValueOf(opt)
		if !target.IsValid() {
			target = reflect.New(f.Type().In(0).Elem())
		}
		for _, result := range f.Call([]reflect.Value{target}) { // some options can't fail
			if err, _ := result.Interface().(error); err != nil {
				return target, err
			}
		}
	}
	if target.IsValid() {
		target = target.Elem()
	}
	return target, nil
}

// field is an integer among the options, or 0.
func field(options reflect.Value, name string) int64 {
	if !options.IsValid() {
		return 0
	}
	f := options.FieldByName(name)
	for f.Kind() == reflect.Pointer && !f.IsNil() {
		f = f.Elem()
	}
	switch {
	case f.CanInt():
		return f.Int()
	case f.CanUint():
		return int64(f.Uint())
	}
	return 0
}

// flagged is a yes or no among the options.
func flagged(options reflect.Value, name string) bool {
	return options.IsValid() && options.FieldByName(name).Bool()
}

// text is a text among the options, or "".
func text(options reflect.Value, name string) string {
	if !options.IsValid() {
		return ""
	}
	return options.FieldByName(name).String()
}

// prepare sets the headers that opts ask for, on the message itself, as the client
// does.
func prepare(m *nats.Msg, opts []jetstream.PublishOpt) error {
	o, err := applied(opts)
	if err != nil || !o.IsValid() {
		return err
	}
	if m.Header == nil {
		m.Header = nats.Header{}
	}
	if id := o.FieldByName("id").String(); id != "" {
		m.Header.Set(jetstream.MsgIDHeader, id)
	}
	if last := o.FieldByName("lastSubjectSeq"); !last.IsNil() {
		m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(last.Elem().Uint(), 10))
	}
	if ttl := field(o, "ttl"); ttl > 0 {
		m.Header.Set(jetstream.MsgTTLHeader, time.Duration(ttl).String())
	}
	return nil
}

func (c *client) Publish(ctx context.Context, subject string, data []byte, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	return c.PublishMsg(ctx, &nats.Msg{Subject: subject, Data: data}, opts...)
}

func (c *client) PublishMsg(ctx context.Context, m *nats.Msg, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	if err := prepare(m, opts); err != nil {
		return nil, err
	}
	return c.publish(ctx, m)
}

func (c *client) publish(ctx context.Context, m *nats.Msg) (*jetstream.PubAck, error) {
	w, subject, header, data := c.p.w, m.Subject, maps.Clone(m.Header), m.Data
	if strings.HasPrefix(subject, "sage.event.") {
		w.ledger.tells(w, data)
	}
	return call(ctx, c.p, "nats", "publish", stableSubject(subject), jetstream.ErrNoStreamResponse, func() (*jetstream.PubAck, error) {
		s := w.streamOf(subject)
		if s == nil {
			return nil, jetstream.ErrNoStreamResponse
		}
		return s.publish(c.p, subject, header, data)
	})
}

// stableSubject is a subject without what chance put into it: a bridge's share of the
// budget is named at random.
func stableSubject(subject string) string {
	if strings.HasPrefix(subject, "$KV."+bus.BucketBudget+".share.") {
		return subject[:strings.LastIndexByte(subject, '_')+1] + "*"
	}
	return subject
}

// future is the answer to a publish that nobody waits for yet.
type future struct {
	msg *nats.Msg
	ok  chan *jetstream.PubAck
	err chan error
}

func (f *future) Ok() <-chan *jetstream.PubAck { return f.ok }
func (f *future) Err() <-chan error            { return f.err }
func (f *future) Msg() *nats.Msg               { return f.msg }

func (c *client) PublishMsgAsync(m *nats.Msg, opts ...jetstream.PublishOpt) (jetstream.PubAckFuture, error) {
	if err := prepare(m, opts); err != nil {
		return nil, err
	}
	f := &future{msg: m, ok: make(chan *jetstream.PubAck, 1), err: make(chan error, 1)}
	c.p.w.running.Go(func() {
		ack, err := c.publish(context.Background(), m)
		if err != nil {
			f.err <- err
			return
		}
		f.ok <- ack
	})
	return f, nil
}

// nothing is what a call returns whose answer says no more than that it was done.
type nothing = struct{}

func (c *client) KeyValue(ctx context.Context, bucket string) (jetstream.KeyValue, error) {
	_, err := call(ctx, c.p, "nats", "bucket", bucket, jetstream.ErrNoStreamResponse, func() (nothing, error) {
		if c.p.w.streams["KV_"+bucket] == nil {
			return nothing{}, jetstream.ErrBucketNotFound
		}
		return nothing{}, nil
	})
	return &keyValue{client: c, bucket: bucket}, err
}
