package engine

import (
	"context"
	"time"
)

// RunWith is Run with a number of workers, so that tests see several on one core.
func (p *Program) RunWith(ctx context.Context, inputs map[string]Input, now time.Time, workers int) (*Result, error) {
	return p.run(ctx, inputs, now, workers)
}
