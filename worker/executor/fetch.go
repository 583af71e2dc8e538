package executor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/worker/processor"
)

// Codes of inputs that can't be used.
const (
	CodeDigest   fault.Code = "INPUT_DIGEST" // not the bytes that were announced
	CodeTooLarge fault.Code = "INPUT_TOO_LARGE"
)

// maxConfigBytes bounds a configuration that is fetched by reference.
const maxConfigBytes = 1 << 20

func (e *Executor) config(ctx context.Context, r execution.Request) ([]byte, error) {
	if r.Config.URI == "" {
		return []byte(r.Config.Text), nil
	}
	body, err := e.open(ctx, r.Mailbox, r.Config.URI)
	if err != nil {
		return nil, missing("configuration", r.Config.URI, err)
	}
	defer func() { _ = body.Close() }()
	var text bytes.Buffer
	sum, _, err := copyHashed(&text, body, "the configuration", maxConfigBytes)
	if err != nil {
		return nil, missing("configuration", r.Config.URI, err)
	}
	return text.Bytes(), checkDigest("configuration", r.Config.SHA256, sum)
}

// fetch copies one input to out and checks that it is what was announced.
func (e *Executor) fetch(ctx context.Context, r execution.Request, in execution.Input, out *spool) (execution.File, processor.Input, error) {
	file, input := execution.File{Name: in.Filename}, processor.Input{Name: in.Filename}
	body, source, err := e.openInput(ctx, r.Mailbox, in)
	file.Source = source
	if err != nil {
		return file, input, missing(in.Filename, sourceOf(in), err)
	}
	defer func() { _ = body.Close() }()
	file.SHA256, file.Size, err = copyHashed(out, body, in.Filename, e.cfg.MaxInputBytes)
	input.SHA256, input.Size = file.SHA256, file.Size
	var closing error
	input.Path, input.Data, closing = out.close()
	if err := errors.Join(err, closing); err != nil {
		return file, input, missing(in.Filename, sourceOf(in), err)
	}
	if in.Size != nil && *in.Size != file.Size {
		return file, input, fault.New(CodeDigest, "%s has %d bytes", in.Filename, file.Size).
			Expecting("%d, as the request says", *in.Size).Advise("upload the file again, or correct the request").Permanent()
	}
	return file, input, checkDigest(in.Filename, in.SHA256, file.SHA256)
}

func sourceOf(in execution.Input) string {
	if in.URI != "" {
		return in.URI
	}
	return "execution " + in.SourceExecutionID
}

// missing makes an error of opening or reading into a fault. What is not there yet
// may come: that is retryable.
func missing(name, source string, err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok && fault.IsPermanent(err) {
		return err
	}
	if errors.Is(err, storage.ErrNotFound) {
		return fault.New(intake.CodeMissing, "%s is not at %s", name, source).
			Expecting("the file to be there before the request is published").Advise("put it there, then `sage redrive` the execution")
	}
	return fmt.Errorf("fetch %q: %w", name, err)
}

func checkDigest(name, want, got string) error {
	if want == "" || strings.EqualFold(want, got) {
		return nil
	}
	return fault.New(CodeDigest, "%s has the SHA-256 %s", name, got).
		Expecting("%s, as the request says", want).Advise("upload the file again, or correct the request").Permanent()
}

// openInput opens an input and says at which URI it was in the end, if at any.
func (e *Executor) openInput(ctx context.Context, mailbox string, in execution.Input) (body io.ReadCloser, source string, err error) {
	if in.URI != "" {
		body, err = e.open(ctx, mailbox, in.URI)
		return body, in.URI, err
	}
	return e.openSource(ctx, mailbox, in.SourceExecutionID, in.Filename)
}

// openSource opens a file of another execution of the same mailbox, as its last
// generation had it: one of its inputs, or else of its results.
func (e *Executor) openSource(ctx context.Context, mailbox, id, name string) (body io.ReadCloser, source string, err error) {
	o, err := e.outcomes.Last(ctx, mailbox, id)
	if errors.Is(err, outcome.ErrNone) {
		return nil, "", fmt.Errorf("execution %s has not ended: %w", id, storage.ErrNotFound)
	}
	if err != nil {
		return nil, "", err
	}
	for _, in := range o.Inputs {
		if in.Name == name && in.Source != "" {
			body, err = e.open(ctx, mailbox, in.Source)
			return body, in.Source, err
		}
	}
	body, err = e.outcomes.Open(ctx, o, name)
	return body, "", err
}

// open opens a URI that lies in one of the mailbox's places.
func (e *Executor) open(ctx context.Context, mailbox, uri string) (io.ReadCloser, error) {
	place, err := intake.Places(e.cfg.InputPrefixes).Find(e.objects.URL(), mailbox, uri)
	if err != nil {
		return nil, err
	}
	if place.Store == "" {
		return e.objects.Get(ctx, place.Key)
	}
	other, err := e.foreign(ctx, place.Store)
	if err != nil {
		return nil, err
	}
	return other.Get(ctx, place.Key)
}

// foreign returns the store at a location other than our own, opened once.
func (e *Executor) foreign(ctx context.Context, location string) (storage.Store, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if store, ok := e.others[location]; ok {
		return store, nil
	}
	store, err := storage.Open(ctx, location)
	if err != nil {
		return nil, err
	}
	e.others[location] = store
	return store, nil
}

// copyHashed copies at most limit bytes and returns the hex SHA-256 and the count.
func copyHashed(w io.Writer, r io.Reader, name string, limit int64) (sum string, n int64, err error) {
	h := sha256.New()
	buf := copyBuffers.Get().(*[copyBuffer]byte)
	defer copyBuffers.Put(buf)
	n, err = io.CopyBuffer(io.MultiWriter(w, h), io.LimitReader(r, limit+1), buf[:])
	if err == nil && n > limit {
		err = fault.New(CodeTooLarge, "%s has more than %d bytes", name, limit).Expecting("at most %d bytes", limit).Advise("split the file, or raise MAX_INPUT_BYTES").Permanent()
	}
	return hex.EncodeToString(h.Sum(nil)), n, err
}

const copyBuffer = 32 << 10

// copyBuffers are used again: most files are smaller than the buffer that copies them.
var copyBuffers = sync.Pool{New: func() any { return new([copyBuffer]byte) }}
