// Package answers tells senders how their executions ended, by e-mail or webhook, as
// each mailbox wants it.
//
// Each outcome is answered once through each channel: who is about to send claims a
// record, and notes in it what came of that. If the process dies between sending and
// noting, the answer is sent again a minute later. It has the same ID then, which is
// made of the outcome's name, so that who hears it twice can know. Several processes
// may run and share the work.
package answers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	gomail "github.com/wneessen/go-mail"

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
	js        jetstream.JetStream
	consumer  jetstream.Consumer
	notices   jetstream.KeyValue
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

// Open reads the file of mailboxes and the secrets that it names.
// mail changes how the mail server is reached.
func Open(ctx context.Context, js jetstream.JetStream, objects storage.Store, cfg Config, mail ...gomail.Option) (*Answerer, error) {
	file, err := cfg.Read()
	if err != nil {
		return nil, err
	}
	a := &Answerer{cfg: cfg, js: js, console: file.Console, mailboxes: map[string]*mailbox{}, outcomes: outcome.New(objects)}
	if a.consumer, err = js.Consumer(ctx, bus.StreamEvents, bus.ConsumerEnded); err != nil {
		return nil, fmt.Errorf("consumer %s: %w", bus.ConsumerEnded, err)
	}
	if a.notices, err = js.KeyValue(ctx, bus.BucketNotices); err != nil {
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
		if m.hook, err = box.hook(ctx, network); err != nil {
			return nil, fmt.Errorf("mailbox %s: %w", name, err)
		}
		if m.since, err = a.since(ctx, name); err != nil {
			return nil, err
		}
		a.mailboxes[name] = m
	}
	return a, nil
}

// since is when a mailbox was first answered. A fleet that has worked for a while must
// not write to everybody when somebody turns answers on.
func (a *Answerer) since(ctx context.Context, name string) (time.Time, error) {
	key := "since." + name
	_, err := a.notices.Create(ctx, key, nil)
	if err != nil && !errors.Is(err, jetstream.ErrKeyExists) {
		return time.Time{}, fmt.Errorf("record of %s: %w", key, err)
	}
	entry, err := a.notices.Get(ctx, key)
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

// settle answers what msg tells of, and has it come again if that failed.
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
	if err := a.answer(ctx, box, e.Data.Key); err != nil {
		wait := time.Second
		if !errors.Is(err, errBusy) {
			wait = pause(msg)
			log.Error().Err(err).Str("code", string(fault.CodeOf(err))).Str("execution", e.Data.Key.String()).Dur("again_in", wait).
				Msg("an execution can't be answered")
		}
		_ = msg.NakWithDelay(wait)
		return
	}
	_ = msg.Ack()
}

// pause doubles from two seconds to a quarter of an hour.
func pause(msg jetstream.Msg) time.Duration {
	const first, most = 2 * time.Second, 15 * time.Minute
	meta, err := msg.Metadata()
	if err != nil {
		return first
	}
	return min(most, first<<min(meta.NumDelivered-1, 10))
}

// answer says through each channel of box how k ended. Its error says that something
// is left to do.
func (a *Answerer) answer(ctx context.Context, box *mailbox, k execution.Key) error {
	o, err := a.outcomes.Read(ctx, k)
	switch {
	case errors.Is(err, outcome.ErrNone):
		return nil // nothing has ended, whoever says so
	case err != nil:
		return err
	case o.Erased != nil || o.Finished.Before(box.since) || time.Since(o.Finished) > tooOld:
		return nil
	}
	var all []error
	if box.hook != nil {
		id := notify.ID("answer", k.Path(), "webhook")
		all = append(all, a.send(ctx, o, "webhook", box.hook, func() (notify.Message, error) {
			return notify.Message{ID: id, Data: answer(o, link(a.console, o))}, nil
		}, id))
	}
	if box.Email != nil {
		if to := box.Email.recipients(o.Sender); len(to) > 0 {
			id := notify.ID("answer", k.Path(), "email")
			all = append(all, a.send(ctx, o, "email", box.post.To(to...), func() (notify.Message, error) { return a.letter(ctx, box, o, id) }, id))
		}
	}
	return errors.Join(all...)
}

// send says how o ended through one channel, unless that was done.
func (a *Answerer) send(ctx context.Context, o execution.Outcome, name string, channel notify.Channel,
	compose func() (notify.Message, error), id string,
) error {
	claimed, done, err := a.take(ctx, recordKey(o.Key, name), id)
	if err != nil || done {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, claimFor-10*time.Second)
	defer cancel()
	m, err := compose()
	if err == nil {
		err = channel.Send(ctx, m)
	}
	standing := Sent
	if err != nil {
		standing = Waiting
		if fault.IsPermanent(err) || time.Since(o.Finished) > a.cfg.Patience {
			standing = GivenUp
		}
	}
	// What was sent has to be noted although the time for sending is over.
	noting, cancelNote := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancelNote()
	if noted := claimed.put(noting, standing, err); noted != nil && !errors.Is(noted, errBusy) {
		return errors.Join(err, noted)
	}
	log := zerolog.Ctx(ctx).With().Str("execution", o.Key.String()).Str("channel", name).Str("message", id).Logger()
	switch standing {
	case Sent:
		log.Info().Int("tries", claimed.record.Tries).Msg("answered")
		return nil
	case GivenUp:
		log.Error().Err(err).Str("code", string(fault.CodeOf(err))).Int("tries", claimed.record.Tries).Msg("an answer is given up")
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
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
