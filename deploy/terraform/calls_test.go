package terraform

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/sagefleet/sagefleet/shared/storage"
)

// call is one request to S3, as IAM sees it.
type call struct {
	action   string
	resource string
	context  map[string]string
}

// asCall reads which right a request of the SDK needs.
func asCall(r *http.Request, role string) call {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	query := r.URL.Query()
	c := call{resource: "arn:aws:s3:::" + bucket, context: map[string]string{
		"aws:PrincipalArn": role, "aws:SecureTransport": "true", "s3:TlsVersion": "1.3",
	}}
	if key == "" {
		c.action = "s3:ListBucket"
		return c
	}
	c.resource += "/" + key
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		c.action = "s3:GetObject"
	case r.Method == http.MethodDelete && query.Has("uploadId"):
		c.action = "s3:AbortMultipartUpload"
	case r.Method == http.MethodDelete:
		c.action = "s3:DeleteObject"
	default: // also the parts of an upload
		c.action = "s3:PutObject"
	}
	for header, key := range map[string]string{
		"If-None-Match":                               "s3:if-none-match",
		"X-Amz-Server-Side-Encryption":                "s3:x-amz-server-side-encryption",
		"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "s3:x-amz-server-side-encryption-aws-kms-key-id",
	} {
		if value := r.Header.Get(header); value != "" {
			c.context[key] = value
		}
	}
	return c
}

// guarded is an S3 server that asks a role's policy and the bucket's before it does
// anything, as AWS would.
type guarded struct {
	t       *testing.T
	s3      http.Handler
	role    string // ARN
	rights  document
	bucket  document
	mu      sync.Mutex
	used    map[string]bool // action and resource pattern of statements that allowed something
	allowed []call
	refused []call
}

func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := asCall(r, g.role)
	if !g.allows(c) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte("<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"))
		return
	}
	g.s3.ServeHTTP(w, r)
}

func (g *guarded) allows(c call) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	denied := slices.ContainsFunc(g.bucket.Statement, func(st statement) bool {
		return st.Effect == "Deny" && st.covers(g.t, c) != ""
	})
	allowed := false
	for _, st := range g.rights.Statement {
		if pattern := st.covers(g.t, c); st.Effect == "Allow" && pattern != "" {
			allowed = true
			g.used[c.action+" "+pattern] = true
		}
	}
	if denied || !allowed {
		g.refused = append(g.refused, c)
		return false
	}
	g.allowed = append(g.allowed, c)
	return true
}

// covers returns which resource of the statement a call falls under, or nothing.
func (st statement) covers(t *testing.T, c call) string {
	if !slices.ContainsFunc(st.Action, func(pattern string) bool { return like(pattern, c.action) }) {
		return ""
	}
	for operator, keys := range st.Condition {
		for key, wanted := range keys {
			if !holds(t, operator, c.context, key, wanted) {
				return ""
			}
		}
	}
	for _, pattern := range st.Resource {
		if like(pattern, c.resource) {
			return pattern
		}
	}
	return ""
}

// holds evaluates one condition. What it doesn't know it doesn't guess.
func holds(t *testing.T, operator string, context map[string]string, key string, wanted []string) bool {
	value, present := context[key]
	switch operator {
	case "Null":
		return wanted[0] == "true" != present
	case "Bool", "StringEquals":
		return present && slices.Contains(wanted, value)
	case "StringNotEquals", "ArnNotEquals":
		return !slices.Contains(wanted, value)
	case "NumericLessThan":
		return present && value < wanted[0] // versions of TLS
	}
	t.Errorf("the test does not know the operator %s", operator)
	return false
}

// like matches with * for any text.
func like(pattern, text string) bool {
	first, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == text
	}
	return strings.HasPrefix(text, first) && strings.HasSuffix(text[len(first):], rest)
}

// cloud is one bucket, seen by each component through its own role.
type cloud struct {
	servers map[string]*guarded
	stores  map[string]storage.Store
	open    func(component, role string) (address string) // for one that has no store yet
}

// newCloud gives every component of the production example a store under its role.
func newCloud(t *testing.T) cloud {
	t.Helper()
	production := mocked(t)["production"]
	backend := s3mem.New()
	if err := backend.CreateBucket(bucketName); err != nil {
		t.Fatal(err)
	}
	fake := gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	address, ok := production.outputs["storage_url"].(string)
	if !ok {
		t.Fatal("production has no output storage_url")
	}
	c := cloud{servers: map[string]*guarded{}, stores: map[string]storage.Store{}}
	c.open = func(component, role string) string {
		g := newGuarded(t, production, fake, role)
		server := httptest.NewServer(g)
		t.Cleanup(server.Close)
		c.servers[component] = g
		return address + "&path_style=true&endpoint=" + url.QueryEscape(server.URL)
	}
	for _, component := range []string{"worker", "bridge", "intake", "notify", "gc", "eraser"} {
		store, err := storage.Open(t.Context(), c.open(component, "sage-"+component))
		if err != nil {
			t.Fatalf("%s can't open storage: %v", component, err)
		}
		c.stores[component] = store
	}
	return c
}

// newGuarded asks the policies of the role called name, and the bucket's, before s3.
func newGuarded(t *testing.T, production stack, s3 http.Handler, name string) *guarded {
	t.Helper()
	role := production.about("aws_iam_role", "name", name)
	if role == nil {
		t.Fatalf("no role %s", name)
	}
	g := &guarded{t: t, s3: s3, role: "arn:aws:iam::" + account + ":role/" + name, used: map[string]bool{},
		bucket: production.about("aws_s3_bucket_policy", "bucket", bucketName).policy()}
	for _, policy := range production.of("aws_iam_role_policy") {
		if policy.text("role") == name && policy.text("name") == "storage" {
			g.rights = policy.policy()
		}
	}
	if len(g.rights.Statement) == 0 || len(g.bucket.Statement) == 0 {
		t.Fatalf("no policies for %s", name)
	}
	return g
}
