package access

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/secret"
	"github.com/sagefleet/sagefleet/shared/settings"
)

// Config says how long what is known of a token is believed, and how much each
// may ask.
type Config struct {
	// Cache is how long a token is believed without looking again: how much longer
	// than it should a revoked one may be good.
	Cache time.Duration `env:"ACCESS_CACHE" envDefault:"5s"`
	Rate  float64       `env:"ACCESS_RATE" envDefault:"50"`   // requests per second of one token, on average
	Burst int           `env:"ACCESS_BURST" envDefault:"100"` // requests of one token at once
	// Session is how long a browser stays logged in.
	Session time.Duration `env:"ACCESS_SESSION" envDefault:"12h"`
	// SessionKey signs sessions: at least 32 bytes, the same for every `sage serve`
	// behind one address (*secret*). Without it, each start ends all sessions.
	SessionKey secret.Secret `env:"ACCESS_SESSION_KEY"`
}

// Validate refuses values that can't work, by variable.
func (c Config) Validate() error {
	switch {
	case c.Cache < 0 || c.Cache > time.Minute:
		return settings.Invalid("ACCESS_CACHE", c.Cache, "0 to 1m: so long a revoked token is still good")
	case c.Rate <= 0:
		return settings.Invalid("ACCESS_RATE", c.Rate, "a number above 0")
	case c.Burst < 1:
		return settings.Invalid("ACCESS_BURST", c.Burst, "1 or more")
	case c.Session < time.Minute:
		return settings.Invalid("ACCESS_SESSION", c.Session, "1m or more")
	}
	return nil
}

// Limited is the cause of an ACCESS_RATE fault: when to ask again.
type Limited struct{ After time.Duration }

func (l Limited) Error() string { return fmt.Sprintf("too many requests; wait %s", l.After) }

// Gate lets in who bears a token that is good, or has a session begun with one.
// It is safe for concurrent use.
type Gate struct {
	tokens *Tokens
	cfg    Config
	key    []byte // signs sessions
	now    func() time.Time

	mu    sync.Mutex
	known map[string]*known // by token id; only tokens that exist, so nobody can fill it
}

// known is what was last read of a token, and what it may still ask.
type known struct {
	record  Record
	until   time.Time // it is believed
	limiter *rate.Limiter
}

// NewGate returns a Gate over tokens. It fails when the key of sessions can't be
// had, or is too short.
func NewGate(ctx context.Context, tokens *Tokens, cfg Config) (*Gate, error) {
	key, err := sessionKey(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &Gate{tokens: tokens, cfg: cfg, key: key, now: time.Now, known: map[string]*known{}}, nil
}

// Identify says whose request r is.
func (g *Gate) Identify(r *http.Request) (Identity, error) {
	record, err := g.find(r)
	if err != nil {
		return Identity{}, err
	}
	return record.Identity, g.allow(record)
}

// find is the record of the token that r bears, or that its session began with. A
// header comes first: a program's own word counts for more than a browser's cookie.
func (g *Gate) find(r *http.Request) (Record, error) {
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, token, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return Record{}, errInvalid("the Authorization header has another scheme than Bearer")
		}
		return g.check(r.Context(), strings.TrimSpace(token))
	}
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		return g.resume(r.Context(), cookie.Value)
	}
	return Record{}, fault.New(CodeMissing, "the request bears no token").
		Expecting("the header Authorization: Bearer sage_…").Advise("have one made with `sage token create`").Permanent()
}

// check returns the record of the token with that text, if it is good.
func (g *Gate) check(ctx context.Context, text string) (Record, error) {
	id, hash, ok := parseToken(text)
	if !ok {
		return Record{}, errInvalid("what the request bears is no token")
	}
	record, err := g.look(ctx, id)
	if err != nil {
		return record, err
	}
	return record, record.check(hash, g.now())
}

// look returns the record of a token as it is now, or was a moment ago.
func (g *Gate) look(ctx context.Context, id string) (Record, error) {
	now := g.now()
	g.mu.Lock()
	k := g.known[id]
	if k != nil && now.Before(k.until) {
		defer g.mu.Unlock()
		return k.record, nil
	}
	g.mu.Unlock()

	record, err := g.tokens.Get(ctx, id)
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case errors.Is(err, ErrNone):
		delete(g.known, id)
		return record, errInvalid("the token is not known")
	case fault.CodeOf(err) == CodeInvalid:
		return record, err
	case err != nil:
		return record, fault.New(CodeUnavailable, "nobody can say now whose the token is: %w", err).Advise("try again in a moment")
	}
	if k = g.known[id]; k == nil {
		k = &known{limiter: rate.NewLimiter(rate.Limit(g.cfg.Rate), g.cfg.Burst)}
		g.known[id] = k
	}
	k.record, k.until = record, now.Add(g.cfg.Cache)
	return record, nil
}

// allow counts one request of a token.
func (g *Gate) allow(r Record) error {
	g.mu.Lock()
	k := g.known[r.ID]
	g.mu.Unlock()
	if k == nil {
		return nil // revoked this moment; the next look says so
	}
	now := g.now()
	turn := k.limiter.ReserveN(now, 1)
	wait := turn.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	turn.CancelAt(now)
	return fault.New(CodeRate, "token %s of %s asks too often: %w", r.ID, r.Name, Limited{wait}).
		Expecting("at most %g requests per second", g.cfg.Rate).Advise("slow down, and wait as Retry-After says")
}
