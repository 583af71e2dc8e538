package access

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/shared/settings"
)

// sessionCookie holds a token's id, when the session ends, and a signature over
// both: the token itself never reaches the browser's store.
const sessionCookie = "sage_session"

const minSessionKey = 32 // bytes

func sessionKey(ctx context.Context, cfg Config) ([]byte, error) {
	if !cfg.SessionKey.IsSet() {
		key := make([]byte, minSessionKey)
		_, _ = rand.Read(key) // never fails
		return key, nil
	}
	text, err := cfg.SessionKey.Value(ctx)
	if err != nil {
		return nil, err
	}
	if len(text) < minSessionKey {
		return nil, settings.Invalid("ACCESS_SESSION_KEY", cfg.SessionKey, "at least 32 bytes that nobody can guess")
	}
	return []byte(text), nil
}

// SignIn begins a session for who knows the token, and says who that is. The
// session is over when the token is, or after ACCESS_SESSION.
func (g *Gate) SignIn(w http.ResponseWriter, r *http.Request, token string) (Identity, error) {
	record, err := g.check(r.Context(), strings.TrimSpace(token))
	if err == nil {
		err = g.allow(record)
	}
	if err != nil {
		return Identity{}, err
	}
	ends := g.now().Add(g.cfg.Session)
	if !record.Expires.IsZero() && record.Expires.Before(ends) {
		ends = record.Expires
	}
	http.SetCookie(w, g.cookie(r, g.seal(record.ID, ends), ends))
	return record.Identity, nil
}

// SignOut ends the browser's session.
func (g *Gate) SignOut(w http.ResponseWriter, r *http.Request) {
	cookie := g.cookie(r, "", time.Unix(1, 0))
	cookie.MaxAge = -1
	http.SetCookie(w, cookie)
}

// cookie is Secure whenever the browser's side of the connection is; behind a
// proxy that ends TLS, the proxy says so.
func (g *Gate) cookie(r *http.Request, value string, ends time.Time) *http.Cookie {
	secure := r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
	return &http.Cookie{Name: sessionCookie, Value: value, Path: "/", Expires: ends.UTC(),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: secure}
}

func (g *Gate) seal(id string, ends time.Time) string {
	text := id + "." + strconv.FormatInt(ends.Unix(), 10)
	return text + "." + base64.RawURLEncoding.EncodeToString(g.sign(text))
}

func (g *Gate) sign(text string) []byte {
	mac := hmac.New(sha256.New, g.key)
	_, _ = mac.Write([]byte("sage session 1\n" + text))
	return mac.Sum(nil)
}

// resume returns the record of the token that a session began with. The record is
// looked at as for a token, so that revoking it ends its sessions too.
func (g *Gate) resume(ctx context.Context, value string) (Record, error) {
	cut := strings.LastIndexByte(value, '.')
	if cut < 0 {
		return Record{}, errInvalid("the session is not one of ours")
	}
	signature, err := base64.RawURLEncoding.DecodeString(value[cut+1:])
	if err != nil || !hmac.Equal(signature, g.sign(value[:cut])) {
		return Record{}, errInvalid("the session is not one of ours")
	}
	id, end, _ := strings.Cut(value[:cut], ".")
	unix, err := strconv.ParseInt(end, 10, 64)
	if now := g.now(); err != nil || !now.Before(time.Unix(unix, 0)) {
		return Record{}, errInvalid("the session is over")
	}
	record, err := g.look(ctx, id)
	if err != nil {
		return record, err
	}
	return record, record.stands(g.now())
}
