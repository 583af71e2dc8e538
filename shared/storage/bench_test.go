package storage_test

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sagefleet/sagefleet/shared/storage"
)

// BenchmarkDirCreate measures the commit of an execution: 2 KiB, durable, in one
// of 16 shared directories. Nothing is deleted between runs, because file systems
// are slower after that.
func BenchmarkDirCreate(b *testing.B) {
	data := bytes.Repeat([]byte("x"), 2<<10)
	for _, concurrency := range []int{1, 32} {
		b.Run(fmt.Sprintf("concurrency=%d", concurrency), func(b *testing.B) {
			s, err := storage.Open(b.Context(), fileURL(b.TempDir()))
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			b.ResetTimer()
			var next atomic.Int64
			var wg sync.WaitGroup
			for range concurrency {
				wg.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						if err := s.Create(b.Context(), fmt.Sprintf("%x/%d", i%16, i), data); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
		})
	}
}
