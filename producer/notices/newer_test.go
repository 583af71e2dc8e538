package notices_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/producer/notices"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
)

// Who can't say whether something was said doesn't say it. What is only unknown beside that
// is left out.
func TestRecordsOfAnotherVersion(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	book, err := notices.Open(t.Context(), js, time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), bus.BucketNotices)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		record string
		newer  bool
	}{
		"version": {`{"version":2,"standing":"waiting","at":"2026-11-23T12:00:00Z","tries":1,"message_id":"m"}`, true},
		"form":    {`{"version":2,"standing":{"of":[1]}}`, true},
		"word":    {`{"standing":"bounced","at":"2026-11-23T12:00:00Z","tries":1,"message_id":"m"}`, true},
		"more":    {`{"standing":"waiting","at":"2026-11-23T12:00:00Z","tries":1,"message_id":"m","via":{"of":[1]}}`, false},
	} {
		key := "answer." + name
		if _, err := kv.Put(t.Context(), key, []byte(tt.record)); err != nil {
			t.Fatal(err)
		}
		said := 0
		wait, err := book.Say(t.Context(), notices.Notice{Key: key, ID: "id", Kind: notices.KindAnswer, Channel: "webhook", Since: time.Now(), Patience: time.Hour,
			Send: func(context.Context) error { said++; return nil }})
		if errors.Is(err, execution.ErrNewer) != tt.newer || tt.newer == (said > 0) || tt.newer && wait <= 0 {
			t.Errorf("%s: said %d times, again in %v, %v", name, said, wait, err)
		}
		if e, err := kv.Get(t.Context(), key); tt.newer && (err != nil || string(e.Value()) != tt.record) {
			t.Errorf("%s: the record is %s, %v", name, e.Value(), err)
		}
	}
}
