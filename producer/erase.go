package producer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// Codes of what can't be erased, and of what was.
const (
	CodeNotEnded fault.Code = "EXECUTION_NOT_ENDED"
	CodeErased   fault.Code = "EXECUTION_ERASED"
)

// Erased is what an erasure found and removed, or would remove.
type Erased struct {
	Mailbox     string            `json:"mailbox"`
	ID          string            `json:"execution_id"`
	Generations int               `json:"generations"`
	By          execution.Erasure `json:"erased"`
	Already     bool              `json:"already,omitempty"` // an earlier erasure had come as far as the outcomes
	Objects     int               `json:"objects"`           // inputs, large results and cached findings
	Bytes       int64             `json:"bytes"`             // of them
	Letters     int               `json:"letters"`
	Events      int               `json:"events"`
	// Left are inputs that were read from elsewhere, and are others' to remove.
	Left []string `json:"left,omitempty"`
	// Inbox says that it came from a folder, where the sender's file lies yet.
	Inbox  bool `json:"inbox,omitempty"`
	DryRun bool `json:"dry_run,omitempty"`
}

// Erase removes what an ended execution holds of a customer: inputs, results,
// cached findings, dead letters, records and events. Each outcome becomes a
// tombstone that says when and how it ended, and who erased it, when and why; an
// event says so too. What was interrupted is completed by doing it again.
func (p *Operator) Erase(ctx context.Context, mailbox, id, why string, dryRun bool) (Erased, error) {
	e := Erased{Mailbox: mailbox, ID: id, DryRun: dryRun, By: execution.Erasure{At: time.Now().UTC(), By: p.who, Reason: why}}
	ends, err := p.ends(ctx, mailbox, id)
	if err != nil {
		return e, err
	}
	e.Generations = len(ends)
	for _, o := range ends {
		e.Inbox = e.Inbox || o.Method == intake.MethodInbox
		if o.Erased != nil {
			e.By, e.Already = *o.Erased, true
		}
	}
	r := &remover{Operator: p, Erased: &e}
	// The tombstones come after what they alone can name, and the event last: an
	// erasure that was told is complete.
	if err := r.files(ctx, ends); err != nil {
		return e, err
	}
	failpoint.Hit(failpoint.FilesErased)
	if !dryRun {
		for _, o := range ends {
			if err := p.forget(ctx, o.Key, e.By); err != nil {
				return e, err
			}
		}
	}
	if err := r.letters(ctx); err != nil {
		return e, err
	}
	failpoint.Hit(failpoint.LettersErased)
	if err := r.told(ctx); err != nil || dryRun {
		return e, err
	}
	failpoint.Hit(failpoint.EventsErased)
	last := ends[len(ends)-1]
	return e, p.events.Publish(execution.EventErased, execution.NewEvent(execution.EventErased, e.By.By, e.By.At, execution.EventData{
		Key: last.Key, State: last.Kind.Terminal(), Attempt: last.Attempt, Token: execution.AttemptToken(last.Attempt),
		Executor: execution.ByOperator, Reason: e.By.Reason}))(ctx)
}

// forget leaves of one generation its tombstone, its letters and its events. Faults of
// delegations and of answers may quote the data.
func (p *Operator) forget(ctx context.Context, k execution.Key, how execution.Erasure) error {
	if _, err := p.outcomes.Erase(ctx, k, how); err != nil {
		return err
	}
	failpoint.Hit(failpoint.OutcomeErased)
	if err := p.states.Forget(ctx, k); err != nil {
		return err
	}
	if err := p.purge(ctx, bus.BucketDelegations, k.Path()); err != nil {
		return err
	}
	if err := p.purge(ctx, bus.BucketNotices, "*."+k.Path()+".>"); err != nil {
		return err
	}
	failpoint.Hit(failpoint.RecordErased)
	return nil
}

// purge removes what a bucket holds under the keys that match.
func (p *Operator) purge(ctx context.Context, bucket, keys string) error {
	kv, err := p.js.KeyValue(ctx, bucket)
	if err != nil {
		return fmt.Errorf("open bucket %s: %w", bucket, err)
	}
	found, err := kv.ListKeysFiltered(ctx, keys)
	if err != nil {
		return fmt.Errorf("look for %s in bucket %s: %w", keys, bucket, err)
	}
	defer func() { _ = found.Stop() }()
	for key := range found.Keys() {
		if err := kv.Purge(ctx, key, jetstream.PurgeTTL(time.Second)); err != nil {
			return fmt.Errorf("remove %s from bucket %s: %w", key, bucket, err)
		}
	}
	return nil
}

// ends are the outcomes of all generations, none of which is open.
func (p *Operator) ends(ctx context.Context, mailbox, id string) ([]execution.Outcome, error) {
	s, err := p.find(ctx, mailbox, id)
	if err != nil {
		return nil, err
	}
	k, waits := s.Key, false
	if s.State.Terminal() {
		if _, waits, err = queue.Find(ctx, p.js, k); err != nil {
			return nil, err
		}
	}
	if !s.State.Terminal() || waits {
		return nil, fault.New(CodeNotEnded, "execution %s of mailbox %s is %s, or its message is on the queue yet", id, mailbox, s.State).
			Expecting("an execution that has ended").Advise("cancel it with `sage cancel`, or wait, and erase it then").Permanent()
	}
	var ends []execution.Outcome
	for k.Generation = 1; k.Generation <= s.Generation; k.Generation++ {
		o, err := p.outcomes.Read(ctx, k)
		if err != nil {
			return nil, err
		}
		ends = append(ends, o)
	}
	return ends, nil
}

