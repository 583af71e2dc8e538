package console

import (
	"net/http"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
)

// An export has the whole requests: it is stored who saw each before it is sent.
func TestExportIsTold(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	for _, id := range []string{"e1", "e2"} {
		msg := nats.NewMsg(bus.SubjectDead(execution.Key{Mailbox: "ventas", ID: id, Generation: 1}))
		msg.Data = []byte(`{"execution_id":"` + id + `"}`)
		msg.Header.Set("Sage-Code", "X")
		if _, err := js.PublishMsg(t.Context(), msg); err != nil {
			t.Fatal(err)
		}
	}
	s := serve(t, Parts{Access: as{Name: "eva", Role: access.Viewer, Mailboxes: []string{"ventas"}}, JS: js})
	if page := body(t, do(t, s, http.MethodGet, "/dead/export?mailbox=ventas", nil, nil)); strings.Count(page, `"execution_id":"e`) < 2 {
		t.Errorf("exported\n%s", page)
	}
	seen := ""
	err := bus.Scan(t.Context(), js, bus.StreamEvents, bus.Scope{Subject: bus.SubjectEvent("ventas", execution.EventViewed)}, func(msg *jetstream.RawStreamMsg) error {
		seen += string(msg.Data)
		return nil
	})
	if err != nil || strings.Count(seen, "/operator/eva") != 2 || !strings.Contains(seen, `"e1"`) || !strings.Contains(seen, `"e2"`) {
		t.Errorf("told %q, %v", seen, err)
	}
}
