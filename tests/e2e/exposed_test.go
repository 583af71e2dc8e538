package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/tests/process"
)

// TestTokensStayWhereTheyAre has `sage serve` asked with tokens, good and wrong ones, over
// the API and the console, and then looks for them and for the key of the sessions.
func TestTokensStayWhereTheyAre(t *testing.T) {
	storage, streams, books := t.TempDir(), t.TempDir(), t.TempDir()
	security := secure(t)
	server := startServer(t, security, streams, process.AnyPort)
	f := prepareFleet(t, security, server.URL, "file://"+storage, nil)
	f.join(t, server)
	f.startWorker(t)
	sessionKey := strings.Repeat(canary, 4)
	s := f.serve(t, map[string]string{"ACCESS_SESSION_KEY": sessionKey, "LEDGER_URL": "sqlite://" + books + "/ledger"})
	// Of the same form, but nobody's; and of another.
	stranger := s.token[:len(s.token)-8] + "aaaaaaaa"
	secrets := []string{sessionKey, s.token[strings.LastIndexByte(s.token, '_')+1:], "aaaaaaaa", "sage-" + canary}

	if status, answer := s.submit(t, "e1", orders(3, 1)); status != http.StatusAccepted {
		t.Fatalf("%d %s", status, answer)
	}
	f.outcome(t, mailbox, "e1")
	path := "/v1/executions/" + mailbox + "/e1"
	process.Eventually(t, 20*time.Second, "the ledger lists it", func() bool {
		_, answer := s.do(t, "GET", "/v1/executions?state=SUCCEEDED", "", nil)
		return strings.Contains(string(answer), `"e1"`)
	})
	for _, token := range []string{s.token, stranger, "sage-" + canary} {
		as := site{s.Process, s.url, token}
		for _, asked := range []string{path, path + "/report.json", path + "/report.html", "/v1/executions", "/v1/none", "/metrics", "/", "/none"} {
			_, answer := as.do(t, "GET", asked, "", nil)
			wantNoneIn(t, asked, string(answer), secrets...)
		}
		wantNoneIn(t, "the console", s.signIn(t, token), secrets...)
	}
	s.Signal(t, syscall.SIGTERM)
	if code := s.Exit(t, 20*time.Second); code != 0 {
		t.Errorf("it ended with %d", code)
	}
	wantNoneIn(t, "sage serve", s.Tail(16<<20), secrets...)
	wantNoneIn(t, "the server", server.Process.Tail(16<<20), secrets...)
	for _, place := range []struct{ dir, proof string }{{storage, "pedidos"}, {streams, string(execution.Succeeded)}, {books, "pedidos"}} {
		wantNone(t, place.dir, secrets, place.proof)
	}
}

// signIn gives a token to the console's form and returns all that a browser sees then,
// headers included.
func (s site) signIn(t *testing.T, token string) string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	var seen strings.Builder
	browser := http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		_ = r.Response.Header.Write(&seen)
		return nil
	}}
	answer, err := browser.PostForm(s.url+"/login", url.Values{"token": {token}})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	_ = answer.Header.Write(&seen)
	if _, err := io.Copy(&seen, answer.Body); err != nil {
		t.Fatal(err)
	}
	return seen.String()
}

