// Package answers tells senders how their executions ended, by e-mail or webhook, as
// each mailbox wants it.
//
// Each outcome is answered once to each recipient; a crash may repeat an answer, under the
// same ID (see package notices). Several processes may run and share the work.
package answers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	gomail "github.com/wneessen/go-mail"

	"github.com/sagefleet/sagefleet/producer/notices"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/notify"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// Answerer answers.
type Answerer struct {
	cfg       Config
	console   string
	mailboxes map[string]*mailbox
	consumer  jetstream.Consumer
	book      *notices.Book
	outcomes  *outcome.Store
}

// mailbox is how the senders of one mailbox are answered.
type mailbox struct {
	Mailbox
	hook  *notify.Webhook
	post  *notify.Post
	slots chan struct{} // a mailbox that is slow to hear must not keep all the others waiting
	since time.Time     // nothing that ended before is answered
}

// tooOld is how long after its end an execution that is told of again may still be answered:
// as long as its records would be there.
const tooOld = notices.Kept - 48*time.Hour

// Open reads the file of mailboxes and the secrets that it names.
// mail changes how the mail server is reached.
func Open(ctx context.Context, js jetstream.JetStream, objects storage.Store, book *notices.Book, cfg Config, mail ...gomail.Option) (*Answerer, error) {
	file, err := cfg.Read()
	if err != nil {
		return nil, err
	}
	a := &Answerer{cfg: cfg, book: book, console: file.Console, mailboxes: map[string]*mailbox{}, outcomes: outcome.New(objects)}
	if a.consumer, err = js.Consumer(ctx, bus.StreamEvents, bus.ConsumerEnded); err != nil {
		return nil, fmt.Errorf("consumer %s: %w", bus.ConsumerEnded, err)
	}
	kv, err := js.KeyValue(ctx, bus.BucketNotices)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", bus.BucketNotices, err)
	}
	var post *notify.Post
	if cfg.Notify.Address != "" {
		if post, err = cfg.Notify.Open(ctx, mail...); err != nil {
			return nil, err
		}
	}
	network := notify.NewNetwork(cfg.Notify.Private)
	for name, box := range file.Mailboxes {
		m := &mailbox{Mailbox: box, post: post, slots: make(chan struct{}, max(1, cfg.Parallel/4))}
		if box.Webhook != nil {
			if m.hook, err = box.Webhook.Open(ctx, network); err != nil {
				return nil, fmt.Errorf("mailbox %s: %w", name, err)
			}
		}
		if m.since, err = since(ctx, kv, name); err != nil {
			return nil, err
		}
		a.mailboxes[name] = m
	}
	return a, nil
}

// since is when a mailbox was first answered. A fleet that has worked for a while must
// not write to everybody when somebody turns answers on.
func since(ctx context.Context, kv jetstream.KeyValue, name string) (time.Time, error) {
	key := "since." + name
	_, err := kv.Create(ctx, key, nil)
	if err != nil && !errors.Is(err, jetstream.ErrKeyExists) {
		return time.Time{}, fmt.Errorf("record of %s: %w", key, err)
	}
	entry, err := kv.Get(ctx, key)
	if err != nil {
		return time.Time{}, fmt.Errorf("record of %s: %w", key, err)
	}
	return entry.Created(), nil
}

// Run answers until ctx ends; what is under way then is finished first.
func (a *Answerer) Run(ctx context.Context) error {
	messages, err := a.consumer.Messages(jetstream.PullMaxMessages(a.cfg.Parallel))
	if err != nil {
		return fmt.Errorf("consumer %s: %w", bus.ConsumerEnded, err)
	}
	defer messages.Stop()
	stop := context.AfterFunc(ctx, messages.Stop)
	defer stop()
	slots := make(chan struct{}, a.cfg.Parallel)
	var working sync.WaitGroup
	defer working.Wait()
	for {
		msg, err := messages.Next()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, jetstream.ErrMsgIteratorClosed):
			return fmt.Errorf("consumer %s: %w", bus.ConsumerEnded, err)
		case err != nil:
			zerolog.Ctx(ctx).Warn().Err(err).Msg("events can't be read")
			continue
		}
		slots <- struct{}{}
		working.Go(func() {
			defer func() { <-slots }()
			a.settle(context.WithoutCancel(ctx), msg)
		})
	}
}

// Waiting counts the ends that may have to be answered and aren't settled.
func (a *Answerer) Waiting(ctx context.Context) (uint64, error) {
	info, err := a.consumer.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("consumer %s: %w", bus.ConsumerEnded, err)
	}
	return info.NumPending + uint64(max(0, info.NumAckPending)), nil //nolint:gosec // not negative
}

