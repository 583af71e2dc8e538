package notify_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/notify"
)

const key = notify.SecretPrefix + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

func hook(t *testing.T, private []netip.Prefix, url string) *notify.Webhook {
	t.Helper()
	w, err := notify.NewNetwork(private).Webhook(url, key)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Whoever verifies with a library of Standard Webhooks takes what was signed here, and
// nothing that was changed on the way.
func TestWhatIsPostedIsSigned(t *testing.T) {
	t.Parallel()
	verifier, err := standardwebhooks.NewWebhook(key)
	if err != nil {
		t.Fatal(err)
	}
	var heard int
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		heard++
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if err := verifier.Verify(body, r.Header); err != nil {
			t.Errorf("it is not signed: %v", err)
		}
		if verifier.Verify(append(body, ' '), r.Header) == nil {
			t.Error("the signature is of another body, too")
		}
		var said map[string]string
		if json.Unmarshal(body, &said) != nil || said["how"] != "well" || r.Header.Get("Webhook-Id") != "m1" || r.Header.Get("Idempotency-Key") != "m1" {
			t.Errorf("got %s and %v", body, r.Header)
		}
	}))
	defer srv.Close()
	if err := hook(t, loopback, srv.URL).Send(t.Context(), notify.Message{ID: "m1", Data: map[string]string{"how": "well"}}); err != nil || heard != 1 {
		t.Errorf("%v, heard %d times", err, heard)
	}
}

func TestWhatAnAnswerMeans(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]struct{ failed, permanent bool }{
		200: {}, 204: {}, 302: {true, false}, 400: {true, true}, 401: {true, false}, 404: {true, false}, 410: {true, true},
		422: {true, true}, 429: {true, false}, 500: {true, false}, 503: {true, false},
	} {
		elsewhere := 0
		mux := http.NewServeMux()
		mux.HandleFunc("/elsewhere", func(http.ResponseWriter, *http.Request) { elsewhere++ })
		mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		})
		srv := httptest.NewServer(mux)
		err := hook(t, loopback, srv.URL+"/t0ken").Send(t.Context(), notify.Message{ID: "m1"})
		srv.Close()
		if (err != nil) != want.failed || fault.IsPermanent(err) != want.permanent || elsewhere > 0 {
			t.Errorf("%d: %v; redirects followed: %d", status, err, elsewhere)
		}
		if err != nil && strings.Contains(err.Error(), "t0ken") {
			t.Errorf("%d: the error shows the path: %v", status, err)
		}
	}
}

// Nothing that stands beside the fleet is reached: the name is resolved, and the
// address is judged at the connection.
func TestPrivateAddressesAreNotReached(t *testing.T) {
	t.Parallel()
	reached := false
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true })
	plain, secured := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secured.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(plain.URL, "http://"), ":")
	for _, url := range []string{plain.URL, secured.URL, "http://localhost:" + port, "https://localhost:" + port,
		"http://[::ffff:127.0.0.1]:" + port, "https://169.254.169.254/latest/meta-data", "http://1.1.1.1/"} {
		err := hook(t, nil, url).Send(t.Context(), notify.Message{ID: "m1"})
		if f, ok := errors.AsType[*fault.Error](err); !ok || f.Code != notify.CodeForbidden || reached {
			t.Errorf("%s: %v, reached: %v", url, err, reached)
		}
	}
}

func TestPublicAddresses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"1.1.1.1": true, "2606:4700::1111": true, "93.184.216.34": true,
		"127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false, "100.100.100.200": false,
		"0.0.0.0": false, "0.1.2.3": false, "224.0.0.1": false, "255.255.255.255": false, "198.18.0.1": false, "::1": false, "::": false,
		"fe80::1": false, "fd00:ec2::254": false, "::ffff:1.1.1.1": false, "64:ff9b::a00:1": false, "2002:a00:1::": false, "ff02::1": false,
	} {
		if got := notify.IsPublic(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: public %v", text, got)
		}
	}
}

func TestWhatCanNotBeAWebhook(t *testing.T) {
	t.Parallel()
	n := notify.NewNetwork(nil)
	for _, url := range []string{"", "file:///etc/passwd", "gopher://x/", "https://u:p@example.com/", "https:///x", "example.com"} {
		if _, err := n.Webhook(url, key); err == nil {
			t.Errorf("%q was taken", url)
		}
	}
	for _, secret := range []string{"", "short", notify.SecretPrefix + "%%%", notify.SecretPrefix + "MfKQ"} {
		if _, err := n.Webhook("https://example.com", secret); err == nil || secret != "" && strings.Contains(err.Error(), secret) {
			t.Errorf("secret %q: %v", secret, err)
		}
	}
}