// TestCredentialsAreUsedAndStay has a worker and a producer join a server that knows
// users by what an operator signed, and looks for their keys.
func TestCredentialsAreUsedAndStay(t *testing.T) {
	storage, streams := t.TempDir(), t.TempDir()
	creds, seed, file := operated(t)
	server := process.StartServer(t, binaries, streams, process.AnyPort, "--config", file)
	f := prepareFleet(t, bustest.Security{}, server.URL, "file://"+storage, map[string]string{"NATS_CREDS": creds, "METRICS_LISTEN": "127.0.0.1:0"})
	_, js := server.Connect(t, f.cfg)
	if err := bus.Provision(t.Context(), js, f.cfg); err != nil {
		t.Fatal(err)
	}
	worker := start(t, "worker", f.vars)
	if _, err := producer.New(js, f.objects).Submit(t.Context(), submission(mailbox, "e1", orders(3, 0))); err != nil {
		t.Fatal(err)
	}
	if o := f.outcome(t, mailbox, "e1"); o.Kind != execution.Succeeded {
		t.Errorf("it ended %s: %v", o.Kind, o.Fault)
	}
	secrets := []string{seed}
	wantNoneIn(t, "metrics", get(t, metricsOf(t, worker)+"/metrics"), secrets...)
	worker.Stop(t)
	wantNoneIn(t, "worker", worker.Tail(16<<20), secrets...)
	wantNoneIn(t, "server", server.Tail(16<<20), secrets...)
	for _, place := range []struct{ dir, proof string }{{storage, "pedidos"}, {streams, "e1"}} {
		wantNone(t, place.dir, secrets, place.proof)
	}
}

// operated makes an operator, an account and a user, and returns the user's credentials,
// the seed in them, and the configuration of a server that trusts the operator.
func operated(t *testing.T) (creds, seed, file string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	pair := func(make func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string) {
		p, err := make()
		must(err)
		public, err := p.PublicKey()
		must(err)
		return p, public
	}
	operator, operatorKey := pair(nkeys.CreateOperator)
	account, accountKey := pair(nkeys.CreateAccount)
	_, systemKey := pair(nkeys.CreateAccount)
	user, userKey := pair(nkeys.CreateUser)

	ofOperator := jwt.NewOperatorClaims(operatorKey)
	ofOperator.SystemAccount = systemKey
	trusted, err := ofOperator.Encode(operator)
	must(err)
	ofAccount := jwt.NewAccountClaims(accountKey)
	ofAccount.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
	fleets, err := ofAccount.Encode(operator)
	must(err)
	systems, err := jwt.NewAccountClaims(systemKey).Encode(operator)
	must(err)
	users, err := jwt.NewUserClaims(userKey).Encode(account)
	must(err)
	secretSeed, err := user.Seed()
	must(err)
	text, err := jwt.FormatUserConfig(users, secretSeed)
	must(err)

	file = filepath.Join(t.TempDir(), "nats.conf")
	write(t, file, fmt.Appendf(nil, "operator: %s\nresolver: MEMORY\nresolver_preload: {%s: %s, %s: %s}\n",
		trusted, accountKey, fleets, systemKey, systems))
	return string(text), string(secretSeed), file
}

// keyOfServer is the key of the server's certificate, which clients may show too.
func keyOfServer(t *testing.T, security bustest.Security) string {
	t.Helper()
	key, err := os.ReadFile(security.Config.Key)
	if err != nil {
		t.Fatal(err)
	}
	return string(key)
}

// lines are those of a PEM text that are secret: whoever writes it may break it elsewhere.
func lines(pem string) (all []string) {
	for line := range strings.Lines(pem) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "-----") {
			all = append(all, line)
		}
	}
	return all
}

var served = regexp.MustCompile(`"address":"([^"]+)","[^\n]*"metrics are served"`)

// metricsOf is where p shows how it is doing.
func metricsOf(t *testing.T, p *process.Process) (url string) {
	t.Helper()
	process.Eventually(t, 20*time.Second, p.String()+" serves metrics", func() bool {
		if at := served.FindStringSubmatch(p.Tail(1 << 20)); at != nil {
			url = "http://" + at[1]
		}
		return url != ""
	})
	return url
}

func get(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %s, %v", url, answer.Status, body, err)
	}
	return string(body)
}

// wantNoneIn looks for secrets in what was said, which must be something.
func wantNoneIn(t *testing.T, where, said string, secrets ...string) {
	t.Helper()
	if said == "" {
		t.Errorf("%s says nothing: this shows nothing", where)
	}
	for _, secret := range secrets {
		if strings.Contains(said, secret) {
			t.Errorf("%s tells a secret:\n%.4000s", where, said)
		}
	}
}
