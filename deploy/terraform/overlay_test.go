package terraform

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const k8s = "../k8s/"

// overlay is deploy/k8s's production, as far as it has to agree with Terraform's.
type overlay struct {
	namespace  string
	roles      map[string]string // aws.env
	databases  []string          // blocks of addresses that the ledger's port is open to
	containers map[string]*container
}

// container is one that asks AWS for a role.
type container struct {
	account, audience string // its service account, and who the account's token is for
	role              string // the key of aws.env
	env               map[string]string
}

// manifest is an object of Kubernetes, or a patch of one.
type manifest struct {
	Kind     string
	Metadata struct{ Name string }
	Spec     struct {
		Template    podTemplate
		JobTemplate struct {
			Spec struct{ Template podTemplate }
		} `yaml:"jobTemplate"`
		Egress []struct {
			To    []struct{ IPBlock struct{ CIDR string } } `yaml:"to"`
			Ports []struct{ Port int }
		}
	}
}

type podTemplate struct {
	Spec struct {
		Account    string `yaml:"serviceAccountName"`
		Containers []struct {
			Name    string
			EnvFrom []struct{ ConfigMapRef struct{ Name string } } `yaml:"envFrom"`
			Env     []struct {
				Name, Value string
				ValueFrom   struct{ ConfigMapKeyRef struct{ Key string } } `yaml:"valueFrom"`
			}
		}
		Volumes []struct {
			Projected struct {
				Sources []struct{ ServiceAccountToken struct{ Audience string } }
			}
		}
	}
}

// The fields are called as in Kubernetes, which doesn't write them as Go's YAML would.
func (m *manifest) UnmarshalYAML(n *yaml.Node) error {
	type plain manifest
	camel(n)
	return n.Decode((*plain)(m))
}

func camel(n *yaml.Node) {
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			switch child.Value {
			case "serviceAccountName", "envFrom", "valueFrom", "jobTemplate":
			default:
				child.Value = strings.ToLower(child.Value)
			}
		}
		camel(child)
	}
}

// readOverlay reads the base, the component that has roles, and the overlay itself.
func readOverlay(t *testing.T) overlay {
	t.Helper()
	o := overlay{roles: variables(t, "overlays/production/aws.env"), containers: map[string]*container{}}
	told := map[string]map[string]string{}
	for _, name := range []string{"fleet", "worker", "bridge", "budget", "serve", "notify", "gc"} {
		told[name] = variables(t, "base/"+name+".env")
		if path := "overlays/production/" + name + ".env"; exists(k8s + path) {
			maps.Copy(told[name], variables(t, path))
		}
	}
	var kustomization struct{ Namespace string }
	if err := yaml.Unmarshal(source(t, "overlays/production/kustomization.yaml"), &kustomization); err != nil {
		t.Fatal(err)
	}
	o.namespace = kustomization.Namespace
	for _, folder := range []string{"base", "components/web-identity", "components/cloudwatch", "overlays/production"} {
		files, err := filepath.Glob(k8s + folder + "/*.yaml")
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", folder, len(files), err)
		}
		for _, file := range files {
			for _, m := range manifests(t, file) {
				o.add(m, told)
			}
		}
	}
	maps.DeleteFunc(o.containers, func(_ string, c *container) bool { return c.role == "" })
	return o
}

// add has o know what m says of containers and of the network.
func (o *overlay) add(m manifest, told map[string]map[string]string) {
	for _, out := range m.Spec.Egress {
		for _, to := range out.To {
			if to.IPBlock.CIDR != "" && len(out.Ports) == 1 && out.Ports[0].Port == 5432 {
				o.databases = append(o.databases, to.IPBlock.CIDR)
			}
		}
	}
	pod := m.Spec.Template.Spec
	if m.Kind == "CronJob" {
		pod = m.Spec.JobTemplate.Spec.Template.Spec
	}
	for _, one := range pod.Containers {
		c := o.containers[m.Metadata.Name+"/"+one.Name]
		if c == nil {
			c = &container{env: map[string]string{}}
			o.containers[m.Metadata.Name+"/"+one.Name] = c
		}
		if pod.Account != "" {
			c.account = pod.Account
		}
		for _, v := range pod.Volumes {
			for _, from := range v.Projected.Sources {
				c.audience = from.ServiceAccountToken.Audience
			}
		}
		for _, from := range one.EnvFrom {
			maps.Copy(c.env, told[from.ConfigMapRef.Name])
		}
		for _, v := range one.Env {
			if v.Name == "AWS_ROLE_ARN" {
				c.role = v.ValueFrom.ConfigMapKeyRef.Key
			}
			c.env[v.Name] = v.Value
		}
	}
}

