package storage

import (
	"context"
	"fmt"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// Codes of the faults this package reports.
const (
	CodeKeyInvalid  fault.Code = "KEY_INVALID"         // permanent
	CodeKeyConflict fault.Code = "KEY_CONFLICT"        // permanent: one key lies below another, in a directory
	CodeNotFound    fault.Code = "OBJECT_NOT_FOUND"    // wraps ErrNotFound
	CodeExists      fault.Code = "OBJECT_EXISTS"       // wraps ErrExists
	CodeFull        fault.Code = "STORAGE_FULL"        // no space or quota is left
	CodeDenied      fault.Code = "STORAGE_DENIED"      // the store refuses this process
	CodeMissing     fault.Code = "STORAGE_MISSING"     // the store itself is not there
	CodeUnsupported fault.Code = "STORAGE_UNSUPPORTED" // permanent: the store cannot do what Create needs
	CodeUnavailable fault.Code = "STORAGE_UNAVAILABLE" // everything else that goes wrong in a store
	CodeURLInvalid  fault.Code = "STORAGE_URL_INVALID" // permanent
)

// operation is one call on a store, for the text of its errors.
type operation struct {
	ctx   context.Context // lives for one call
	name  string
	key   string
	store string // URL
}

func (op operation) fail(code fault.Code, err error) *fault.Error {
	return fault.New(code, "%s %q in %s: %w", op.name, op.key, op.store, err)
}

func (op operation) notFound() error {
	return op.fail(CodeNotFound, ErrNotFound).
		Advise("check the key, and that the object has not been removed")
}

func (op operation) exists() error {
	return op.fail(CodeExists, ErrExists).Advise("read it to learn who created it")
}

// own wraps an error that is not the store's: ctx ended or the caller's reader
// failed. It carries no code, so that the owner's classification stands.
func (op operation) own(err error) error {
	return fmt.Errorf("%s %q: %w", op.name, op.key, err)
}

func (op operation) unavailable(err error) error {
	return op.fail(CodeUnavailable, err).
		Advise("check that the store is reachable and healthy; the operation can be repeated")
}

func (op operation) denied(err error) *fault.Error {
	return op.fail(CodeDenied, err)
}

func (op operation) full(err error) error {
	return op.fail(CodeFull, err).Advise("free or add space; the operation can be repeated")
}
