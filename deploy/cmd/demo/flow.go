package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// flow goes on submitting until ctx ends, so that there is something to see: single
// files, every fiftieth time twenty at once, and now and then one that nobody can
// execute.
func (d demo) flow(ctx context.Context) error {
	if d.opts.Rate <= 0 || d.opts.Config != "" {
		<-ctx.Done()
		return nil
	}
	submit, run, number := producer.New(d.platform.JS, d.platform.Objects), newRun(), 0
	r := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // reproducible, not secret
	next := time.NewTicker(time.Minute / time.Duration(d.opts.Rate))
	defer next.Stop()
	for turn := 1; ; turn++ {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
		files := 1
		if turn%50 == 0 {
			files = 20
		}
		for range files {
			number++
			s, err := submission(r, fmt.Sprintf("%s-flow-%05d", run, number), number, 200+r.IntN(20_000))
			if err != nil {
				return err
			}
			if turn%35 == 5 {
				s.Config = []byte("sage_yaml:\n  name: [unfinished\n")
			}
			if _, err := submit.Submit(ctx, s); err != nil && ctx.Err() == nil && fault.IsPermanent(err) {
				return err
			}
		}
	}
}
