package intake_test

import (
	"errors"
	"testing"

	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/shared/storage/storagetest"
)

func TestParse(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		mailbox, id string
		request, ok bool
	}{
		intake.RequestKey("ventas", "e1"):     {"ventas", "e1", true, true},
		intake.Prefix("ventas", "e1") + "/ab": {"ventas", "e1", false, true},
		"inputs/ventas/martes.csv":            {},
		"inputs/ventas/e1/x/y":                {},
		"inputs/ventas/e.1/request.json":      {},
		"outcome/00/e1/request.json":          {},
	}
	for key, want := range tests {
		mailbox, id, request, ok := intake.Parse(key)
		if mailbox != want.mailbox || id != want.id || request != want.request || ok != want.ok {
			t.Errorf("Parse(%q) = %q, %q, %v, %v", key, mailbox, id, request, ok)
		}
	}
}

// What lies under a mailbox speaks for that mailbox alone, whatever it says.
func TestARequestIsThatOfItsKey(t *testing.T) {
	t.Parallel()
	objects := storagetest.Dir(t)
	for id, text := range map[string]string{"planted": `{"mailbox":"contabilidad","execution_id":"other"}`, "broken": "{"} {
		if err := objects.Create(t.Context(), intake.RequestKey("ventas", id), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := intake.Request(t.Context(), objects, "ventas", "planted"); err != nil || r.Mailbox != "ventas" || r.ID != "planted" {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := intake.Request(t.Context(), objects, "ventas", "broken"); !errors.Is(err, intake.ErrNoRequest) {
		t.Errorf("%v, want %v", err, intake.ErrNoRequest)
	}
	if _, err := intake.Request(t.Context(), objects, "ventas", "none"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("%v, want %v", err, storage.ErrNotFound)
	}
}
