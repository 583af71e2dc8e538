package storage

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

const (
	// partSize is the least that S3 takes; 10,000 parts of it are 48 GiB.
	partSize = 5 << 20 // bytes

	// maxParts is how many parts a store holds in memory before every Put has only one:
	// a few Puts send while they read, and many take turns with themselves.
	maxParts = 16

	// partsBeside is how many parts of one Put are sent while it reads the next.
	partsBeside = 4

	// smallObject is read before a whole part's memory is taken.
	smallObject = 64 << 10 // bytes

	// abortTimeout bounds the removal of a failed upload's parts, which goes on
	// after the caller's context has ended: parts left behind cost money.
	abortTimeout = 10 * time.Second
)

// parts lends the memory of parts. The SDK's own manager takes three parts or more for
// every upload, so that 16 at once would need 250 MB and more.
type parts struct {
	idle sync.Pool
	lent atomic.Int32
}

func newParts() *parts {
	return &parts{idle: sync.Pool{New: func() any { return new([partSize]byte) }}}
}

func (p *parts) get() *[partSize]byte {
	p.lent.Add(1)
	return p.idle.Get().(*[partSize]byte)
}

// getSpare returns nil when there are maxParts.
func (p *parts) getSpare() *[partSize]byte {
	if p.lent.Add(1) > maxParts {
		p.lent.Add(-1)
		return nil
	}
	return p.idle.Get().(*[partSize]byte)
}

func (p *parts) put(part *[partSize]byte) {
	p.lent.Add(-1)
	p.idle.Put(part)
}

// upload stores what r gives: at once if that is one part, else part by part.
func (b *bucket) upload(ctx context.Context, name string, r io.Reader) error {
	var start bytes.Buffer
	switch _, err := io.CopyN(&start, r, smallObject); {
	case errors.Is(err, io.EOF):
		return b.putWhole(ctx, name, start.Bytes())
	case err != nil:
		return err
	}
	part := b.parts.get()
	n, err := io.ReadFull(io.MultiReader(&start, r), part[:])
	if err != nil {
		defer b.parts.put(part)
		if !ended(err) {
			return err
		}
		return b.putWhole(ctx, name, part[:n])
	}
	return b.putParts(ctx, name, part, r)
}

// ended reports whether a reader came to its end before a buffer was full.
func ended(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

func (b *bucket) putWhole(ctx context.Context, name string, data []byte) error {
	in := &s3.PutObjectInput{Bucket: &b.loc.bucket, Key: &name, Body: bytes.NewReader(data)}
	in.ServerSideEncryption, in.SSEKMSKeyId = b.encryption()
	_, err := b.client.PutObject(ctx, in)
	return err
}

// encryption is what a new object is encrypted with; nothing leaves it to the bucket.
func (b *bucket) encryption() (types.ServerSideEncryption, *string) {
	if b.loc.kmsKeyID == "" {
		return "", nil
	}
	return types.ServerSideEncryptionAwsKms, &b.loc.kmsKeyID
}

// putParts stores first, which it gives back, and what r gives after it.
func (b *bucket) putParts(ctx context.Context, name string, first *[partSize]byte, r io.Reader) error {
	in := &s3.CreateMultipartUploadInput{Bucket: &b.loc.bucket, Key: &name, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32}
	in.ServerSideEncryption, in.SSEKMSKeyId = b.encryption()
	created, err := b.client.CreateMultipartUpload(ctx, in)
	if err != nil {
		b.parts.put(first)
		return err
	}
	u := &multipart{bucket: b, name: name, id: created.UploadId}
	if err := u.send(ctx, first, r); err != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
		defer cancel()
		_, aborted := b.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &b.loc.bucket, Key: &name, UploadId: u.id})
		return errors.Join(err, aborted)
	}
	return nil
}

// multipart is one object on its way.
type multipart struct {
	*bucket
	name string
	id   *string

	mu   sync.Mutex
	done []types.CompletedPart
}

// send sends part and what r gives after it, while there is spare memory several parts
// at once, and completes the object.
func (u *multipart) send(ctx context.Context, part *[partSize]byte, r io.Reader) error {
	beside, working := errgroup.WithContext(ctx)
	beside.SetLimit(partsBeside)
	n, last := partSize, false
	var err error
	for number := int32(1); err == nil && n > 0; number++ {
		next := u.parts.getSpare()
		full, size := part, n
		if next != nil && beside.TryGo(func() error {
			defer u.parts.put(full)
			return u.sendPart(working, number, full[:size])
		}) {
			part = next
		} else {
			if next != nil {
				u.parts.put(next)
			}
			err = u.sendPart(working, number, part[:n])
		}
		if n = 0; err == nil && !last {
			n, err = io.ReadFull(r, part[:])
			if last = ended(err); last {
				err = nil
			}
		}
	}
	u.parts.put(part)
	if err = cmp.Or(beside.Wait(), err); err != nil {
		return err
	}
	slices.SortFunc(u.done, func(a, b types.CompletedPart) int { return cmp.Compare(*a.PartNumber, *b.PartNumber) })
	_, err = u.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &u.loc.bucket, Key: &u.name, UploadId: u.id,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: u.done}})
	return err
}

func (u *multipart) sendPart(ctx context.Context, number int32, data []byte) error {
	out, err := u.client.UploadPart(ctx, &s3.UploadPartInput{Bucket: &u.loc.bucket, Key: &u.name, UploadId: u.id, PartNumber: &number,
		Body: bytes.NewReader(data), ContentLength: aws.Int64(int64(len(data))), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32})
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.done = append(u.done, types.CompletedPart{PartNumber: &number, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32})
	return nil
}
