package outcome

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// Checked is an outcome and what came of comparing its files with their sizes and
// SHA-256s. When the manifest itself can't be read, only the key is set.
type Checked struct {
	execution.Outcome
	Damage []string // what isn't as it was committed
	Gone   []string // large files that are not there, as after their time
	Hashed int64    // bytes that were compared
	Read   int      // large files that were
	Sized  int      // large files of which only the size was
}

// Check is [Store.AllSince] with a look at the files. Those inside the objects are hashed
// on the way; large ones, which are read for it, only where whole says so. It holds no file
// in memory.
func (s *Store) Check(ctx context.Context, since time.Time, whole func(execution.Key) bool) iter.Seq2[Checked, error] {
	return ahead(ctx, s, since, func(ctx context.Context, k execution.Key) (Checked, error) { return s.check(ctx, k, whole(k)) })
}

func (s *Store) check(ctx context.Context, k execution.Key, whole bool) (Checked, error) {
	body, err := s.objects.Get(ctx, Path(k))
	if err != nil {
		return Checked{}, fmt.Errorf("outcome of %s: %w", k, err)
	}
	defer func() { _ = body.Close() }()
	r := bufio.NewReader(body)
	var c Checked
	c.Outcome, err = decode(r)
	if spoilt(err) || err == nil && c.Key != k {
		return Checked{Outcome: execution.Outcome{Key: k}, Damage: []string{fmt.Sprintf("OUTCOME can't be read: %v", err)}}, nil
	}
	if err == nil {
		err = c.inside(r)
	}
	for _, f := range c.Files {
		if err == nil && f.Key != "" {
			err = c.beside(ctx, s.objects, f, whole)
		}
	}
	if err != nil {
		return Checked{}, fmt.Errorf("outcome of %s: %w", k, err)
	}
	return c, nil
}

// spoilt tells a manifest that isn't one from a store that doesn't answer.
func spoilt(err error) bool {
	_, syntax := errors.AsType[*json.SyntaxError](err)
	_, kind := errors.AsType[*json.UnmarshalTypeError](err)
	_, moment := errors.AsType[*time.ParseError](err)
	return syntax || kind || moment || errors.Is(err, errCut) || errors.Is(err, errLong)
}

// inside compares the files that follow the manifest.
func (c *Checked) inside(r io.Reader) error {
	for _, f := range c.Files {
		if f.Key != "" {
			continue
		}
		if err := c.compare(f, io.LimitReader(r, f.Size)); err != nil {
			return err
		}
	}
	more, err := io.Copy(io.Discard, r)
	if more > 0 {
		c.Damage = append(c.Damage, fmt.Sprintf("OUTCOME is %d bytes longer than its files", more))
	}
	return err
}

// beside compares a file that was too large.
func (c *Checked) beside(ctx context.Context, objects storage.Store, f execution.File, whole bool) error {
	if !whole {
		info, err := objects.Stat(ctx, f.Key)
		if err == nil && info.Size != f.Size {
			c.Damage = append(c.Damage, fmt.Sprintf("%q has %d bytes, and had %d", f.Name, info.Size, f.Size))
		}
		c.Sized++
		return c.there(f, err)
	}
	body, err := objects.Get(ctx, f.Key)
	if err != nil {
		return c.there(f, err)
	}
	defer func() { _ = body.Close() }()
	c.Read++
	return c.compare(f, body)
}

func (c *Checked) there(f execution.File, err error) error {
	if errors.Is(err, storage.ErrNotFound) {
		c.Gone = append(c.Gone, f.Name)
		return nil
	}
	return err
}

func (c *Checked) compare(f execution.File, r io.Reader) error {
	hash := sha256.New()
	n, err := io.Copy(hash, r)
	c.Hashed += n
	if err != nil {
		return err
	}
	switch sum := hex.EncodeToString(hash.Sum(nil)); {
	case n != f.Size:
		c.Damage = append(c.Damage, fmt.Sprintf("%q has %d bytes, and had %d", f.Name, n, f.Size))
	case sum != f.SHA256:
		c.Damage = append(c.Damage, fmt.Sprintf("%q has the SHA-256 %.12s…, and had %.12s…", f.Name, sum, f.SHA256))
	}
	return nil
}
