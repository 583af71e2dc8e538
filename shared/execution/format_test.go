package execution_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

func withMore(fields string) string {
	return `{"yaml_config":"x","input_files":[{"uri":"u","filename":"a.csv"}]` + fields + `}`
}

// A request for newer programs is no bad one. Of it is known whose it is.
func TestRequestsOfAnotherVersion(t *testing.T) {
	for name, tt := range map[string]struct {
		in, id string // of the subject
		want   execution.Request
	}{
		"more in it":   {withMore(`,"version":2,"execution_id":"e1","generation":3,"parts":{"a":[1]}`), "", execution.Request{Version: 2, Mailbox: "ventas", ID: "e1", Generation: 3}},
		"less in it":   {`{"version":3}`, "e2", execution.Request{Version: 3, Mailbox: "ventas", ID: "e2"}},
		"another form": {`{"version":2,"yaml_config":{"parts":[1,2]},"input_files":"all"}`, "e2", execution.Request{Version: 2, Mailbox: "ventas", ID: "e2"}},
		"same form":    {withMore(`,"version":2`), "", execution.Request{Version: 2, Mailbox: "ventas", ID: execution.DeriveID(origin)}},
		"no id":        {withMore(`,"version":2,"execution_id":"a.b"`), "", execution.Request{Version: 2, Mailbox: "ventas", ID: execution.DeriveID(origin)}},
	} {
		at := origin
		at.ID = tt.id
		r, err := execution.Decode([]byte(tt.in), at)
		if !errors.Is(err, execution.ErrNewer) || fault.IsPermanent(err) || fault.CodeOf(err) != execution.CodeVersion {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(tt.want, r); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
	if r, err := execution.Decode([]byte(withMore(`,"version":1`)), origin); err != nil || r.Version != 1 {
		t.Errorf("this version: %+v, %v", r, err)
	}
}