// settle answers what msg tells of, and has it come again if something is left to do.
func (a *Answerer) settle(ctx context.Context, msg jetstream.Msg) {
	log := zerolog.Ctx(ctx)
	ctx, cancel := context.WithTimeout(ctx, bus.EndedAckWait-10*time.Second)
	defer cancel()
	var e execution.Event
	err := json.Unmarshal(msg.Data(), &e)
	if err == nil {
		err = e.Data.Validate()
	}
	if err != nil {
		log.Warn().Err(err).Str("subject", msg.Subject()).Msg("what is no event is not answered")
		_ = msg.Term()
		return
	}
	box := a.mailboxes[e.Data.Mailbox]
	if box == nil {
		_ = msg.Ack()
		return
	}
	select {
	case box.slots <- struct{}{}:
		defer func() { <-box.slots }()
	default:
		_ = msg.NakWithDelay(time.Second)
		return
	}
	wait, err := a.answer(ctx, box, e.Data.Key)
	if err != nil {
		log.Error().Err(err).Str("code", string(fault.CodeOf(err))).Str("execution", e.Data.Key.String()).Dur("again_in", wait).
			Msg("an execution can't be answered")
	}
	if wait > 0 {
		_ = msg.NakWithDelay(wait)
		return
	}
	_ = msg.Ack()
}

// answer says through each channel of box how k ended. It returns how long to wait before
// it is asked again, 0 when nothing is left to do.
func (a *Answerer) answer(ctx context.Context, box *mailbox, k execution.Key) (wait time.Duration, err error) {
	const unread = 15 * time.Second // storage is away
	o, err := a.outcomes.Read(ctx, k)
	switch {
	case errors.Is(err, outcome.ErrNone):
		return 0, nil // nothing has ended, whoever says so
	case err != nil:
		return unread, err
	case o.Erased != nil || o.Finished.Before(box.since) || time.Since(o.Finished) > tooOld:
		return 0, nil
	}
	all := a.notices(box, o)
	waits, faults := make([]time.Duration, len(all)), make([]error, len(all))
	var saying sync.WaitGroup // one that is slow to hear must not keep the others waiting
	for i, n := range all {
		saying.Go(func() { waits[i], faults[i] = a.book.Say(ctx, n) })
	}
	saying.Wait()
	waits = slices.DeleteFunc(waits, func(w time.Duration) bool { return w == 0 })
	if len(waits) > 0 {
		wait = slices.Min(waits)
	}
	return wait, errors.Join(faults...)
}

// notices are all that is to be said of o: one to each recipient, so that a mail server
// that refuses one of them keeps nothing from the others.
func (a *Answerer) notices(box *mailbox, o execution.Outcome) (all []notices.Notice) {
	notice := func(channel, to string, channelOf notify.Channel, compose func(ctx context.Context, id string) (notify.Message, error)) {
		id, key := notify.ID("answer", o.Path(), channel, to), notices.KindAnswer+"."+o.Path()+"."+channel
		if to != "" {
			key += "." + notify.ID(to)
		}
		all = append(all, notices.Notice{Key: key, ID: id, Kind: notices.KindAnswer, Channel: channel, About: o.Key.String(),
			Since: o.Finished, Patience: a.cfg.Patience, Send: func(ctx context.Context) error {
				m, err := compose(ctx, id)
				if err != nil {
					return err
				}
				return channelOf.Send(ctx, m)
			}})
	}
	if box.hook != nil {
		notice("webhook", "", box.hook, func(_ context.Context, id string) (notify.Message, error) {
			return notify.Message{ID: id, Data: answer(o, link(a.console, o))}, nil
		})
	}
	if box.Email != nil {
		for _, to := range box.Email.recipients(o.Sender) {
			notice("email", to, box.post.To(to), func(ctx context.Context, id string) (notify.Message, error) { return a.letter(ctx, box, o, id) })
		}
	}
	return all
}

const (
	reportFile = "report.html"
	maxReport  = 5 << 20 // bytes of a report that is attached; a larger one is for the link
)

// letter is the e-mail that answers o.
func (a *Answerer) letter(ctx context.Context, box *mailbox, o execution.Outcome, id string) (notify.Message, error) {
	m := notify.Message{ID: id}
	if box.Email.Attach {
		for _, f := range o.Files {
			if f.Name != reportFile || f.Size > maxReport {
				continue
			}
			data, err := a.read(ctx, o, f.Name)
			if err != nil {
				return m, err
			}
			m.Files = append(m.Files, notify.File{Name: f.Name, Bytes: data})
		}
	}
	language := texts[box.Language]
	if language == nil {
		language = texts["es"]
	}
	m.Subject, m.Text = language.compose(o, link(a.console, o), len(m.Files) > 0)
	return m, nil
}

func (a *Answerer) read(ctx context.Context, o execution.Outcome, name string) ([]byte, error) {
	body, err := a.outcomes.Open(ctx, o, name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	return io.ReadAll(io.LimitReader(body, maxReport))
}
