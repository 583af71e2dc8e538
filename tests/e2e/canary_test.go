package e2e

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/sagefleet/sagefleet/deploy/lambdalocal"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/tests/process"
)

// canary is a secret that must be found nowhere.
const canary = "c4n4ry-bd2f6c1e"

// TestSecretsStayWhereTheyAre has a fleet work with real secrets in its environment,
// and then looks for them in everything that it wrote.
func TestSecretsStayWhereTheyAre(t *testing.T) {
	storage, streams := t.TempDir(), t.TempDir()
	security := secure(t)
	server := startServer(t, security, streams, process.AnyPort)
	f := prepareFleet(t, security, server.URL, "file://"+storage, map[string]string{"MAX_ATTEMPTS": "1", "LAMBDA_GUARDED": "true",
		"AWS_SECRET_ACCESS_KEY": canary, "ENGINE": "exec", "ENGINE_COMMAND": `["/bin/sh","-c","env; env >&2; env >$1/env.txt; exit 0","sh","{out}","{data}","{config}"]`})
	f.join(t, server)
	secrets := []string{canary}
	var programs []*process.Process
	begin := func(i bus.Identity, name string, more map[string]string, args ...string) *process.Process {
		t.Helper()
		p := start(t, name, f.plainly(t, i, more, &secrets), args...)
		programs = append(programs, p)
		return p
	}
	ran := &process.Output{}
	lambda := f.startLambdaWith(t, lambdalocal.Config{Timeout: lambdaTimeout, Concurrency: lambdaConcurrency, Logs: ran}, nil)
	key := keyOfServer(t, security)
	secrets = append(secrets, lines(key)...)
	begin(bus.IdentityWorker, "worker", f.managed(t, bus.IdentityWorker, &secrets))
	begin(bus.IdentityBridge, "bridge", map[string]string{"LAMBDA_FUNCTION": function, "LAMBDA_ENDPOINT": lambda.URL(), "OVERFLOW_PENDING": "1",
		"METRICS_LISTEN": "127.0.0.1:0", "NATS_TLS_CERT": security.Config.Cert, "NATS_TLS_KEY": key})
	services := programs[:2:2]
	config, data := filepath.Join(t.TempDir(), "pedidos.yaml"), filepath.Join(t.TempDir(), "pedidos.csv")
	write(t, config, pedidos)
	write(t, data, orders(3, 0))
	for _, id := range []string{"one", "two"} {
		if p := begin(bus.Producer("e2e"), "sage", nil, "submit", config, data, "--mailbox", mailbox, "--id", id, "-v"); p.Exit(t, 20*time.Second) != 0 {
			t.Fatal("not submitted")
		}
	}
	if reply := invoke(t, lambda, f.direct(t, "direct")); reply.StatusCode != http.StatusOK {
		t.Errorf("the Lambda answered %+v", reply)
	}
	f.publish(t, mailbox, encode(t, f.request(mailbox, "dead", "file:///etc/passwd")))
	f.publish(t, mailbox, []byte("no request"))
	for id, kind := range map[string]execution.Kind{"one": execution.Succeeded, "two": execution.Succeeded, "dead": execution.Dead} {
		if o := f.outcome(t, mailbox, id); o.Kind != kind {
			t.Errorf("%s ended %s: %v", id, o.Kind, o.Fault)
		}
	}
	f.settled(t, 20*time.Second)
	begin(bus.IdentityOperator, "sage", nil, "dead", "export", "-v").Exit(t, 20*time.Second)

	for _, p := range services {
		for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
			wantNoneIn(t, p.String()+path, get(t, metricsOf(t, p)+path), secrets...)
		}
	}
	for _, p := range append(programs, server.Process) {
		wantNoneIn(t, p.String(), p.Tail(16<<20), secrets...)
	}
	wantNoneIn(t, "the Lambda", ran.Tail(16<<20), secrets...)
	if !strings.Contains(ran.Tail(16<<20), `"_aws"`) {
		t.Error("the Lambda told CloudWatch of no metric: this shows nothing")
	}
	// What the streams hold is on the disk as it was sent: records, events, dead letters.
	for _, place := range []struct{ dir, proof string }{{storage, "PATH="}, {streams, string(execution.Succeeded)}} {
		wantNone(t, place.dir, secrets, place.proof)
	}
}

// managed returns variables for a service of i whose secret is in AWS Secrets Manager.
func (f *fleet) managed(t *testing.T, i bus.Identity, secrets *[]string) map[string]string {
	t.Helper()
	seed, set := f.plainly(t, i, nil, secrets)["NATS_NKEY_SEED"]
	vars := map[string]string{"METRICS_LISTEN": "127.0.0.1:0"}
	if set {
		vars["NATS_NKEY_SEED"], vars["AWS_ENDPOINT_URL_SECRETS_MANAGER"] = "secretsmanager://fleet#seed", manager(t, seed)
	}
	return vars
}

