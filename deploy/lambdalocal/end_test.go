package lambdalocal

import (
	"testing"
	"time"
)

// A runtime may have answered, and asked for more, before whoever handed it the work has
// looked: both count.
func TestAnEndThatComesAtOnceIsSeen(t *testing.T) {
	t.Parallel()
	e := &environment{next: make(chan struct{}, 1), work: make(chan *invocation), results: make(chan result, 1),
		process: &process{exited: make(chan struct{})}}
	e.ready() // it asked once more while it was idle
	ended := make(chan result, 1)
	go func() { ended <- e.run(&invocation{id: "1"}, time.Minute) }()
	time.Sleep(20 * time.Millisecond) // it waits for somebody to take the work
	inv := <-e.work
	e.take(inv)
	if err := e.answer("1", result{payload: []byte("done")}); err != nil {
		t.Fatal(err)
	}
	e.ready()
	select {
	case res := <-ended:
		if string(res.payload) != "done" {
			t.Errorf("%+v", res)
		}
	case <-time.After(10 * time.Second):
		t.Error("it goes on after its answer")
		close(e.process.exited)
		<-ended
	}
}