func source(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(k8s + path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// variables are those of an .env file.
func variables(t *testing.T, path string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(source(t, path))); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), "="); ok && !strings.HasPrefix(name, "#") {
			found[name] = value
		}
	}
	return found
}

func manifests(t *testing.T, path string) (found []manifest) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for documents := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var m manifest
		switch err := documents.Decode(&m); {
		case errors.Is(err, io.EOF):
			return found
		case err != nil:
			t.Fatalf("%s: %v", path, err)
		}
		found = append(found, m)
	}
}

// disagreements are what the overlay says otherwise than Terraform makes it.
func disagreements(s stack, o overlay) (found []string) {
	report := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	printed, _ := s.outputs["bridge_environment"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(o.containers)) {
		c := o.containers[name]
		arn := o.roles[c.role]
		role := s.about("aws_iam_role", "name", arn[strings.LastIndexByte(arn, '/')+1:])
		if role == nil || !strings.HasPrefix(arn, "arn:aws:iam::"+account+":role/") {
			report("%s: nobody makes the role %q", name, arn)
			continue
		}
		if who := "system:serviceaccount:" + o.namespace + ":" + c.account; !trusts(role, who, c.audience) {
			report("%s: the role %s doesn't trust %s, with a token for %q", name, role.text("name"), who, c.audience)
		}
		for variable, value := range c.env {
			if secret, ok := strings.CutPrefix(value, "secretsmanager://"); ok {
				secret, _, _ = strings.Cut(secret, "#")
				if kept := s.about("aws_secretsmanager_secret", "name", secret); kept == nil || !s.grants(role, "secretsmanager:GetSecretValue", kept.text("arn")) {
					report("%s: %s is in %s, which isn't there or may not be read", name, variable, secret)
				}
			}
		}
		if want := s.outputs["storage_url"]; name != "collector/collector" && c.env["STORAGE_URL"] != want {
			report("%s: STORAGE_URL is %s, want %v", name, c.env["STORAGE_URL"], want)
		}
		if c.env["AWS_REGION"] != "" || o.roles["region"] != printed["LAMBDA_REGION"] {
			report("%s: the region is %s%s, want %v", name, c.env["AWS_REGION"], o.roles["region"], printed["LAMBDA_REGION"])
		}
		if address := c.env["LEDGER_URL"]; address != "" {
			o.checkDatabase(s, role, name, address, report)
		}
	}
	bridge := o.containers["worker/bridge"]
	for variable, value := range printed {
		if bridge == nil || bridge.env[variable] != value {
			report("worker/bridge: %s is not %v, as the function has it", variable, value)
		}
	}
	return found
}

// checkDatabase: who is given a ledger's URL can reach it, and log in.
func (o overlay) checkDatabase(s stack, role *resource, name, address string, report func(string, ...any)) {
	if want := s.outputs["ledger_url"]; address != want {
		report("%s: LEDGER_URL is %s, want %v", name, address, want)
	}
	database, _ := s.outputs["database"].(map[string]any)
	if u, err := url.Parse(address); err != nil || !s.grants(role, "rds-db:connect", fmt.Sprint(database["user_arn_prefix"])+u.User.Username()) {
		report("%s: the role %s may not log in to %s", name, role.text("name"), address)
	}
	for _, vpc := range s.of("aws_vpc") {
		network, err := netip.ParsePrefix(vpc.text("cidr_block"))
		if err != nil || !slices.Contains(o.databases, network.String()) {
			report("%s: the ledger's port is open to %v, and the database is in %s", name, o.databases, network)
		}
	}
}

// trusts reports whether who may take the role with a token for that audience.
func trusts(role *resource, who, audience string) bool {
	documents, err := role.documents()
	return err == nil && slices.ContainsFunc(documents["assume_role_policy"].Statement, func(st statement) bool {
		accounts, audiences := false, false
		for key, values := range st.Condition["StringEquals"] {
			accounts = accounts || strings.HasSuffix(key, ":sub") && slices.Contains(values, who)
			audiences = audiences || strings.HasSuffix(key, ":aud") && slices.Contains(values, audience)
		}
		return accounts && audiences && slices.Contains(st.Action, "sts:AssumeRoleWithWebIdentity")
	})
}

