// Package outcome keeps the write-once end of every generation: the commit point
// of the whole fleet.
//
// An OUTCOME object is one line of JSON, the [execution.Outcome], followed by the
// bytes of the small result files, in the order of the manifest. One object means
// one durable write for a whole result. Objects share 256 folders, because making
// and syncing a folder per execution costs more than the result itself.
package outcome

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// ErrNone says that the generation has not ended.
var ErrNone = errors.New("no outcome")

const (
	// InlineLimit is how many bytes of files an OUTCOME object holds at most;
	// files beyond it are stored beside it.
	InlineLimit = 256 << 10

	// Root is the prefix of every outcome in storage.
	Root        = "outcome/"
	maxManifest = 4 << 20
)

// Data is a result file that has still to be stored.
type Data struct {
	Name  string
	Bytes []byte
}

// Store reads and commits outcomes.
type Store struct {
	objects storage.Store
}

// New returns a Store over objects.
func New(objects storage.Store) *Store { return &Store{objects: objects} }

// Path is the storage key of the outcome of k.
func Path(k execution.Key) string {
	shard := sha256.Sum256([]byte(k.Path()))
	return Root + hex.EncodeToString(shard[:1]) + "/" + k.Path()
}

// AttemptRoot is the prefix of every attempt in storage.
const AttemptRoot = "attempts/"

// ParseAttempt reads from a storage key which attempt at which generation stored it.
func ParseAttempt(key string) (k execution.Key, attempt string, ok bool) {
	parts := strings.Split(key, "/")
	if len(parts) != 6 || parts[0]+"/" != AttemptRoot {
		return k, "", false
	}
	k, err := execution.ParsePath(strings.Join(parts[1:4], "."))
	return k, parts[4], err == nil
}

// AttemptPrefix is where one attempt at k stores what is too large for its
// OUTCOME. No two attempts share it.
func AttemptPrefix(k execution.Key, attempt string) string {
	return path.Join(AttemptRoot, k.Mailbox, k.ID, fmt.Sprint(k.Generation), attempt)
}

// Read returns the outcome of k, made durable, or ErrNone.
func (s *Store) Read(ctx context.Context, k execution.Key) (execution.Outcome, error) {
	o, err := s.read(ctx, k)
	if err != nil {
		return execution.Outcome{}, err
	}
	// Whoever wrote it may have died before it was durable; we are about to act on it.
	if err := s.objects.Sync(ctx, Path(k)); err != nil {
		return execution.Outcome{}, fmt.Errorf("outcome of %s: %w", k, err)
	}
	return o, nil
}

func (s *Store) read(ctx context.Context, k execution.Key) (execution.Outcome, error) {
	var o execution.Outcome
	body, err := s.objects.Get(ctx, Path(k))
	if errors.Is(err, storage.ErrNotFound) {
		return o, ErrNone
	}
	if err != nil {
		return o, fmt.Errorf("outcome of %s: %w", k, err)
	}
	defer func() { _ = body.Close() }()
	if o, err = decode(bufio.NewReader(body)); err != nil {
		return o, fmt.Errorf("outcome of %s: %w", k, err)
	}
	if o.Key != k { // a file system that folds case
		return o, fault.New(execution.CodeConflict, "the outcome of %s stands where that of %s belongs", o.Key, k).Permanent()
	}
	return o, nil
}

func decode(r *bufio.Reader) (execution.Outcome, error) {
	var o execution.Outcome
	line, err := readLine(r)
	if err != nil {
		return o, err
	}
	if err := json.Unmarshal(line, &o); err != nil {
		if newer := execution.CheckFormat("an outcome", line, execution.OutcomeVersion); newer != nil {
			return o, newer
		}
		return o, fmt.Errorf("manifest: %w", err)
	}
	switch {
	case o.Version < 1:
		return o, fault.New(execution.CodeVersion, "an outcome of version %d", o.Version).Expecting("version %d", execution.OutcomeVersion)
	case o.Version == execution.OutcomeVersion && o.Kind != "" && !o.Kind.Terminal().Terminal():
		return o, fault.New(execution.CodeVersion, "an outcome of kind %.40q: %w", o.Kind, execution.ErrNewer).
			Expecting("one that this program knows").Advise("upgrade this program")
	}
	return o, execution.CheckVersion("an outcome", o.Version, execution.OutcomeVersion)
}

// What can't be a manifest, whatever reads it.
var (
	errCut  = fmt.Errorf("manifest: %w", io.ErrUnexpectedEOF)
	errLong = fmt.Errorf("manifest: longer than %d bytes", maxManifest)
)

func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case errors.Is(err, io.EOF):
			return nil, errCut
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("manifest: %w", err)
		case len(line) > maxManifest:
			return nil, errLong
		}
	}
}

