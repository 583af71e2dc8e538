package storage

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Presigned is a request that stores one object and needs no credentials.
type Presigned struct {
	Method  string
	URL     string
	Header  http.Header // to be sent with it
	Expires time.Time
}

// Presigner is a Store that lets others store single objects themselves.
type Presigner interface {
	Store

	// PresignPut returns a request that stores exactly the size bytes with that
	// SHA-256 (lower-case hex) at key, once, until it expires: the store refuses
	// other bytes, and an object that is there already.
	PresignPut(ctx context.Context, key, sha256 string, size int64, valid time.Duration) (Presigned, error)
}

// PresignPut signs the checksum too, so that S3 itself compares what comes.
func (b *bucket) PresignPut(ctx context.Context, key, sha256 string, size int64, valid time.Duration) (Presigned, error) {
	op, name, err := b.begin(ctx, "presign", key)
	if err != nil {
		return Presigned{}, err
	}
	sum, err := hex.DecodeString(sha256)
	if err != nil {
		return Presigned{}, fmt.Errorf("presign %q: its SHA-256: %w", key, err)
	}
	encoded, once := base64.StdEncoding.EncodeToString(sum), "*"
	in := &s3.PutObjectInput{Bucket: &b.loc.bucket, Key: &name, ContentLength: &size, IfNoneMatch: &once,
		ChecksumSHA256: &encoded, ChecksumAlgorithm: types.ChecksumAlgorithmSha256}
	in.ServerSideEncryption, in.SSEKMSKeyId = b.encryption()
	expires := time.Now().Add(valid)
	signed, err := s3.NewPresignClient(b.client).PresignPutObject(ctx, in, s3.WithPresignExpires(valid))
	if err != nil {
		return Presigned{}, op.callFault(err)
	}
	header := signed.SignedHeader.Clone()
	header.Del("Host")
	return Presigned{Method: signed.Method, URL: signed.URL, Header: header, Expires: expires.UTC()}, nil
}
