package executor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// Codes of inputs that can't be used.
const (
	CodeForbidden fault.Code = "INPUT_FORBIDDEN" // outside what the mailbox may read
	CodeMissing   fault.Code = "INPUT_MISSING"
	CodeDigest    fault.Code = "INPUT_DIGEST" // not the bytes that were announced
	CodeTooLarge  fault.Code = "INPUT_TOO_LARGE"
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
	sum, _, err := copyHashed(&text, body, maxConfigBytes)
	if err != nil {
		return nil, missing("configuration", r.Config.URI, err)
	}
	return text.Bytes(), checkDigest("configuration", r.Config.SHA256, sum)
}

// fetch copies one input to path and checks that it is what was announced.
func (e *Executor) fetch(ctx context.Context, r execution.Request, in execution.Input, path string) (execution.File, error) {
	file := execution.File{Name: in.Filename, Source: in.URI}
	body, err := e.openInput(ctx, r.Mailbox, in)
	if err != nil {
		return file, missing(in.Filename, sourceOf(in), err)
	}
	defer func() { _ = body.Close() }()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return file, fmt.Errorf("fetch %q: %w", in.Filename, err)
	}
	file.SHA256, file.Size, err = copyHashed(out, body, e.cfg.MaxInputBytes)
	if err := errors.Join(err, out.Close()); err != nil {
		return file, missing(in.Filename, sourceOf(in), err)
	}
	if in.Size != nil && *in.Size != file.Size {
		return file, fault.New(CodeDigest, "%s has %d bytes", in.Filename, file.Size).
			Expecting("%d, as the request says", *in.Size).Advise("upload the file again, or correct the request").Permanent()
	}
	return file, checkDigest(in.Filename, in.SHA256, file.SHA256)
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
		return fault.New(CodeMissing, "%s is not at %s", name, source).
			Expecting("the file to be there before the request is published").Advise("upload it, then redrive")
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

func (e *Executor) openInput(ctx context.Context, mailbox string, in execution.Input) (io.ReadCloser, error) {
	if in.URI != "" {
		return e.open(ctx, mailbox, in.URI)
	}
	return e.openSource(ctx, execution.Key{Mailbox: mailbox, ID: in.SourceExecutionID, Generation: 1}, in.Filename)
}

// openSource opens a file of another execution of the same mailbox: a result of its
// last generation, or else one of its inputs.
func (e *Executor) openSource(ctx context.Context, k execution.Key, name string) (io.ReadCloser, error) {
	o, err := e.outcomes.Read(ctx, k)
	for err == nil && o.Kind == execution.Dead {
		k.Generation++
		next, nextErr := e.outcomes.Read(ctx, k)
		if nextErr != nil {
			break
		}
		o = next
	}
	if errors.Is(err, outcome.ErrNone) {
		return nil, fmt.Errorf("execution %s has not ended: %w", k.ID, storage.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	for _, in := range o.Inputs {
		if in.Name == name && in.Source != "" {
			return e.open(ctx, k.Mailbox, in.Source)
		}
	}
	return e.outcomes.Open(ctx, o, name)
}

// open opens a URI that lies under one of the mailbox's prefixes. A URI is taken
// literally, not percent-decoded; what follows the prefix is a storage key, which
// the store itself keeps inside its root.
func (e *Executor) open(ctx context.Context, mailbox, uri string) (io.ReadCloser, error) {
	for _, pattern := range e.cfg.InputPrefixes {
		location, query, _ := strings.Cut(strings.ReplaceAll(pattern, "{mailbox}", mailbox), "?")
		location = strings.TrimSuffix(location, "/") + "/"
		key, ok := strings.CutPrefix(uri, location)
		if !ok {
			continue
		}
		own := storage.Join(e.objects.URL(), "")
		if under, ok := strings.CutPrefix(location, own); ok {
			return e.objects.Get(ctx, under+key)
		}
		if query != "" {
			location += "?" + query
		}
		other, err := storage.Open(ctx, location)
		if err != nil {
			return nil, err
		}
		return other.Get(ctx, key)
	}
	return nil, fault.New(CodeForbidden, "mailbox %s may not read %s", mailbox, uri).
		Expecting("a URI under %s", strings.ReplaceAll(strings.Join(e.cfg.InputPrefixes, " or "), "{mailbox}", mailbox)).
		Advise("put the file there, or allow its place with INPUT_PREFIXES").Permanent()
}

// copyHashed copies at most limit bytes and returns the hex SHA-256 and the count.
func copyHashed(w io.Writer, r io.Reader, limit int64) (sum string, n int64, err error) {
	h := sha256.New()
	n, err = io.Copy(io.MultiWriter(w, h), io.LimitReader(r, limit+1))
	if err == nil && n > limit {
		err = fault.New(CodeTooLarge, "more than %d bytes", limit).Expecting("at most %d bytes", limit).Permanent()
	}
	return hex.EncodeToString(h.Sum(nil)), n, err
}
