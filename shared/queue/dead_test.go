package queue_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/queue"
)

func TestLettersAreChosen(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	put := func(mailbox, id string, generation int, code string) {
		msg := nats.NewMsg(bus.SubjectDead(execution.Key{Mailbox: mailbox, ID: id, Generation: generation}))
		msg.Header.Set("Sage-Code", code)
		msg.Header.Set("Sage-Attempts", "3")
		if _, err := js.PublishMsg(t.Context(), msg); err != nil {
			t.Fatal(err)
		}
	}
	put("m", "a", 1, "X")
	put("m", "b", 1, "Y")
	put("n", "a", 1, "X")
	time.Sleep(20 * time.Millisecond) // so that it is later on the server's clock, too
	later := time.Now()
	put("m", "@EXECUTIONS-7", 0, "X")
	put("m", "a", 2, "X")
	b, err := queue.ReadLetter(t.Context(), js, "m", "b", 1)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time, with what was read before the first
		if err := queue.MarkRedriven(t.Context(), js, b, "ana"); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]struct {
		filter queue.LetterFilter
		want   []string
	}{
		"all that is left":  {queue.LetterFilter{}, []string{"m.a.1", "n.a.1", "m.@EXECUTIONS-7.0", "m.a.2"}},
		"also redriven":     {queue.LetterFilter{All: true}, []string{"m.a.1", "n.a.1", "m.@EXECUTIONS-7.0", "m.a.2", "m.b.1"}},
		"of a mailbox":      {queue.LetterFilter{Mailbox: "n"}, []string{"n.a.1"}},
		"with a code":       {queue.LetterFilter{Code: "Y", All: true}, []string{"m.b.1"}},
		"since":             {queue.LetterFilter{Since: later}, []string{"m.@EXECUTIONS-7.0", "m.a.2"}},
		"since the future":  {queue.LetterFilter{Since: later.Add(time.Hour)}, nil},
		"since long ago":    {queue.LetterFilter{Since: later.Add(-time.Hour), Mailbox: "n"}, []string{"n.a.1"}},
		"behind a position": {queue.LetterFilter{After: 3}, []string{"m.@EXECUTIONS-7.0", "m.a.2"}},
		"behind the last":   {queue.LetterFilter{After: 99}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for l, err := range queue.Letters(t.Context(), js, tt.filter) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, fmt.Sprintf("%s.%s.%d", l.Mailbox, l.Name, l.Generation))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if l, err := queue.LastLetter(t.Context(), js, "m", "a", 0); err != nil || l.Generation != 2 || l.Attempts != 3 {
		t.Errorf("last of a: %+v, %v", l, err)
	}
	if _, err := queue.LastLetter(t.Context(), js, "m", "c", 0); !errors.Is(err, queue.ErrNoLetter) {
		t.Errorf("last of c: %v", err)
	}
}
