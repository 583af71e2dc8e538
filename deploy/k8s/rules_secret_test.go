package k8s

import (
	"maps"
	"net/url"
	"path"
	"reflect"
	"slices"
	"strings"

	core "k8s.io/api/core/v1"

	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/producer/server"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/ledger"
	"github.com/sagefleet/sagefleet/shared/notify"
	"github.com/sagefleet/sagefleet/shared/secret"
)

// given are what whoever applies an overlay makes beforehand, as README says.
var given = map[string][]string{
	"ConfigMap/nats-config": {"nats.conf"},
	"ConfigMap/rds-ca":      {"ca.pem"},
	"Secret/nats-tls":       {"tls.crt", "tls.key", "ca.crt"},
	"Secret/nats-keys":      keyFiles(),
}

func keyFiles() (files []string) {
	for _, i := range bus.Identities {
		files = append(files, string(i)+".nk")
	}
	return files
}

// checkSecrets: a manifest lies in a repository, and says where secrets are.
func checkSecrets(s set, report reporter) {
	for name := range all[core.Secret](s) {
		report(name, "is a secret in a manifest")
	}
	elsewhere := func(value string) bool {
		u, err := url.Parse(value)
		byIAM := err == nil && u.Query().Get("auth") == "iam" && u.User != nil && u.User.String() == u.User.Username()
		return byIAM || value == "" || strings.HasPrefix(value, "file:///") || strings.HasPrefix(value, "sqlite:///") || strings.HasPrefix(value, "secretsmanager://")
	}
	for _, p := range s.pods() {
		for _, c := range p.containers() {
			variables, err := s.environment(c)
			if err != nil {
				continue // another rule says so
			}
			for name, value := range variables {
				if (secrets[name] || name == "AWS_SECRET_ACCESS_KEY") && !elsewhere(value) {
					report(p.name, "%s of %s holds a secret; expected file:///… or secretsmanager://…", name, c.Name)
				}
			}
		}
	}
}

// secrets are the variables that hold one, or say where it is.
var secrets = func() map[string]bool {
	names := map[string]bool{}
	for _, config := range []reflect.Type{reflect.TypeFor[bus.Config](), reflect.TypeFor[ledger.Config](), reflect.TypeFor[access.Config](), reflect.TypeFor[server.Config](),
		reflect.TypeFor[notify.Config]()} {
		for field := range config.Fields() {
			if field.Type == reflect.TypeFor[secret.Secret]() {
				names[field.Tag.Get("env")] = true
			}
		}
	}
	return names
}()

// checkIdentity: each container joins NATS as who it is, sees no other's key, and asks
// AWS for its own role, with a token that is not the cluster's.
func checkIdentity(s set, report reporter) {
	as := map[string]string{"worker": "worker", "bridge": "bridge", "serve": "serve", "notify": "notify", "provision": "admin", "gc": "gc"}
	strangers := []string{"nats", "lambda", "collector"} // who are nobody's clients there
	roles := map[string]string{}
	for _, p := range s.pods() {
		for _, c := range p.containers() {
			variables, err := s.environment(c)
			if err != nil {
				continue
			}
			identity := as[c.Name]
			if identity == "" && !slices.Contains(strangers, c.Name) {
				report(p.name, "nobody has said who %s is: give it an identity, or name it among those without", c.Name)
			}
			if identity != "" {
				seed := "/etc/sage/nkey/" + identity + ".nk"
				if variables["NATS_NKEY_SEED"] != "file://"+seed {
					report(p.name, "%s joins with %q; expected file://%s", c.Name, variables["NATS_NKEY_SEED"], seed)
				}
				if v := volumeAt(p.spec, c, path.Dir(seed)); v == nil || v.Secret == nil || len(v.Secret.Items) != 1 || v.Secret.Items[0].Path != path.Base(seed) {
					report(p.name, "%s sees another key than %s, or none", c.Name, path.Base(seed))
				}
				if v := volumeAt(p.spec, c, path.Dir(variables["NATS_TLS_CA"])); v == nil || v.Secret == nil || len(v.Secret.Items) != 1 || v.Secret.Items[0].Key != "ca.crt" {
					report(p.name, "%s sees more than the authority of the servers' certificates, or not even that", c.Name)
				}
			}
			role := variables["AWS_ROLE_ARN"]
			if role == "" {
				continue
			}
			if other := roles[role]; other != "" {
				report(p.name, "%s has the role of %s", c.Name, other)
			}
			roles[role] = c.Name
			v := volumeAt(p.spec, c, path.Dir(variables["AWS_WEB_IDENTITY_TOKEN_FILE"]))
			if v == nil || v.Projected == nil || len(v.Projected.Sources) != 1 || v.Projected.Sources[0].ServiceAccountToken == nil ||
				v.Projected.Sources[0].ServiceAccountToken.Audience != "sts.amazonaws.com" ||
				v.Projected.Sources[0].ServiceAccountToken.Path != path.Base(variables["AWS_WEB_IDENTITY_TOKEN_FILE"]) {
				report(p.name, "%s has no token for sts.amazonaws.com at %s", c.Name, variables["AWS_WEB_IDENTITY_TOKEN_FILE"])
			}
		}
	}
}

