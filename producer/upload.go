package producer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// Upload stores one input of an execution that is yet to be accepted, reading body
// once and holding a bounded part of it. Each upload has a place of its own: who
// claims an id that is another's can't harm that one's files.
func (p *Producer) Upload(ctx context.Context, mailbox, id, name string, body io.Reader) (execution.Input, error) {
	in := execution.Input{Filename: name}
	if err := (execution.Key{Mailbox: mailbox, ID: id, Generation: 1}).Validate(); err != nil { // before the names become a path
		return in, err
	}
	key := path.Join(intake.Prefix(mailbox, id), "upload-"+strings.ToLower(rand.Text()))
	info, err := p.objects.Put(ctx, key, body)
	if err != nil {
		return in, fmt.Errorf("store %q: %w", name, err)
	}
	in.URI, in.SHA256, in.Size = storage.Join(p.objects.URL(), key), info.SHA256, &info.Size
	return in, nil
}

// Discard removes uploads that no request names. Uploads of earlier tries, which
// were not accepted, are not known to anybody: they stay until the mailbox's files
// are looked through.
func (p *Producer) Discard(ctx context.Context, uploads []execution.Input) error {
	var errs []error
	for _, in := range uploads {
		if key, ok := strings.CutPrefix(in.URI, storage.Join(p.objects.URL(), "")); ok {
			errs = append(errs, p.objects.Delete(ctx, key))
		}
	}
	return errors.Join(errs...)
}

// Accept makes r the content of its id and publishes it. When it returns nil, the
// request that it returns is accepted: r, or an earlier one with the same content
// whose files lie elsewhere. Repeating it is harmless; with another content it is a
// CONFLICT.
func (p *Producer) Accept(ctx context.Context, r execution.Request) (execution.Request, error) {
	if err := r.Validate(); err != nil {
		return r, err
	}
	stands, err := p.claim(ctx, r)
	if err != nil {
		return r, err
	}
	failpoint.Hit(failpoint.RequestStored)
	return stands, queue.Publish(ctx, p.js, stands)
}

// Config stores the text of a configuration if it is too long for a request, and
// returns how a request carries it.
func (p *Producer) Config(ctx context.Context, mailbox, id string, text []byte) (execution.Config, error) {
	return p.storeConfig(ctx, execution.Request{Mailbox: mailbox, ID: id}, text)
}