// remover removes the data of one execution, or counts it.
type remover struct {
	*Operator
	*Erased
}

func (r *remover) files(ctx context.Context, ends []execution.Outcome) error {
	own := storage.Join(r.objects.URL(), intake.Prefix(r.Mailbox, r.ID)) + "/"
	cached := map[string]bool{}
	for _, o := range ends {
		for _, in := range o.Inputs {
			if in.Source != "" && !strings.HasPrefix(in.Source, own) {
				r.Left = append(r.Left, in.Source)
			}
		}
		if o.CachedFrom != nil {
			cached[o.CachedFrom.Key] = true
		}
	}
	// The request first: what has none is not published again.
	if !r.DryRun {
		if err := r.object(ctx, intake.RequestKey(r.Mailbox, r.ID)); err != nil {
			return err
		}
	}
	for _, prefix := range []string{intake.Prefix(r.Mailbox, r.ID) + "/", outcome.AttemptRoot + r.Mailbox + "/" + r.ID + "/"} {
		for info, err := range r.objects.List(ctx, prefix) {
			if err == nil {
				err = r.remove(ctx, info)
			}
			if err != nil {
				return err
			}
		}
	}
	return r.findings(ctx, cached)
}

func (r *remover) object(ctx context.Context, key string) error {
	info, err := r.objects.Stat(ctx, key)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return r.remove(ctx, info)
}

func (r *remover) remove(ctx context.Context, info storage.Info) error {
	if !r.DryRun {
		if err := r.objects.Delete(ctx, info.Key); err != nil {
			return err
		}
	}
	r.Objects++
	r.Bytes += info.Size
	return nil
}

// findings removes cached findings of the execution, and those that it was answered
// with. An entry names the execution that it is from; that another mailbox's
// namesake loses its own costs a computation.
func (r *remover) findings(ctx context.Context, cached map[string]bool) error {
	for info, err := range r.objects.List(ctx, intake.CacheRoot) {
		if err != nil {
			return err
		}
		if !cached[path.Base(info.Key)] {
			mine, err := r.isMine(ctx, info.Key)
			if err != nil {
				return err
			}
			if !mine {
				continue
			}
		}
		if err := r.remove(ctx, info); err != nil {
			return err
		}
	}
	return nil
}

// isMine reads which execution a cached entry, a line of its hash and then JSON,
// is from. What can't be read is useless and goes too.
func (r *remover) isMine(ctx context.Context, key string) (bool, error) {
	body, err := r.objects.Get(ctx, key)
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = body.Close() }()
	const most = 64 << 20
	data, err := io.ReadAll(io.LimitReader(body, most))
	if err != nil {
		return false, err
	}
	_, text, _ := bytes.Cut(data, []byte("\n"))
	var entry struct {
		ExecutionID string `json:"execution_id"`
	}
	return json.Unmarshal(text, &entry) != nil || entry.ExecutionID == r.ID, nil
}

// letters removes the dead letters of all generations, and those of messages under
// the same id that were refused.
func (r *remover) letters(ctx context.Context) error {
	stream, err := r.js.Stream(ctx, bus.StreamDead)
	if err != nil {
		return fmt.Errorf("stream %s: %w", bus.StreamDead, err)
	}
	for l, err := range queue.Letters(ctx, r.js, queue.LetterFilter{Mailbox: r.Mailbox, All: true}) {
		if err != nil {
			return err
		}
		if l.Name != r.ID {
			if request, err := l.Request(); !l.Refused() || err != nil || request.ID != r.ID {
				continue
			}
		}
		r.Letters++
		if err := r.overwrite(ctx, stream, l.Position); err != nil {
			return err
		}
	}
	return nil
}

// told removes the events of the execution but those of its erasure.
func (r *remover) told(ctx context.Context) error {
	stream, err := r.js.Stream(ctx, bus.StreamEvents)
	if err != nil {
		return fmt.Errorf("stream %s: %w", bus.StreamEvents, err)
	}
	filter := bus.SubjectEvent(r.Mailbox, "*")
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(filter))
	if err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	if len(info.State.Subjects) == 0 {
		return nil
	}
	consumer, err := r.js.OrderedConsumer(ctx, bus.StreamEvents, jetstream.OrderedConsumerConfig{FilterSubjects: []string{filter}})
	if err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	defer messages.Stop()
	for {
		msg, err := messages.Next(jetstream.NextMaxWait(10 * time.Second)) // all there is was there when we began
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		var e execution.Event
		if json.Unmarshal(msg.Data(), &e) == nil && e.Data.Key.ID == r.ID && msg.Subject() != bus.SubjectEvent(r.Mailbox, execution.EventErased) {
			r.Events++
			if err := r.overwrite(ctx, stream, meta.Sequence.Stream); err != nil {
				return err
			}
		}
		if meta.NumPending == 0 || meta.Sequence.Stream >= info.State.LastSeq {
			return nil
		}
	}
}

// overwrite removes a message for good. One that is gone already is no error.
func (r *remover) overwrite(ctx context.Context, stream jetstream.Stream, sequence uint64) error {
	if r.DryRun {
		return nil
	}
	err := stream.SecureDeleteMsg(ctx, sequence)
	if errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
		if _, gone := stream.GetMsg(ctx, sequence); errors.Is(gone, jetstream.ErrMsgNotFound) {
			return nil
		}
	}
	return err
}