// checkAuthorities: who is told to trust the authorities in a file has the file.
func checkAuthorities(p pod, c core.Container, address string, report reporter) {
	u, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(u.Scheme, "postgres") {
		return
	}
	file := u.Query().Get("sslrootcert")
	v := volumeAt(p.spec, c, path.Dir(file))
	if v == nil || v.ConfigMap == nil || !slices.Contains(given["ConfigMap/"+v.ConfigMap.Name], path.Base(file)) {
		report(p.name, "%s has no authorities at %q, which LEDGER_URL names", c.Name, file)
	}
}

// checkReferences: what a pod names is there, or is what README has somebody make.
func checkReferences(s set, report reporter) {
	has := func(object, key string) bool {
		if keys, ok := given[object]; ok {
			return key == "" || slices.Contains(keys, key)
		}
		m, ok := s[object].(*core.ConfigMap)
		return ok && (key == "" || m.Data[key] != "")
	}
	for _, p := range s.pods() {
		wants := func(object, key string) {
			if !has(object, key) {
				report(p.name, "names %s %s, which nobody makes", object, key)
			}
		}
		if _, ok := s["ServiceAccount/"+p.spec.ServiceAccountName]; !ok {
			report(p.name, "runs as %s, which is not there", p.spec.ServiceAccountName)
		}
		volumes := map[string]bool{}
		for _, claim := range p.claims {
			volumes[claim.Name] = true
		}
		for _, v := range p.spec.Volumes {
			volumes[v.Name] = true
			switch {
			case v.ConfigMap != nil:
				wants("ConfigMap/"+v.ConfigMap.Name, "")
			case v.Secret != nil:
				wants("Secret/"+v.Secret.SecretName, "")
				for _, item := range v.Secret.Items {
					wants("Secret/"+v.Secret.SecretName, item.Key)
				}
			case v.PersistentVolumeClaim != nil:
				if _, ok := s["PersistentVolumeClaim/"+v.PersistentVolumeClaim.ClaimName]; !ok {
					report(p.name, "names the claim %s, which nobody makes", v.PersistentVolumeClaim.ClaimName)
				}
			}
		}
		used := map[string]bool{}
		for _, c := range p.containers() {
			for _, m := range c.VolumeMounts {
				used[m.Name] = true
				if !volumes[m.Name] {
					report(p.name, "%s mounts %s, which is no volume", c.Name, m.Name)
				}
			}
			variables, err := s.environment(c)
			if err != nil {
				report(p.name, "%s: %v", c.Name, err)
			}
			checkAuthorities(p, c, variables["LEDGER_URL"], report)
		}
		for _, name := range slices.Sorted(maps.Keys(volumes)) {
			if !used[name] {
				report(p.name, "nobody mounts the volume %s", name)
			}
		}
	}
}
