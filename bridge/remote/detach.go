package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// Client invokes as the SDK does, without waiting inside it. The SDK's layers lie so
// deep on the stack that a thousand calls that wait for their answers held some 60 MB of
// nothing else. So it is called twice: to make the request, and to understand the
// answer; between the two nothing of it is there.
type Client struct {
	sdk       *lambda.Client
	transport http.RoundTripper
}

// Invoke implements [Invoker].
func (c *Client) Invoke(ctx context.Context, in *lambda.InvokeInput, opts ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	x := &exchange{}
	through := append(opts[:len(opts):len(opts)], func(o *lambda.Options) { o.HTTPClient = x })
	out, err := c.call(ctx, in, through)
	if x.request == nil {
		return out, err // it can't even be asked
	}
	x.response, x.err = c.transport.RoundTrip(x.request) //nolint:bodyclose // the SDK reads and closes it
	return c.call(ctx, in, through)
}

// call calls the SDK on a stack that is gone afterwards.
func (c *Client) call(ctx context.Context, in *lambda.InvokeInput, opts []func(*lambda.Options)) (out *lambda.InvokeOutput, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		out, err = c.sdk.Invoke(ctx, in, opts...)
	}()
	<-done
	return out, err
}

// exchange stands for the network in both calls: it keeps the request of the first and
// has the answer for the second.
type exchange struct {
	request  *http.Request
	response *http.Response
	err      error
}

var errKept = errors.New("the request is sent later")

// Do implements the SDK's HTTP client.
func (x *exchange) Do(r *http.Request) (*http.Response, error) {
	if x.request != nil {
		return x.response, x.err
	}
	if r.Body != nil { // without a payload there is none
		payload, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, fmt.Errorf("read the request: %w", err)
		}
		r.Body = io.NopCloser(bytes.NewReader(payload))
	}
	x.request = r
	return nil, errKept
}
