package secret_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/secret"
	"github.com/sagefleet/sagefleet/shared/settings"
)

const canary = "c4nary-7f1e"

type config struct {
	Name     string        `env:"NAME"`
	Password secret.Secret `env:"PASSWORD"`
	hidden   secret.Secret
	Inner    *struct{ Key secret.Secret }
}

func TestASecretIsNeverPrinted(t *testing.T) {
	cfg, err := settings.Parse[config](map[string]string{"NAME": "x", "PASSWORD": canary})
	if err != nil {
		t.Fatal(err)
	}
	cfg.hidden = cfg.Password
	cfg.Inner = &struct{ Key secret.Secret }{cfg.Password}
	var said bytes.Buffer
	for _, v := range []any{cfg, &cfg, cfg.Password, &cfg.Password, cfg.Inner, []secret.Secret{cfg.Password},
		map[string]secret.Secret{"a": cfg.Password}, errors.Join(fmt.Errorf("with %v and %q", cfg.Password, cfg.Password))} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
			_, _ = fmt.Fprintf(&said, verb+"\n", v)
		}
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		said.Write(data)
		log := zerolog.New(&said)
		log.Info().Interface("v", v).Any("a", v).Str("s", fmt.Sprint(v)).Msg("zerolog")
		slog.New(slog.NewJSONHandler(&said, nil)).Info("json", "v", v)
		slog.New(slog.NewTextHandler(&said, nil)).Info("text", "v", v)
	}
	zl := zerolog.New(&said)
	zl.Info().Stringer("s", cfg.Password).Msg("stringer")
	if strings.Contains(said.String(), canary) || strings.Contains(said.String(), fmt.Sprintf("%x", canary)) {
		t.Errorf("it was printed:\n%s", said.String())
	}
	if !strings.Contains(said.String(), "[hidden]") {
		t.Error("nothing says that something is hidden")
	}
}

func TestValue(t *testing.T) {
	t.Setenv("ELSEWHERE", canary)
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return "file://" + file
	}
	tests := map[string]struct {
		reference, want string
		code            fault.Code
	}{
		"unset":         {reference: ""},
		"plain":         {reference: canary, want: canary},
		"plain with :":  {reference: "user:" + canary, want: "user:" + canary},
		"file":          {reference: write("a", canary+"\r\n"), want: canary},
		"lines":         {reference: write("b", "a\nb\n"), want: "a\nb"},
		"no file":       {reference: "file://" + dir + "/none", code: secret.CodeUnavailable},
		"directory":     {reference: "file://" + dir, code: secret.CodeUnavailable},
		"empty file":    {reference: write("c", "\n"), code: secret.CodeUnavailable},
		"large file":    {reference: write("d", strings.Repeat("x", 64<<10+1)), code: secret.CodeUnavailable},
		"variable":      {reference: "env:ELSEWHERE", want: canary},
		"no variable":   {reference: "env:NOWHERE", code: secret.CodeUnavailable},
		"no name":       {reference: "secretsmanager://", code: secret.CodeUnavailable},
		"no field name": {reference: "secretsmanager://a#", code: secret.CodeUnavailable},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := secret.New(tt.reference).Value(t.Context())
			if tt.code == "" && (err != nil || got != tt.want) || tt.code != "" && fault.CodeOf(err) != tt.code {
				t.Errorf("Value = %q, %v; want %q %s", got, err, tt.want, tt.code)
			}
		})
	}
}

// serve answers as Secrets Manager does (its JSON 1.1 protocol).
func serve(t *testing.T, secrets map[string]string) (asked *[]string) {
	t.Helper()
	asked = &[]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ SecretId string } //nolint:revive // as it is called there
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue" || json.Unmarshal(body, &in) != nil {
			http.Error(w, "unexpected", http.StatusBadRequest)
			return
		}
		_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
		*asked = append(*asked, in.SecretId+" "+strings.Split(scope, "/")[2])
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		value, ok := secrets[in.SecretId]
		if !ok {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"__type":"ResourceNotFoundException","Message":"Secrets Manager can't find the specified secret."}`)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"Name": in.SecretId, "SecretString": value})
	}))
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_SECRETS_MANAGER": server.URL, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"AWS_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(name, value)
	}
	return asked
}

func TestSecretsManager(t *testing.T) {
	const arn = "arn:aws:secretsmanager:us-west-2:123456789012:secret:fleet/nats-AbCdEf"
	asked := serve(t, map[string]string{"fleet/password": canary, arn: `{"user":"worker","password":"` + canary + `","port":4222}`})
	tests := map[string]struct {
		reference, want string
		permanent       bool
	}{
		"whole":         {reference: "secretsmanager://fleet/password", want: canary},
		"field of ARN":  {reference: "secretsmanager://" + arn + "#password", want: canary},
		"no such":       {reference: "secretsmanager://fleet/none", permanent: true},
		"no object":     {reference: "secretsmanager://fleet/password#password", permanent: true},
		"no such field": {reference: "secretsmanager://" + arn + "#key", permanent: true},
		"no text":       {reference: "secretsmanager://" + arn + "#port", permanent: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := secret.New(tt.reference).Value(t.Context())
			if got != tt.want || (err != nil) != tt.permanent || fault.IsPermanent(err) != tt.permanent {
				t.Errorf("Value = %q, %v; want %q", got, err, tt.want)
			}
			if err != nil && (strings.Contains(err.Error(), canary) || fault.CodeOf(err) != secret.CodeUnavailable) {
				t.Errorf("the error is %v", err)
			}
		})
	}
	all := strings.Join(*asked, "\n")
	for _, want := range []string{"fleet/password eu-central-1", arn + " us-west-2"} {
		if !strings.Contains(all, want) {
			t.Errorf("it was asked for\n%s\nand not for %q", all, want)
		}
	}
}
