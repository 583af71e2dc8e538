package notices

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v3"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/notify"
	"github.com/sagefleet/sagefleet/shared/secret"
)

// Webhook says what is called, and what signs it.
type Webhook struct {
	URL    string     `yaml:"url"`
	Secret secretText `yaml:"secret"`
}

// secretText is a secret in YAML, in the forms of package secret.
type secretText struct{ secret.Secret }

// UnmarshalYAML takes the text over without showing it in errors.
func (s *secretText) UnmarshalYAML(n *yaml.Node) error {
	s.Secret = secret.New(n.Value)
	return nil
}

// Validate refuses a webhook that can't work. code is the file's.
func (w Webhook) Validate(code fault.Code, name string) error {
	if !w.Secret.IsSet() {
		return Wrong(code, "webhook.secret", "", "a secret, such as file:///run/secrets/"+name)
	}
	return notify.ValidateURL(w.URL)
}

// Open gets the secret.
func (w Webhook) Open(ctx context.Context, network *notify.Network) (*notify.Webhook, error) {
	key, err := w.Secret.Value(ctx)
	if err != nil {
		return nil, fmt.Errorf("webhook.secret: %w", err)
	}
	return network.Webhook(w.URL, key)
}

// Read reads the YAML file that a variable names into v, and refuses what v doesn't know.
func Read(code fault.Code, variable, file string, v any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("%s: %w", variable, err)
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(v); err != nil && !errors.Is(err, io.EOF) {
		return fault.New(code, "%s %s: %w", variable, file, err).Permanent()
	}
	return nil
}

// Wrong is the fault of a field's value.
func Wrong(code fault.Code, field, value, expected string) error {
	f := fault.New(code, "%.200q", value).Expecting("%s", expected).Permanent()
	f.Field = field
	return f
}
