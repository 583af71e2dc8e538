package notifytest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Published is what a topic was handed.
type Published struct {
	Topic, Region, Subject, Text string
	ID, Data                     string // attributes
	Deduplication                string
}

// Topics speaks of Amazon SNS the one request that publishes, in its query protocol.
type Topics struct {
	*httptest.Server
	mu        sync.Mutex
	published []Published
	failures  int
}

// AWS is the environment of who publishes to an endpoint.
func AWS(endpoint string) map[string]string {
	return map[string]string{"AWS_ENDPOINT_URL_SNS": endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
}

var scope = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=[^/]+/\d{8}/([a-z0-9-]+)/sns/aws4_request, `)

// SNS starts a server that lives as long as the test.
func SNS(t testing.TB) *Topics {
	t.Helper()
	s := &Topics{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		signed := scope.FindStringSubmatch(r.Header.Get("Authorization"))
		if err := r.ParseForm(); err != nil || r.PostForm.Get("Action") != "Publish" || signed == nil {
			t.Errorf("not a signed request to publish: %v %v %v", err, r.Form, r.Header)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.failures > 0 {
			s.failures--
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		p := Published{Topic: r.PostForm.Get("TopicArn"), Region: signed[1], Subject: r.PostForm.Get("Subject"), Text: r.PostForm.Get("Message"),
			Deduplication: r.PostForm.Get("MessageDeduplicationId")}
		for key, name := range r.PostForm {
			entry, ok := strings.CutSuffix(key, ".Name")
			if !ok {
				continue
			}
			value := r.PostForm.Get(entry + ".Value.StringValue")
			switch name[0] {
			case "sage-id":
				p.ID = value
			case "sage-data":
				p.Data = value
			}
		}
		if !json.Valid([]byte(p.Data)) || p.Text == "" {
			t.Errorf("published %+v", p)
		}
		s.published = append(s.published, p)
		_, _ = fmt.Fprintf(w, `<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>%d</MessageId></PublishResult></PublishResponse>`, len(s.published))
	}))
	t.Cleanup(s.Close)
	return s
}

// Fail has the next requests answered with 503.
func (s *Topics) Fail(times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = times
}

// Published is all that was taken.
func (s *Topics) Published() []Published {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.published)
}
