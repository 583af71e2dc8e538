package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/shared/bus"
)

func TestToken(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	r := f.sage(t, exitOK, "token", "create", "ana", "--mailbox", "ventas,compras", "--role", "operator", "--expires", "1h")
	token := strings.TrimSpace(r.stdout)
	kv, err := f.js.KeyValue(t.Context(), bus.BucketAccess)
	if err != nil {
		t.Fatal(err)
	}
	tokens := access.NewTokens(kv)
	gate, err := access.NewGate(t.Context(), tokens, access.Config{Rate: 10, Burst: 10, Session: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	request.Header.Set("Authorization", "Bearer "+token)
	who, err := gate.Identify(request)
	if err != nil || who.Name != "ana" || !who.May(access.Operator, "compras") || who.May(access.Viewer, "pedidos") {
		t.Fatalf("%+v, %v", who, err)
	}
	r = f.sage(t, exitOK, "token", "list", "--json")
	var listed struct {
		ID, State string
		Hash      []byte
	}
	if err := json.Unmarshal([]byte(r.stdout), &listed); err != nil || listed.ID != who.ID || listed.State != "good" || listed.Hash != nil {
		t.Errorf("listed %s, %v", r.stdout, err)
	}
	r = f.sage(t, exitOK, "token", "revoke", who.ID, "--json")
	if err := json.Unmarshal([]byte(r.stdout), &listed); err != nil || listed.ID != who.ID || listed.State != "revoked" || listed.Hash != nil {
		t.Errorf("revoked %s, %v", r.stdout, err)
	}
	if _, err := gate.Identify(request); err == nil {
		t.Error("the revoked token is good")
	}
	if r := f.sage(t, exitOK, "token", "list"); r.stdout != "" || !strings.Contains(r.stderr, "1 token expired or revoked") {
		t.Errorf("%q, %q", r.stdout, r.stderr)
	}
	if r := f.sage(t, exitOK, "token", "list", "--all"); !strings.Contains(r.stdout, "revoked") {
		t.Errorf("%q", r.stdout)
	}
	f.sage(t, exitFailed, "token", "revoke", "aaaaaaaaaa")
	f.sage(t, exitFailed, "token", "create", "ana")
	f.sage(t, exitFailed, "token", "create", "ana", "--mailbox", "a.b")
}
