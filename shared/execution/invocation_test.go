package execution_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

func TestInvocationRoundTrips(t *testing.T) {
	want := execution.Invocation{
		Request: execution.Request{ID: "e1", Mailbox: "ventas", Config: execution.Config{Text: "x"},
			Inputs: []execution.Input{{URI: "u", Filename: "a.csv"}}, Deadline: time.Unix(1, 0).UTC()},
		Delegation: &execution.Delegation{Token: 7, Number: 2, Enqueued: time.Unix(2, 0).UTC()},
	}
	payload, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := execution.DecodeInvocation(payload, "other")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// A bridge may be newer than the function: what it adds is left out, and what must not be
// says so by its version. Whoever invokes directly is told of what isn't known.
func TestInvocationsOfOtherVersions(t *testing.T) {
	const request = `"execution_id":"e1","mailbox":"m","yaml_config":"x","input_files":[{"uri":"u","filename":"a"}]`
	for name, tt := range map[string]struct {
		payload string
		newer   bool
		code    fault.Code // empty when it is accepted
	}{
		"a field of the delegation":     {`{` + request + `,"delegation":{"token":7,"number":1,"region":{"n":[1]}}}`, false, ""},
		"a field beside it":             {`{` + request + `,"batch":[1],"delegation":{"token":7,"number":1}}`, false, ""},
		"another delegation":            {`{` + request + `,"delegation":{"version":2,"token":{"of":7}}}`, true, execution.CodeVersion},
		"another delegation, same form": {`{` + request + `,"delegation":{"version":2,"token":7,"number":1}}`, true, execution.CodeVersion},
		"another request":               {`{"version":2,"files":[],"execution_id":"e1","delegation":{"token":7,"number":1}}`, true, execution.CodeVersion},
		"another request, same form":    {`{"version":2,` + request + `}`, true, execution.CodeVersion},
		"a typing error":                {`{` + request + `,"sendr":"s"}`, false, execution.CodeRequestJSON},
		"no delegation":                 {`{` + request + `,"sendr":"s","delegation":null}`, false, execution.CodeRequestJSON},
		"a name twice":                  {`{` + request + `,"batch":1,"delegation":{"token":7,"number":1},"mailbox":"n"}`, false, execution.CodeRequestJSON},
		"no token":                      {`{` + request + `,"batch":1,"delegation":{"token":"7"}}`, false, execution.CodeRequestJSON},
	} {
		inv, err := execution.DecodeInvocation([]byte(tt.payload), "other")
		if errors.Is(err, execution.ErrNewer) != tt.newer || tt.code == "" && err != nil || tt.code != "" && fault.CodeOf(err) != tt.code {
			t.Errorf("%s: %v", name, err)
		}
		if tt.code == "" && (inv.Delegation == nil || inv.Delegation.Token != 7 || inv.ID != "e1") {
			t.Errorf("%s: %+v", name, inv)
		}
		if tt.newer == fault.IsPermanent(err) && err != nil {
			t.Errorf("%s: permanent %v", name, !tt.newer)
		}
	}
}

func TestInvocationOfTheFoundingDocument(t *testing.T) {
	got, err := execution.DecodeInvocation(
		[]byte(`{"execution_id":"e1","yaml_config":"x","input_files":[{"uri":"u","filename":"a"}]}`), "direct")
	if err != nil || got.Mailbox != "direct" || got.Delegation != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}
