package storage

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	// maxIdleConns keeps a connection for each of many concurrent calls; with
	// Go's default most of them would be opened and thrown away.
	maxIdleConns = 256

	// replyTimeout ends a call to a server that took the request and fell silent.
	replyTimeout = time.Minute
)

// bucket is a Store in S3, under a prefix of a bucket. The SDK repeats calls that
// failed in a way that may pass.
type bucket struct {
	client *s3.Client
	parts  *parts
	loc    location
	url    string
	base   string // what precedes every key: empty, or the prefix and a slash
}

func openS3(ctx context.Context, loc location) (*bucket, error) {
	cfg, err := config.LoadDefaultConfig(ctx,
		config.WithRegion(loc.region),
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConns = maxIdleConns
			t.MaxIdleConnsPerHost = maxIdleConns
			t.ResponseHeaderTimeout = replyTimeout
		})))
	op := operation{ctx: ctx, name: "open", key: loc.prefix, store: loc.String()}
	switch {
	case err != nil:
		return nil, op.callFault(err)
	case cfg.Region == "" && loc.endpoint == "":
		return nil, invalidURL("%q names no region and AWS_REGION is not set", loc)
	case cfg.Region == "":
		cfg.Region = "us-east-1" // for the signature; other servers take any
	}
	b := newBucket(cfg, loc)
	// Listing needs what telling a missing object from a forbidden one needs:
	// without s3:ListBucket, S3 answers 403 for both.
	_, err = b.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
		Bucket: &b.loc.bucket, Prefix: &b.base, MaxKeys: aws.Int32(1),
	})
	if err != nil {
		return nil, op.callFault(err)
	}
	return b, nil
}

func newBucket(cfg aws.Config, loc location) *bucket {
	b := &bucket{loc: loc, url: loc.String(), parts: newParts()}
	if loc.prefix != "" {
		b.base = loc.prefix + "/"
	}
	b.client = s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = loc.pathStyle
		o.DisableLogOutputChecksumValidationSkipped = true // multipart objects have none
		if loc.endpoint != "" {
			o.BaseEndpoint = &loc.endpoint
		}
	})
	return b
}

func (b *bucket) URL() string { return b.url }

func (b *bucket) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	op, name, err := b.begin(ctx, "get", key)
	if err != nil {
		return nil, err
	}
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.loc.bucket, Key: &name})
	switch {
	case errorCode(err) == "NoSuchKey":
		return nil, op.notFound()
	case err != nil:
		return nil, op.callFault(err)
	}
	return &download{ReadCloser: out.Body, op: op}, nil
}

func (b *bucket) Put(ctx context.Context, key string, r io.Reader) (Info, error) {
	op, name, err := b.begin(ctx, "put", key)
	if err != nil {
		return Info{}, err
	}
	src := newSource(ctx, r)
	err = b.upload(ctx, name, src)
	switch {
	case src.err != nil:
		return Info{}, op.own(src.err)
	case err != nil:
		return Info{}, op.callFault(err)
	}
	return src.info(key), nil
}

// Create leaves the SDK's retries on. One that follows a lost reply meets the
// object it stored itself and answers 412, which the interface's contract covers.
func (b *bucket) Create(ctx context.Context, key string, data []byte) error {
	op, name, err := b.begin(ctx, "create", key)
	if err != nil {
		return err
	}
	in := &s3.PutObjectInput{
		Bucket: &b.loc.bucket, Key: &name, Body: bytes.NewReader(data), IfNoneMatch: aws.String("*"),
	}
	in.ServerSideEncryption, in.SSEKMSKeyId = b.encryption()
	_, err = b.client.PutObject(ctx, in)
	switch {
	case statusCode(err) == http.StatusPreconditionFailed:
		return op.exists()
	case err != nil:
		return op.callFault(err)
	}
	return nil
}

func (b *bucket) Stat(ctx context.Context, key string) (Info, error) {
	op, name, err := b.begin(ctx, "stat", key)
	if err != nil {
		return Info{}, err
	}
	out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.loc.bucket, Key: &name})
	switch {
	case statusCode(err) == http.StatusNotFound:
		return Info{}, op.notFound()
	case err != nil:
		return Info{}, op.callFault(err)
	}
	return Info{Key: key, Size: aws.ToInt64(out.ContentLength), Modified: aws.ToTime(out.LastModified)}, nil
}

func (b *bucket) Sync(ctx context.Context, key string) error {
	_, _, err := b.begin(ctx, "sync", key)
	return err
}

// List passes over objects whose names no key can have, such as the empty ones
// that consoles store for folders.
func (b *bucket) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if err := checkPrefix(prefix); err != nil {
			yield(Info{}, err)
			return
		}
		op := operation{ctx: ctx, name: "list", key: prefix, store: b.url}
		pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{
			Bucket: &b.loc.bucket, Prefix: aws.String(b.base + prefix),
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(Info{}, op.callFault(err))
				return
			}
			if !b.yieldPage(page.Contents, yield) {
				return
			}
		}
	}
}

func (b *bucket) yieldPage(objects []types.Object, yield func(Info, error) bool) bool {
	for _, object := range objects {
		key := strings.TrimPrefix(aws.ToString(object.Key), b.base)
		if checkKey(key) != nil {
			continue
		}
		info := Info{Key: key, Size: aws.ToInt64(object.Size), Modified: aws.ToTime(object.LastModified)}
		if !yield(info, nil) {
			return false
		}
	}
	return true
}

func (b *bucket) Delete(ctx context.Context, key string) error {
	op, name, err := b.begin(ctx, "delete", key)
	if err != nil {
		return err
	}
	_, err = b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.loc.bucket, Key: &name})
	if err != nil {
		return op.callFault(err)
	}
	return nil
}

// begin checks what every method checks first and returns the object's name in
// the bucket.
func (b *bucket) begin(ctx context.Context, name, key string) (operation, string, error) {
	op := operation{ctx: ctx, name: name, key: key, store: b.url}
	if err := checkKey(key); err != nil {
		return op, "", err
	}
	if len(b.base)+len(key) > maxKey {
		return op, "", invalidKey(key, "is too long with the store's prefix")
	}
	if err := ctx.Err(); err != nil {
		return op, "", op.own(err)
	}
	return op, b.base + key, nil
}

// download is the body of an object. The transport compares its length and the
// SDK its checksum, so that a cut connection never looks like the end.
type download struct {
	io.ReadCloser
	op operation
}

func (d *download) Read(p []byte) (int, error) {
	n, err := d.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = d.op.callFault(err)
	}
	return n, err
}
