package execution_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/execution"
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

func TestInvocationOfTheFoundingDocument(t *testing.T) {
	got, err := execution.DecodeInvocation(
		[]byte(`{"execution_id":"e1","yaml_config":"x","input_files":[{"uri":"u","filename":"a"}]}`), "direct")
	if err != nil || got.Mailbox != "direct" || got.Delegation != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}
