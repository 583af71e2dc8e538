package ledger_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/ledger"
)

// Whatever is published among the events becomes rows that both engines take and a
// filter can find, or is refused by its code.
func FuzzDecode(f *testing.F) {
	good := append(troubled("ventas", "a", noon), life("ventas", "b", noon, execution.Succeeded, execution.OnLambda)...)
	for _, e := range good {
		data, err := json.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, uint64(1))
	}
	for _, poison := range poisons(f) {
		f.Add(poison, uint64(1)<<62)
	}
	executors := []string{"", execution.OnWorker, execution.OnLambda, execution.ByOperator}
	f.Fuzz(func(t *testing.T, data []byte, sequence uint64) {
		rows, err := ledger.Decode(data, "ventas", sequence)
		if err != nil {
			if fault.CodeOf(err) != ledger.CodeForeign {
				t.Fatalf("refused by %v", err)
			}
			return
		}
		for _, e := range rows {
			if e.Mailbox != "ventas" || e.Key.Validate() != nil || !slices.Contains(executors, e.Executor) || !known(e.State) || e.CostUSD < 0 {
				t.Errorf("%+v", e)
			}
			for _, v := range e.Values() {
				if text, ok := v.(string); ok && (!utf8.ValidString(text) || strings.ContainsRune(text, 0)) {
					t.Errorf("PostgreSQL takes no %q", text)
				}
			}
		}
	})
}

func known(s execution.State) bool {
	return s.Terminal() || s == execution.Accepted || s == execution.Running || s == execution.RetryWait
}
