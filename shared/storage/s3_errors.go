package storage

import (
	"errors"
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// callFault describes an error of a call to S3. That ctx has ended is asked of
// ctx: the transport's own timeouts claim to be deadlines too.
func (op operation) callFault(err error) error {
	switch status := statusCode(err); {
	case op.ctx.Err() != nil:
		return op.own(op.ctx.Err())
	case errorCode(err) == "NoSuchBucket":
		return op.fail(CodeMissing, err).Advise("create the bucket, or correct the store's URL")
	case status == http.StatusMovedPermanently:
		return op.fail(CodeMissing, err).Advise("name the bucket's region in the store's URL: ?region=…")
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		return op.denied(err).
			Advise("check the credentials and allow s3:GetObject, s3:PutObject, s3:DeleteObject, " +
				"s3:AbortMultipartUpload and s3:ListBucket, and the KMS key when one is set")
	case status == http.StatusInsufficientStorage:
		return op.full(err)
	}
	return op.unavailable(err)
}

// errorCode returns the code of S3's error document, or "". A reply without a
// body, as to HEAD, has none worth the name.
func errorCode(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

// statusCode returns the HTTP status of the reply that err stands for, or 0.
func statusCode(err error) int {
	if e, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		return e.HTTPStatusCode()
	}
	return 0
}
