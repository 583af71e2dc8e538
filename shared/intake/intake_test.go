package intake_test

import (
	"testing"

	"github.com/sagefleet/sagefleet/shared/intake"
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
