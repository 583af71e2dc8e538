package history

import (
	"bufio"
	"container/heap"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
)

// sorter sorts any number of facts with bounded memory: what doesn't fit is
// written to temporary files, each sorted, and merged.
type sorter struct {
	capacity int // facts in memory
	fanIn    int // files that are merged at once

	dir    string // made when first needed
	buffer []fact
	levels [][]string // files, by how often their facts were merged
	files  int
}

// newSorter returns a sorter that takes some 20 MB.
func newSorter() *sorter { return &sorter{capacity: 50_000, fanIn: 64} }

func (s *sorter) close() {
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

func (s *sorter) add(f fact) error {
	s.buffer = append(s.buffer, f)
	if len(s.buffer) < s.capacity {
		return nil
	}
	slices.SortFunc(s.buffer, before)
	err := s.write(0, values(s.buffer))
	s.buffer = s.buffer[:0]
	return err
}

// write stores sorted facts in a file of a level, and merges the level into the
// next one when it has become too wide.
func (s *sorter) write(level int, facts iter.Seq2[fact, error]) (err error) {
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "sage-verify-"); err != nil {
			return err
		}
	}
	s.files++
	file, err := os.Create(fmt.Sprintf("%s/%d", s.dir, s.files))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	w := bufio.NewWriterSize(file, 1<<16)
	encoder := gob.NewEncoder(w)
	for f, err := range facts {
		if err == nil {
			err = encoder.Encode(&f)
		}
		if err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if level == len(s.levels) {
		s.levels = append(s.levels, nil)
	}
	s.levels[level] = append(s.levels[level], file.Name())
	if len(s.levels[level]) < s.fanIn {
		return nil
	}
	full := s.levels[level]
	s.levels[level] = nil
	var runs []iter.Seq2[fact, error]
	for _, name := range full {
		runs = append(runs, stored(name))
	}
	if err := s.write(level+1, merge(runs)); err != nil {
		return err
	}
	for _, name := range full {
		_ = os.Remove(name)
	}
	return nil
}

// sorted yields every fact that was added, in order.
func (s *sorter) sorted() iter.Seq2[fact, error] {
	slices.SortFunc(s.buffer, before)
	runs := []iter.Seq2[fact, error]{values(s.buffer)}
	for _, level := range s.levels {
		for _, name := range level {
			runs = append(runs, stored(name))
		}
	}
	return merge(runs)
}

func values(facts []fact) iter.Seq2[fact, error] {
	return func(yield func(fact, error) bool) {
		for _, f := range facts {
			if !yield(f, nil) {
				return
			}
		}
	}
}

func stored(name string) iter.Seq2[fact, error] {
	return func(yield func(fact, error) bool) {
		file, err := os.Open(name)
		if err != nil {
			yield(fact{}, err)
			return
		}
		defer func() { _ = file.Close() }()
		decoder := gob.NewDecoder(bufio.NewReaderSize(file, 1<<16))
		for {
			var f fact // anew: what is zero isn't stored
			err := decoder.Decode(&f)
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(f, err) || err != nil {
				return
			}
		}
	}
}

// merge yields the facts of sorted runs in order.
func merge(runs []iter.Seq2[fact, error]) iter.Seq2[fact, error] {
	return func(yield func(fact, error) bool) {
		var heads headHeap
		var stops []func()
		defer func() {
			for _, stop := range stops {
				stop()
			}
		}()
		for _, run := range runs {
			next, stop := iter.Pull2(run)
			stops = append(stops, stop)
			if f, err, ok := next(); ok {
				heads = append(heads, head{f, err, next})
			}
		}
		heap.Init(&heads)
		for len(heads) > 0 {
			h := heads[0]
			if !yield(h.fact, h.err) || h.err != nil {
				return
			}
			if f, err, ok := h.next(); ok {
				heads[0] = head{f, err, h.next}
				heap.Fix(&heads, 0)
			} else {
				heap.Pop(&heads)
			}
		}
	}
}

// head is the next fact of a run.
type head struct {
	fact fact
	err  error
	next func() (fact, error, bool)
}

type headHeap []head

func (h headHeap) Len() int           { return len(h) }
func (h headHeap) Less(i, j int) bool { return before(h[i].fact, h[j].fact) < 0 }
func (h headHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *headHeap) Push(x any)        { *h = append(*h, x.(head)) } // only heads are pushed

func (h *headHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
