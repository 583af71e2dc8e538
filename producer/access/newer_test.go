package access_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// A newer `sage` may have made a token that is good for less than an older one reads.
func TestATokenOfAnotherVersionIsRefused(t *testing.T) {
	t.Parallel()
	tokens, kv := newTokens(t)
	_, r, err := tokens.Create(t.Context(), access.Grant{Name: "ana", Role: access.Viewer, Mailboxes: []string{"ventas"}}, "root")
	if err != nil {
		t.Fatal(err)
	}
	for fields, newer := range map[string]bool{`"note":{"of":[1]}`: false, `"version":2,"only_from":"10.0.0.0/8"`: true} {
		e, err := kv.Get(t.Context(), r.ID)
		if err == nil {
			_, err = kv.Put(t.Context(), r.ID, append(bytes.TrimSuffix(e.Value(), []byte("}")), ","+fields+"}"...))
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := tokens.Get(t.Context(), r.ID)
		if newer != errors.Is(err, execution.ErrNewer) || newer && fault.CodeOf(err) != access.CodeInvalid || !newer && got.Name != "ana" {
			t.Errorf("with %s: %+v, %v", fields, got, err)
		}
		if e, err = kv.Get(t.Context(), r.ID); err == nil {
			_, err = kv.Put(t.Context(), r.ID, bytes.Replace(e.Value(), []byte(","+fields), nil, 1))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
