package console

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/sagefleet/sagefleet/producer/access"
)

// The fleet's page shows the limits of all, and those of the visitor's mailboxes. It
// is there when nobody can say what was spent.
func TestBudgetIsOfTheVisitorsMailboxes(t *testing.T) {
	t.Parallel()
	limits := func(context.Context) (Budget, error) {
		return Budget{Settled: 1.25, Limits: []Limit{{Window: "day", Limit: 77, Free: 77}, {Window: "hour", Mailbox: "ventas", Limit: 33, Free: 33},
			{Window: "hour", Mailbox: "compras", Limit: 44, Free: 44}}}, nil
	}
	s := serve(t, Parts{Access: as{Name: "eva", Role: access.Viewer, Mailboxes: []string{"ventas"}}, Budget: limits})
	page := body(t, do(t, s, http.MethodGet, "/", nil, nil))
	if !strings.Contains(page, "$77.00") || !strings.Contains(page, "$33.00") || strings.Contains(page, "$44.00") || strings.Contains(page, "compras") {
		t.Errorf("eva sees\n%s", page)
	}
	silent := func(context.Context) (Budget, error) { return Budget{}, errors.New("no answer") }
	answer := do(t, serve(t, Parts{Access: operator, Budget: silent}), http.MethodGet, "/", nil, nil)
	if answer.StatusCode != http.StatusOK {
		t.Errorf("without an answer the page is %d", answer.StatusCode)
	}
}