// Last returns the outcome of the last generation that ended, or ErrNone.
func (s *Store) Last(ctx context.Context, mailbox, id string) (execution.Outcome, error) {
	k := execution.Key{Mailbox: mailbox, ID: id, Generation: 1}
	if err := k.Validate(); err != nil { // before the names become paths
		return execution.Outcome{}, err
	}
	last, err := s.Read(ctx, k)
	for err == nil && last.Kind == execution.Dead { // only then can a redrive have opened the next
		k.Generation++
		var next execution.Outcome
		next, err = s.Read(ctx, k)
		if errors.Is(err, ErrNone) {
			return last, nil
		}
		last = next
	}
	return last, err
}

// Commit makes o, with its files, the outcome of its generation, unless one
// stands already. It returns the outcome that stands; it is o itself when its
// attempt id is o's. An error means that it is not known which, or that none is.
func (s *Store) Commit(ctx context.Context, o execution.Outcome, files []Data) (execution.Outcome, error) {
	o.Version, o.Usage = execution.OutcomeVersion, nil
	var err error
	if o.Files, files, err = s.place(ctx, o, files); err != nil {
		return execution.Outcome{}, err
	}
	failpoint.Hit(failpoint.Committing)
	object, err := encode(o, files)
	if err != nil {
		return execution.Outcome{}, fmt.Errorf("commit %s: %w", o.Key, err)
	}
	for wait := 20 * time.Millisecond; ; wait *= 2 {
		created := s.objects.Create(ctx, Path(o.Key), object)
		if created == nil {
			created = failpoint.Err(failpoint.Committed)
		}
		if created == nil {
			return o, nil
		}
		// The reply may have been lost after the write: what stands there decides,
		// whatever was answered. Also when it was "exists": it may exist by our hand.
		stands, err := s.Read(ctx, o.Key)
		if err == nil {
			failpoint.Hit(failpoint.ReadBack)
			return stands, nil
		}
		if !errors.Is(err, ErrNone) {
			return execution.Outcome{}, fmt.Errorf("commit %s: %w", o.Key, errors.Join(created, err))
		}
		const patience = 2 * time.Second
		if wait > patience || ctx.Err() != nil {
			return execution.Outcome{}, fmt.Errorf("commit %s: %w", o.Key, created)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// place decides which files go inside the object, as long as there is room, and
// stores the others. It returns the manifest and, in its order, the bodies.
func (s *Store) place(ctx context.Context, o execution.Outcome, files []Data) ([]execution.File, []Data, error) {
	var manifest, beside []execution.File
	var inside []Data
	room := InlineLimit
	for _, f := range files {
		sum := sha256.Sum256(f.Bytes)
		entry := execution.File{Name: f.Name, Size: int64(len(f.Bytes)), SHA256: hex.EncodeToString(sum[:])}
		if len(f.Bytes) <= room {
			room -= len(f.Bytes)
			manifest, inside = append(manifest, entry), append(inside, f)
			continue
		}
		entry.Key = path.Join(AttemptPrefix(o.Key, o.Attempt), fileKey(f.Name))
		if _, err := s.objects.Put(ctx, entry.Key, bytes.NewReader(f.Bytes)); err != nil {
			return nil, nil, fmt.Errorf("store %q of %s: %w", f.Name, o.Key, err)
		}
		failpoint.Hit(failpoint.OutputPut)
		beside = append(beside, entry)
	}
	return append(manifest, beside...), inside, nil
}

// fileKey names a file by hash: its name is only metadata.
func fileKey(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:12])
}

func encode(o execution.Outcome, files []Data) ([]byte, error) {
	line, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	if len(line) > maxManifest {
		return nil, fault.New("OUTCOME_TOO_LARGE", "a manifest of %d bytes", len(line)).Expecting("at most %d", maxManifest).Permanent()
	}
	size := len(line) + 1
	for _, f := range files {
		size += len(f.Bytes)
	}
	object := append(append(make([]byte, 0, size), line...), '\n')
	for _, f := range files {
		object = append(object, f.Bytes...)
	}
	return object, nil
}

// Open returns the bytes of one result file of o.
func (s *Store) Open(ctx context.Context, o execution.Outcome, name string) (io.ReadCloser, error) {
	offset := int64(0)
	for _, f := range o.Files {
		switch {
		case f.Name != name && f.Key == "":
			offset += f.Size
			continue
		case f.Name != name:
			continue
		case f.Key != "":
			return s.objects.Get(ctx, f.Key)
		}
		body, err := s.objects.Get(ctx, Path(o.Key))
		if err != nil {
			return nil, fmt.Errorf("file %q of %s: %w", name, o.Key, err)
		}
		r := bufio.NewReader(body)
		if err := skip(r, offset); err != nil {
			_ = body.Close()
			return nil, fmt.Errorf("file %q of %s: %w", name, o.Key, err)
		}
		return struct {
			io.Reader
			io.Closer
		}{io.LimitReader(r, f.Size), body}, nil
	}
	return nil, fmt.Errorf("file %q of %s: %w", name, o.Key, storage.ErrNotFound)
}

// skip moves r behind the manifest and offset bytes of bodies.
func skip(r *bufio.Reader, offset int64) error {
	if _, err := readLine(r); err != nil {
		return err
	}
	_, err := io.CopyN(io.Discard, r, offset)
	return err
}
