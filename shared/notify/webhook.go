package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/settings"
)

// SecretPrefix is what a secret of Standard Webhooks begins with. Base64 follows.
const SecretPrefix = "whsec_"

const (
	minSecret = 24       // bytes, as Standard Webhooks has it
	maxAnswer = 64 << 10 // bytes of an answer that are read, so that the connection can be used again
)

// Webhook posts messages to a URL, signed as Standard Webhooks 1.0
// (https://www.standardwebhooks.com) has it: in the headers webhook-id,
// webhook-timestamp (Unix seconds) and webhook-signature, which is "v1," and the
// Base64 of the HMAC-SHA256 of "id.timestamp.body".
//
// Webhook is safe for concurrent use.
type Webhook struct {
	url     string
	key     []byte
	clients clients
}

// clients are how webhooks reach the network. Those that share one share connections.
type clients struct{ secured, plain *http.Client }

// ValidateURL refuses what no webhook can be posted to.
func ValidateURL(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
		return fault.New(settings.CodeInvalid, "a webhook's url is %.200q", address).
			Expecting("https://HOST/PATH, without a user").Permanent()
	}
	return nil
}

// Key decodes a secret: what stands in Base64 behind [SecretPrefix], or else the bytes
// of the text.
func Key(secret string) ([]byte, error) {
	key := []byte(secret)
	if encoded, ok := strings.CutPrefix(secret, SecretPrefix); ok {
		var err error
		if key, err = base64.StdEncoding.DecodeString(encoded); err != nil {
			return nil, fault.New(settings.CodeInvalid, "a webhook's secret begins with %s, and no Base64 follows", SecretPrefix).Permanent()
		}
	}
	if len(key) < minSecret {
		return nil, fault.New(settings.CodeInvalid, "a webhook's secret has %d bytes", len(key)).
			Expecting("%d or more", minSecret).Advise("make one: echo %s$(openssl rand -base64 32)", SecretPrefix).Permanent()
	}
	return key, nil
}

// Webhook returns a Webhook to address, signed with secret.
func (n *Network) Webhook(address, secret string) (*Webhook, error) {
	if err := ValidateURL(address); err != nil {
		return nil, err
	}
	key, err := Key(secret)
	return &Webhook{url: address, key: key, clients: n.clients}, err
}

// Send posts m's data, which is taken over by any answer of 2xx. Redirects are not
// followed: who moves says so to whoever keeps the configuration.
func (w *Webhook) Send(ctx context.Context, m Message) error {
	body, err := json.Marshal(m.Data)
	if err != nil {
		return fault.New(CodeRefused, "webhook: %w", err).Permanent()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return fault.New(CodeRefused, "webhook: %w", err).Permanent()
	}
	now := strconv.FormatInt(time.Now().Unix(), 10)
	req.Header = http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"sage-notify"},
		"Webhook-Id": {m.ID}, "Webhook-Timestamp": {now}, "Webhook-Signature": {w.sign(m.ID, now, body)},
		"Idempotency-Key": {m.ID},
	}
	client := w.clients.secured
	if req.URL.Scheme == "http" {
		client = w.clients.plain
	}
	resp, err := client.Do(req)
	if err != nil {
		return undelivered(w.host(), err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	return judge(w.host(), resp.StatusCode)
}

func (w *Webhook) sign(id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, w.key)
	_, _ = fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// host is what may be shown of the URL: the rest may hold somebody's token.
func (w *Webhook) host() string {
	u, err := url.Parse(w.url)
	if err != nil {
		return ""
	}
	return u.Host
}

// judge says whether an answer means that it was taken over, or may be another time.
func judge(host string, status int) error {
	f := func(code fault.Code) *fault.Error { return fault.New(code, "webhook %s answered %d", host, status) }
	switch status {
	case http.StatusBadRequest, http.StatusGone, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
		http.StatusUnprocessableEntity: // about this message, and not about how things stand today
		return f(CodeRefused).Expecting("2xx").Permanent()
	}
	switch {
	case status >= 200 && status < 300:
		return nil
	case status >= 300 && status < 400:
		return f(CodeUndelivered).Expecting("2xx: redirects are not followed").Advise("give the url that it redirects to")
	}
	return f(CodeUndelivered).Expecting("2xx")
}

// undelivered hides the URL, which the client's own errors quote.
func undelivered(host string, err error) error {
	if forbidden, ok := asForbidden(err); ok {
		return forbidden
	}
	if u, ok := err.(*url.Error); ok {
		err = u.Err
	}
	return fault.New(CodeUndelivered, "webhook %s: %w", host, err)
}
