// Package producer is the way in: it stores the files of an execution and
// publishes the request, idempotently.
package producer

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// Submission is what somebody wants executed.
type Submission struct {
	Mailbox  string
	ID       string // made up when empty; give it to make a repetition harmless
	Sender   string
	Method   string
	Class    string
	Deadline time.Time
	Config   []byte // the SAGE configuration's YAML
	Files    []File
}

// File is one input. Open is called twice: the name under which it is stored is
// made of its content, so that an interrupted submission can be repeated.
type File struct {
	Name string
	Open func() (io.ReadCloser, error)
}

// Producer submits executions.
type Producer struct {
	js      jetstream.JetStream
	objects storage.Store
}

// New returns a Producer that stores in objects and publishes on js.
func New(js jetstream.JetStream, objects storage.Store) *Producer {
	return &Producer{js: js, objects: objects}
}

// NewID makes up an execution id: the time, so that ids sort, and chance.
func NewID() string {
	return time.Now().UTC().Format("20060102T150405") + "-" + strings.ToLower(rand.Text()[:10])
}

// Submit stores the files of s and publishes the request. When it returns nil the
// execution is accepted. Repeating it with the same id and content is harmless;
// with another content it is a CONFLICT.
func (p *Producer) Submit(ctx context.Context, s Submission) (execution.Request, error) {
	r, err := p.Store(ctx, s)
	if err != nil {
		return r, err
	}
	failpoint.Hit(failpoint.RequestStored)
	return r, queue.Publish(ctx, p.js, r)
}

// Store does all of Submit but the publishing.
func (p *Producer) Store(ctx context.Context, s Submission) (execution.Request, error) {
	if s.ID == "" {
		s.ID = NewID()
	}
	r := execution.Request{ID: s.ID, Mailbox: s.Mailbox, Sender: s.Sender, Method: s.Method, Class: s.Class, Deadline: s.Deadline}
	if err := r.Key().Validate(); err != nil { // before the names become paths
		return r, err
	}
	var err error
	if r.Config, err = p.storeConfig(ctx, r, s.Config); err != nil {
		return r, err
	}
	for _, f := range s.Files {
		in, err := p.storeFile(ctx, r, f)
		if err != nil {
			return r, fmt.Errorf("store %s: %w", f.Name, err)
		}
		r.Inputs = append(r.Inputs, in)
	}
	if err := r.Validate(); err != nil {
		return r, err
	}
	return p.claim(ctx, r)
}

func (p *Producer) storeConfig(ctx context.Context, r execution.Request, text []byte) (execution.Config, error) {
	if len(text) <= execution.MaxInlineConfig {
		return execution.Config{Text: string(text)}, nil
	}
	in, err := p.storeFile(ctx, r, File{Name: "input.yaml", Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(string(text))), nil
	}})
	if err != nil {
		return execution.Config{}, fmt.Errorf("store the configuration: %w", err)
	}
	return execution.Config{URI: in.URI, SHA256: in.SHA256}, nil
}

func (p *Producer) storeFile(ctx context.Context, r execution.Request, f File) (execution.Input, error) {
	in := execution.Input{Filename: f.Name}
	sum, size, err := hashFile(f)
	if err != nil {
		return in, err
	}
	key := path.Join(intake.Prefix(r.Mailbox, r.ID), sum)
	in.URI, in.SHA256, in.Size = storage.Join(p.objects.URL(), key), sum, &size
	if info, err := p.objects.Stat(ctx, key); err == nil && info.Size == size {
		return in, p.objects.Sync(ctx, key) // an earlier try got this far
	}
	body, err := f.Open()
	if err != nil {
		return in, err
	}
	defer func() { _ = body.Close() }()
	info, err := p.objects.Put(ctx, key, body)
	if err != nil {
		return in, err
	}
	if info.SHA256 != sum {
		return in, fault.New("INPUT_CHANGED", "%s changed while it was stored", f.Name).
			Expecting("a complete file").Advise("submit it when nobody writes to it any more")
	}
	return in, nil
}

func hashFile(f File) (sum string, size int64, err error) {
	body, err := f.Open()
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = body.Close() }()
	h := sha256.New()
	if size, err = io.Copy(h, body); err != nil {
		return "", 0, err
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}

// claim stores the request itself, write-once: it makes the id this content's, and
// keeps the bytes for whoever has to publish it again. It returns the request that
// stands: an earlier one may have stored the same files in other places.
func (p *Producer) claim(ctx context.Context, r execution.Request) (execution.Request, error) {
	failpoint.Hit(failpoint.InputsStored)
	data, err := json.Marshal(r)
	if err != nil {
		return r, err
	}
	key := intake.RequestKey(r.Mailbox, r.ID)
	created := p.objects.Create(ctx, key, data)
	if created == nil {
		return r, nil
	}
	stored, err := intake.Request(ctx, p.objects, r.Mailbox, r.ID)
	switch {
	case err != nil:
		return r, fmt.Errorf("store the request: %w", errors.Join(created, err))
	case stored.Digest() == r.Digest():
		return r, p.objects.Sync(ctx, key)
	case placeless(stored).Digest() == placeless(r).Digest():
		return stored, p.objects.Sync(ctx, key)
	}
	return r, execution.Conflict(r.Key())
}

// placeless is r without the places of what is identified by its content.
func placeless(r execution.Request) execution.Request {
	r.Inputs = slices.Clone(r.Inputs)
	for i, in := range r.Inputs {
		if in.SHA256 != "" && in.Size != nil {
			r.Inputs[i].URI, r.Inputs[i].SHA256 = "", strings.ToLower(in.SHA256)
		}
	}
	if r.Config.URI != "" {
		r.Config = execution.Config{Text: strings.ToLower(r.Config.SHA256)}
	}
	return r
}
