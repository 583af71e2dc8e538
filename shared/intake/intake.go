// Package intake knows what an accepted submission leaves in storage: its files,
// and the request itself for whoever has to publish it again.
package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// Root is the prefix of every input in storage.
const Root = "inputs/"

// CacheRoot is the prefix of cached findings in storage.
const CacheRoot = "cache/"

// MethodInbox is the method of what was put into a folder.
const MethodInbox = "inbox"

const requestName = "request.json"

// Prefix is where the inputs of an execution are stored.
func Prefix(mailbox, id string) string { return path.Join(Root, mailbox, id) }

// RequestKey is the storage key of an execution's request.
func RequestKey(mailbox, id string) string { return path.Join(Prefix(mailbox, id), requestName) }

// Parse reads whose input a storage key is, and whether it is the request. Files
// that people put under a mailbox by themselves are nobody's.
func Parse(key string) (mailbox, id string, isRequest, ok bool) {
	parts := strings.Split(key, "/")
	if len(parts) != 4 || parts[0]+"/" != Root || execution.ValidateMailbox(parts[1]) != nil || execution.ValidateID(parts[2]) != nil {
		return "", "", false, false
	}
	return parts[1], parts[2], parts[3] == requestName, true
}

// ErrNoRequest says that what lies where a request belongs is none.
var ErrNoRequest = errors.New("it is no request")

// Request returns the request that a submission stored, or an error that wraps
// storage.ErrNotFound when it was published by other means, or is [execution.ErrNewer] or
// [ErrNoRequest]. Whose it is, and of what execution, the key says: who may write there
// must not be able to speak for others.
func Request(ctx context.Context, objects storage.Store, mailbox, id string) (execution.Request, error) {
	var r execution.Request
	body, err := objects.Get(ctx, RequestKey(mailbox, id))
	if err != nil {
		return r, err
	}
	defer func() { _ = body.Close() }()
	data, err := io.ReadAll(body)
	if err != nil {
		return r, err
	}
	if err := execution.CheckFormat("the stored request", data, execution.RequestVersion); err != nil {
		return r, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("%s: %w: %w", RequestKey(mailbox, id), ErrNoRequest, err)
	}
	r.Mailbox, r.ID = mailbox, id
	return r, nil
}
