package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nats-io/nkeys"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// codeKeys says that the keys of the identities can't be used.
const codeKeys fault.Code = "NATS_KEYS"

type natsConfigCommand struct {
	Producer   map[string]string `name:"producer" placeholder:"NAME=MAILBOX,…" mapsep:"none" help:"A producer and the mailboxes that it may submit to; may be repeated."`
	Keys       string            `placeholder:"DIR" type:"path" help:"Where seeds of NKeys are kept: what is missing is made there, readable by its owner alone."`
	Key        map[string]string `name:"key" placeholder:"IDENTITY=PUBLIC" mapsep:"none" help:"The public NKey of an identity, whose seed is kept elsewhere; may be repeated."`
	JSON       bool              `name:"json" help:"Print one line of JSON: the configuration as a text, and whose keys are in it."`
	Name       string            `placeholder:"NAME" help:"The server's name."`
	Listen     string            `default:"0.0.0.0:4222" help:"Where clients connect."`
	Monitor    string            `placeholder:"HOST:PORT" help:"Where the server tells how it is; NATS_MONITOR_URL needs it."`
	Store      string            `default:"/var/lib/nats" help:"Where streams are kept."`
	Cert       string            `default:"/etc/nats/server.pem" help:"The server's certificate, on the server."`
	CertKey    string            `default:"/etc/nats/server-key.pem" help:"Its key, on the server."`
	ClientCA   string            `name:"client-ca" placeholder:"FILE" help:"An authority whose certificates clients must show, on the server."`
	Cluster    string            `default:"sage" placeholder:"NAME" help:"The name of the cluster, where --route names its servers."`
	Route      []string          `name:"route" placeholder:"HOST:PORT" help:"Where a server of the cluster finds another one, itself included; once for each of them."`
	RouteFrom  string            `name:"cluster-listen" default:"0.0.0.0:6222" placeholder:"HOST:PORT" help:"Where the other servers connect."`
	RouteCA    string            `name:"cluster-ca" default:"/etc/nats/ca.pem" placeholder:"FILE" help:"The authority of the servers' certificates, on the server."`
	Durability string            `enum:"fast,fsync,replicated" default:"fsync" env:"NATS_DURABILITY" help:"What an acknowledged publish survives: fast, fsync or replicated."`
}

// Help says what to do with it, and documents the exit codes.
func (natsConfigCommand) Help() string {
	return `Prints a configuration for nats-server: TLS, an NKey and permissions for each identity, and accounts that keep producers, ` +
		`and those who only read, from writing anything else. Give each component the seed of its own identity, as NATS_NKEY_SEED, ` +
		`and NATS_TLS_CA; a producer and the sage command also NATS_IDENTITY.

	sage admin nats-config --keys keys --producer ventas=ventas,devoluciones >nats.conf

Exit codes:

	0  printed
	2  wrong usage or a system failure`
}

// Run prints the configuration, and makes the keys that are missing.
func (c natsConfigCommand) Run(a *app) error {
	s := bus.ServerConfig{Name: c.Name, Listen: c.Listen, Monitor: c.Monitor, StoreDir: c.Store, Cert: c.Cert, Key: c.CertKey,
		ClientCA: c.ClientCA, Durability: bus.Durability(c.Durability)}
	if len(c.Route) > 0 {
		s.Cluster = bus.Cluster{Name: c.Cluster, Listen: c.RouteFrom, Routes: c.Route, CA: c.RouteCA}
	}
	for _, i := range bus.Identities {
		s.Users = append(s.Users, bus.User{Identity: i})
	}
	for _, name := range slices.Sorted(maps.Keys(c.Producer)) {
		s.Users = append(s.Users, bus.User{Identity: bus.Producer(name), Mailboxes: strings.Split(c.Producer[name], ",")})
	}
	for name, public := range c.Key {
		if !slices.ContainsFunc(s.Users, func(u bus.User) bool { return u.Identity == bus.Identity(name) }) {
			return fault.New(codeKeys, "--key names %s", name).Expecting("%v, or producer-NAME with --producer NAME", bus.Identities)
		}
		if !nkeys.IsValidPublicUserKey(public) { // it may be a seed, and is not shown
			return fault.New(codeKeys, "--key %s=… is not public", name).Expecting("the public NKey of a user: U and 55 letters and digits")
		}
	}
	// What is wrong must not leave keys behind.
	for n := range s.Users {
		s.Users[n].PublicKey = string(s.Users[n].Identity)
	}
	if err := s.Validate(); err != nil {
		return err
	}
	for n := range s.Users {
		var err error
		if s.Users[n].PublicKey, err = c.publicKey(s.Users[n].Identity); err != nil {
			return err
		}
	}
	if err := s.Validate(); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(a.stdout, natsConfigured(s))
	}
	_, err := fmt.Fprint(a.stdout, s.Text())
	return err
}

// natsConfig is what --json prints.
type natsConfig struct {
	Configuration string     `json:"configuration"`
	Users         []natsUser `json:"users"`
}

type natsUser struct {
	Identity  bus.Identity `json:"identity"`
	PublicKey string       `json:"public_key"`
	Mailboxes []string     `json:"mailboxes,omitempty"` // of a producer
}

func natsConfigured(s bus.ServerConfig) natsConfig {
	n := natsConfig{Configuration: s.Text()}
	for _, u := range s.Users {
		n.Users = append(n.Users, natsUser{u.Identity, u.PublicKey, u.Mailboxes})
	}
	return n
}

// publicKey is the one that was given, or that of the seed in the folder of keys,
// which is made when there is none.
func (c natsConfigCommand) publicKey(i bus.Identity) (string, error) {
	if given := c.Key[string(i)]; given != "" {
		return given, nil
	}
	if c.Keys == "" {
		return "", fault.New(codeKeys, "%s has no key", i).Expecting("--keys DIR, or --key %s=PUBLIC", i)
	}
	file := filepath.Join(c.Keys, string(i)+".nk")
	seed, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return newSeed(file)
	}
	if err != nil {
		return "", err
	}
	pair, err := nkeys.FromSeed([]byte(strings.TrimSpace(string(seed))))
	if err != nil {
		return "", fault.New(codeKeys, "%s holds no seed of an NKey", file).Advise("remove it to have one made")
	}
	return pair.PublicKey()
}

// newSeed makes a seed in a new file that only its owner may read.
func newSeed(file string) (public string, err error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return "", err
	}
	seed, err := pair.Seed()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return "", err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = f.Write(append(seed, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", err
	}
	return pair.PublicKey()
}
