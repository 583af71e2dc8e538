package bustest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/secret"
)

// Security is what it takes to run, and to join, a server that wants TLS and NKeys
// and lets each identity do what it needs.
type Security struct {
	File   string           // the server's configuration, as `sage admin nats-config` prints it
	Config bus.ServerConfig // what it says
	CA     string           // the authority of the server's certificate, PEM
	dir    string
}

// Secure makes certificates and keys, and a configuration for all identities and
// for producers with the given mailboxes.
func Secure(t testing.TB, storeDir string, producers map[string][]string) Security {
	t.Helper()
	dir := t.TempDir()
	s := Security{File: filepath.Join(dir, "nats.conf"), CA: filepath.Join(dir, "ca.pem"), dir: dir}
	cfg := bus.ServerConfig{Listen: "127.0.0.1:-1", StoreDir: storeDir, Durability: bus.Fast,
		Cert: filepath.Join(dir, "server.pem"), Key: filepath.Join(dir, "server-key.pem")}
	certify(t, s.CA, cfg.Cert, cfg.Key)
	for _, i := range bus.Identities {
		cfg.Users = append(cfg.Users, bus.User{Identity: i, PublicKey: s.newKey(t, i)})
	}
	for _, name := range slices.Sorted(maps.Keys(producers)) {
		i := bus.Producer(name)
		cfg.Users = append(cfg.Users, bus.User{Identity: i, PublicKey: s.newKey(t, i), Mailboxes: producers[name]})
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	s.Config = cfg
	write(t, s.File, []byte(cfg.Text()))
	return s
}

// RunSecured is [Run] of a server with that security, not provisioned. The Config
// is that of nobody: see [Security.As].
func RunSecured(t testing.TB, producers map[string][]string) (Server, Security) {
	t.Helper()
	s := Secure(t, t.TempDir(), producers)
	return s.Run(t, s.Config), s
}

// Run is [Run] of a server with the configuration given, one like [Security.Config].
func (s Security) Run(t testing.TB, cfg bus.ServerConfig) Server {
	t.Helper()
	file := filepath.Join(t.TempDir(), "nats.conf")
	write(t, file, []byte(cfg.Text()))
	return Run(t, func(o *server.Options) {
		parsed, err := server.ProcessConfigFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parsed.ServerName, parsed.NoLog, parsed.NoSigs = o.ServerName, true, true
		*o = *parsed
	})
}

// Connect connects to s as i until the test ends.
func (s Security) Connect(t testing.TB, to Server, i bus.Identity) jetstream.JetStream {
	t.Helper()
	nc, err := bus.Connect(t.Context(), s.As(i, to.Config), i)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := bus.Open(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// Variables are what a program is told to connect as i.
func (s Security) Variables(i bus.Identity) map[string]string {
	return map[string]string{"NATS_TLS_CA": s.CA, "NATS_IDENTITY": string(i), "NATS_NKEY_SEED": "file://" + s.seed(i)}
}

// As returns cfg as i has it.
func (s Security) As(i bus.Identity, cfg bus.Config) bus.Config {
	cfg.TLSCA, cfg.Identity, cfg.NKeySeed = s.CA, i, secret.New("file://"+s.seed(i))
	return cfg
}

func (s Security) seed(i bus.Identity) string { return filepath.Join(s.dir, string(i)+".nk") }

func (s Security) newKey(t testing.TB, i bus.Identity) (public string) {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	write(t, s.seed(i), seed)
	if public, err = pair.PublicKey(); err != nil {
		t.Fatal(err)
	}
	return public
}

// certify makes an authority and, by it, a certificate for this machine.
func certify(t testing.TB, ca, cert, key string) {
	t.Helper()
	newPair := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	sign := func(serial int64, template, parent *x509.Certificate, public *ecdsa.PublicKey, by *ecdsa.PrivateKey) []byte {
		template.SerialNumber = big.NewInt(serial)
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	authority, own := newPair(), newPair()
	root := &x509.Certificate{Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	write(t, ca, sign(1, root, root, &authority.PublicKey, authority))
	leaf := &x509.Certificate{Subject: pkix.Name{CommonName: "nats"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}} // other servers of a cluster are its clients
	write(t, cert, sign(2, leaf, root, &own.PublicKey, authority))
	der, err := x509.MarshalECPrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	write(t, key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}

func write(t testing.TB, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