// grants reports whether a policy of the role allows the action on the resource.
func (s stack) grants(role *resource, action, arn string) bool {
	return slices.ContainsFunc(s.of("aws_iam_role_policy"), func(p resource) bool {
		return p.text("role") == role.text("name") && slices.ContainsFunc(p.policy().Statement, func(st statement) bool {
			return st.Effect == "Allow" && slices.Contains(st.Action, action) && slices.Contains(st.Resource, arn)
		})
	})
}

// TestOverlayAgrees: what deploy/k8s's production is told is what Terraform's makes.
func TestOverlayAgrees(t *testing.T) {
	o := readOverlay(t)
	for _, name := range []string{"worker/worker", "worker/bridge", "serve/serve", "notify/notify", "gc/gc", "collector/collector"} {
		if o.containers[name] == nil {
			t.Errorf("%s has no role", name)
		}
	}
	for _, fault := range disagreements(mocked(t)["production"], o) {
		t.Error(fault)
	}
}

// TestOverlayDisagreements makes one of both sides wrong at a time.
func TestOverlayDisagreements(t *testing.T) {
	const serving = "serve/serve"
	for name, broken := range map[string]struct {
		says  string
		spoil func(*breaker, *overlay)
	}{
		"an account that nobody trusts": {"doesn't trust", func(_ *breaker, o *overlay) { o.containers[serving].account = "sage-intake" }},
		"trust in another": {"doesn't trust", func(b *breaker, _ *overlay) {
			b.edit("aws_iam_role.this", "assume_role_policy", ":sage-serve", ":sage-intake")
		}},
		"another namespace":        {"doesn't trust", func(_ *breaker, o *overlay) { o.namespace = "fleet" }},
		"a token for others":       {"doesn't trust", func(_ *breaker, o *overlay) { o.containers[serving].audience = "kubernetes" }},
		"a role that nobody makes": {"nobody makes the role", func(_ *breaker, o *overlay) { o.roles["intake_role_arn"] += "s" }},
		"another account's role":   {"nobody makes the role", func(_ *breaker, o *overlay) { o.roles["gc_role_arn"] = "arn:aws:iam::999988887777:role/sage-gc" }},
		"a secret that nobody makes": {"isn't there", func(_ *breaker, o *overlay) {
			o.containers[serving].env["ACCESS_SESSION_KEY"] = "secretsmanager://sage/server#session_key"
		}},
		"a secret of another's": {"may not be read", func(b *breaker, _ *overlay) {
			b.edit(`aws_iam_role_policy.secrets["intake"]`, "policy", "secret:sage/serve-", "secret:sage/other-")
		}},
		"another bucket":   {"STORAGE_URL", func(_ *breaker, o *overlay) { o.containers[serving].env["STORAGE_URL"] = "s3://sage/fleet" }},
		"another function": {"LAMBDA_FUNCTION", func(_ *breaker, o *overlay) { o.containers["worker/bridge"].env["LAMBDA_FUNCTION"] = "sage" }},
		"less memory":      {"LAMBDA_MEMORY_MB", func(_ *breaker, o *overlay) { o.containers["worker/bridge"].env["LAMBDA_MEMORY_MB"] = "1024" }},
		"another region":   {"the region", func(_ *breaker, o *overlay) { o.roles["region"] = "eu-west-1" }},
		"another database": {"LEDGER_URL", func(_ *breaker, o *overlay) {
			o.containers[serving].env["LEDGER_URL"] += "&connect_timeout=3"
		}},
		"another user": {"may not log in", func(b *breaker, _ *overlay) {
			b.edit(`aws_iam_role_policy.database["intake"]`, "policy", "/sage_ledger", "/sage")
		}},
		"another network": {"is in", func(_ *breaker, o *overlay) { o.databases = []string{"10.0.0.0/16"} }},
	} {
		t.Run(name, func(t *testing.T) {
			s := mocked(t)["production"]
			b, o := &breaker{t, s.clone(t)}, readOverlay(t)
			broken.spoil(b, &o)
			if found := disagreements(b.stack, o); !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, broken.says) }) {
				t.Errorf("nobody says %q; they say %q", broken.says, found)
			}
		})
	}
}