// manager is an AWS Secrets Manager that has one secret.
func manager(t *testing.T, secret string) (url string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"Name":"fleet","SecretString":"{\"password\":\"%s\",\"seed\":\"%[1]s\"}"}`, strings.TrimSpace(secret))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// plainly returns the variables of i with its secret as it is.
func (f *fleet) plainly(t *testing.T, i bus.Identity, more map[string]string, secrets *[]string) map[string]string {
	t.Helper()
	vars := f.as(i, more)
	if file, ok := strings.CutPrefix(vars["NATS_NKEY_SEED"], "file://"); ok {
		seed, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		vars["NATS_NKEY_SEED"] = string(seed)
		*secrets = append(*secrets, string(seed))
	}
	return vars
}

// wantNone looks for secrets in all files under dir, which must hold the proof that
// looking there finds something.
func wantNone(t *testing.T, dir string, secrets []string, proof string) {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found = found || bytes.Contains(data, []byte(proof))
		for _, secret := range secrets {
			if bytes.Contains(data, []byte(secret)) {
				t.Errorf("%s holds a secret", path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !found {
		t.Errorf("%s holds no %q: this shows nothing", dir, proof)
	}
}

// TestFailingStartsTellNoSecret starts every program with secrets that don't work,
// given in every way. They end, or wait, and don't say what they were given.
func TestFailingStartsTellNoSecret(t *testing.T) {
	security := secure(t)
	server := startServer(t, security, t.TempDir(), process.AnyPort)
	f := prepareFleet(t, security, server.URL, directory(t), map[string]string{
		"LAMBDA_FUNCTION": function, "LAMBDA_ENDPOINT": "http://127.0.0.1:1", "LAMBDA_GUARDED": "true"})
	secrets := manager(t, canary)
	file := filepath.Join(t.TempDir(), "secret")
	write(t, file, []byte(canary))
	stranger, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := stranger.Seed()
	if err != nil {
		t.Fatal(err)
	}
	port, _ := process.ClosedPort(t)
	kinds := map[string]map[string]string{
		"seed":                 {"NATS_NKEY_SEED": canary},
		"seed in a file":       {"NATS_NKEY_SEED": "file://" + file},
		"seed in a variable":   {"NATS_NKEY_SEED": "env:OTHER", "OTHER": canary},
		"seed in the manager":  {"NATS_NKEY_SEED": "secretsmanager://fleet#seed"},
		"no such field":        {"NATS_NKEY_SEED": "secretsmanager://fleet#other"},
		"seed of a stranger":   {"NATS_NKEY_SEED": string(seed)},
		"credentials":          {"NATS_CREDS": "-----BEGIN NATS USER JWT-----\n" + canary},
		"credentials' file":    {"NATS_CREDS": "file://" + file},
		"password":             {"NATS_USER": "u", "NATS_PASSWORD": canary},
		"managed password":     {"NATS_USER": "u", "NATS_PASSWORD": "secretsmanager://fleet#password"},
		"certificate's key":    {"NATS_TLS_CERT": filepath.Join(filepath.Dir(security.File), "server.pem"), "NATS_TLS_KEY": canary},
		"password in the URL":  {"NATS_URL": fmt.Sprintf("nats://u:%s@127.0.0.1:%d", canary, port)},
		"denied by URL":        {"NATS_URL": strings.Replace(server.URL, "://", "://u:"+canary+"@", 1)},
		"URL that can't be":    {"NATS_URL": "nats://u:" + canary + " @:x:y/%zz"},
		"wrong other variable": {"NATS_PASSWORD": canary, "NATS_REPLICAS": "many", "DRAIN": "soon", "NATS_IDENTITY": "a.b"},
	}
	programs := map[string][]string{"worker": nil, "bridge": nil, "lambda": nil, "sage": {"backlog", "-v"}}
	for kind, vars := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			all := f.as(bus.IdentityOperator, nil)
			delete(all, "NATS_NKEY_SEED")
			delete(all, "NATS_IDENTITY")
			all["AWS_ENDPOINT_URL_SECRETS_MANAGER"] = secrets
			maps.Copy(all, vars)
			var started []*process.Process
			for name, args := range programs { // they wait at the same time
				started = append(started, process.Start(t, filepath.Join(binaries, name), all, args...))
			}
			for _, p := range started {
				wantFailure(t, p, canary, string(seed))
			}
		})
	}
}

// TestFailingCommandsTellNoSecret starts what sage does for long, or from a timer, with
// secrets that don't work: those that only one of them takes, and a password for NATS.
func TestFailingCommandsTellNoSecret(t *testing.T) {
	security := secure(t)
	server := startServer(t, security, t.TempDir(), process.AnyPort)
	f := prepareFleet(t, security, server.URL, directory(t), nil)
	secrets := manager(t, canary)
	port, _ := process.ClosedPort(t)
	files := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(files, name)
		write(t, path, []byte(text))
		return path
	}
	const hook = "mailboxes: {pedidos: {webhook: {url: %q, secret: %q}}}"
	good := file("good.yaml", fmt.Sprintf(hook, "https://example.com/", canary+canary))
	denied := map[string]string{"NATS_USER": "u", "NATS_PASSWORD": canary, "ANSWERS_FILE": good, "LEDGER_URL": "sqlite://" + files + "/ledger"}
	mail := map[string]string{"ANSWERS_FILE": good, "SMTP_ADDRESS": "mail.example.com:587", "SMTP_FROM": "sage@example.com", "SMTP_USER": "u"}
	with := func(vars map[string]string, more ...string) map[string]string {
		vars = maps.Clone(vars)
		for n := 0; n < len(more); n += 2 {
			vars[more[n]] = more[n+1]
		}
		return vars
	}
	for name, tt := range map[string]struct {
		vars map[string]string
		args []string
	}{
		"serve, denied":               {denied, []string{"serve"}},
		"serve, ledger":               {map[string]string{"LEDGER_URL": fmt.Sprintf("postgres://u:%s@127.0.0.1:%d/sage", canary, port)}, []string{"serve"}},
		"serve, ledger's URL":         {map[string]string{"LEDGER_URL": "postgres://u:" + canary + " @:x:y/%zz"}, []string{"serve"}},
		"serve, managed ledger":       {map[string]string{"LEDGER_URL": "secretsmanager://fleet#password"}, []string{"serve"}},
		"serve, session key":          {with(denied, "ACCESS_SESSION_KEY", canary), []string{"serve"}},
		"serve, certificate's key":    {with(denied, "TLS_CERT", filepath.Join(filepath.Dir(security.File), "server.pem"), "TLS_KEY", canary), []string{"serve"}},
		"watch, denied":               {denied, []string{"watch", files}},
		"gc, denied":                  {denied, []string{"admin", "gc"}},
		"provision, denied":           {denied, []string{"admin", "provision"}},
		"ledger, denied":              {denied, []string{"ledger", "rebuild"}},
		"notify, denied":              {denied, []string{"notify"}},
		"notify, webhook's secret":    {with(denied, "ANSWERS_FILE", file("short.yaml", fmt.Sprintf(hook, "https://example.com/", canary))), []string{"notify"}},
		"notify, webhook's URL":       {with(denied, "ANSWERS_FILE", file("url.yaml", fmt.Sprintf(hook, "file:///x", canary+canary))), []string{"notify"}},
		"notify, wrong file":          {with(denied, "ANSWERS_FILE", file("wrong.yaml", "mailboxes: {pedidos: {webhook: {secret: "+canary+", x: ["), "SMTP_PASSWORD", canary), []string{"notify"}},
		"notify, mail's password":     {with(mail, "SMTP_PASSWORD", canary, "SMTP_TLS", "none"), []string{"notify"}},
		"notify, managed password":    {with(mail, "SMTP_PASSWORD", "secretsmanager://fleet#other"), []string{"notify"}},
		"notify, password and NATS's": {with(denied, "SMTP_PASSWORD", canary, "SMTP_ADDRESS", "mail.example.com:587", "SMTP_FROM", "sage@example.com"), []string{"notify"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := f.as(bus.IdentityOperator, nil)
			delete(all, "NATS_NKEY_SEED")
			delete(all, "NATS_IDENTITY")
			all["AWS_ENDPOINT_URL_SECRETS_MANAGER"] = secrets
			maps.Copy(all, tt.vars)
			wantFailure(t, process.Start(t, filepath.Join(binaries, "sage"), all, tt.args...), canary)
		})
	}
}

// wantFailure waits until p has ended, or says that it waits, and looks for secrets
// in what it wrote.
func wantFailure(t *testing.T, p *process.Process, secrets ...string) {
	t.Helper()
	process.Eventually(t, 30*time.Second, p.String()+" ends, or says that it waits", func() bool {
		return !p.Running() || len(p.Logged("waiting for nats")) > 0
	})
	said := p.Tail(1 << 20)
	if said == "" || !p.Running() && p.Exit(t, time.Second) == 0 {
		t.Errorf("%s did not fail: %s", p, said)
	}
	for _, secret := range secrets {
		if strings.Contains(said, secret) {
			t.Errorf("%s tells a secret:\n%s", p, said)
		}
	}
}
