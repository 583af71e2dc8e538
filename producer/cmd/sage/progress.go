package main

import (
	"io"
	"sync"
	"sync/atomic"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// progress shows what a command is waiting for: on a terminal one line that moves,
// elsewhere a line for each thing that happened.
type progress struct {
	out     io.Writer
	text    atomic.Pointer[string] // of the line that moves
	spinner *mpb.Progress
	bar     *mpb.Bar
	once    sync.Once
}

// newProgress returns a progress on standard error. It must be ended.
func (a *app) newProgress() *progress {
	p := &progress{out: a.stderr}
	p.phase("")
	if !terminal(a.stderr) {
		return p
	}
	p.spinner = mpb.New(mpb.WithOutput(a.stderr))
	p.bar = p.spinner.New(0, mpb.SpinnerStyle(), mpb.BarRemoveOnComplete(), mpb.BarWidth(1),
		mpb.AppendDecorators(decor.Elapsed(decor.ET_STYLE_MMSS),
			decor.Any(func(decor.Statistics) string { return "  " + *p.text.Load() })))
	return p
}

// phase says what goes on now. Only a terminal shows it: it is nothing that
// happened.
func (p *progress) phase(text string) { p.text.Store(new(printable(text))) }

// say tells something that happened, and that goes on.
func (p *progress) say(text string) {
	p.phase(text)
	if p.spinner == nil {
		_, _ = io.WriteString(p.out, printable(text)+"\n")
	}
}

// end takes the moving line away. It may be called again.
func (p *progress) end() {
	p.once.Do(func() {
		if p.spinner != nil {
			p.bar.Abort(true)
			p.spinner.Wait()
		}
	})
}
