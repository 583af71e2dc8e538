package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
)

// source is the data of a Put on its way to the store: it counts and hashes what
// passes, ends with ctx, and remembers an error of the caller's reader, which
// must not be taken for one of the store.
type source struct {
	ctx  context.Context // lives for one Put
	r    io.Reader
	hash hash.Hash
	size int64
	err  error
}

func newSource(ctx context.Context, r io.Reader) *source {
	return &source{ctx: ctx, r: r, hash: sha256.New()}
}

func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		s.err = err
		return 0, err
	}
	n, err := s.r.Read(p)
	s.hash.Write(p[:n])
	s.size += int64(n)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

func (s *source) info(key string) Info {
	return Info{Key: key, Size: s.size, SHA256: hex.EncodeToString(s.hash.Sum(nil))}
}
