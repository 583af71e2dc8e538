package notify_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/notify"
	"github.com/sagefleet/sagefleet/shared/notify/notifytest"
)

var moto = flag.Bool("moto", false, "publish to moto_server too, which must be on PATH")

const topic = "arn:aws:sns:eu-central-1:123456789012:sage"

var alarm = notify.Message{ID: "m1", Subject: "[SAGE] ventas: 3 dañados\n" + strings.Repeat("x", 200), Text: "Señal\n", Data: map[string]int{"count": 3}}

func publish(t *testing.T, endpoint, arn string, m notify.Message) error {
	t.Helper()
	for name, value := range notifytest.AWS(endpoint) {
		t.Setenv(name, value)
	}
	to, err := notify.OpenTopic(t.Context(), arn)
	if err != nil {
		t.Fatal(err)
	}
	return to.Send(t.Context(), m)
}

func TestTopic(t *testing.T) {
	heard := notifytest.SNS(t)
	if err := publish(t, heard.URL, topic, alarm); err != nil {
		t.Fatal(err)
	}
	if err := publish(t, heard.URL, topic+".fifo", alarm); err != nil {
		t.Fatal(err)
	}
	all := heard.Published()
	if len(all) != 2 {
		t.Fatalf("%+v", all)
	}
	for i, got := range all {
		if got.Text != alarm.Text || got.ID != "m1" || got.Data != `{"count":3}` || !strings.HasPrefix(got.Subject, "[SAGE] ventas: 3 danados-xx") ||
			len(got.Subject) > 99 || got.Region != "eu-central-1" {
			t.Errorf("published %+v", got)
		}
		if fifo := i == 1; got.Topic != map[bool]string{false: topic, true: topic + ".fifo"}[fifo] || (got.Deduplication == "m1") != fifo {
			t.Errorf("published %+v", got)
		}
	}
}

func TestTopicThatRefuses(t *testing.T) {
	for code, want := range map[string]struct {
		status, asked int
		permanent     bool
	}{"InvalidParameter": {400, 1, true}, "NotFound": {404, 1, false}, "AuthorizationError": {403, 1, false}, "Throttled": {429, 1, false}, "InternalError": {500, 1, false}} {
		asked := 0
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked++
			w.WriteHeader(want.status)
			_, _ = fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>no</Message></Error></ErrorResponse>", code)
		}))
		err := publish(t, s.URL, topic, alarm)
		s.Close()
		if err == nil || fault.IsPermanent(err) != want.permanent || asked != want.asked {
			t.Errorf("%s: %v, asked %d times", code, err, asked)
		}
	}
	for _, name := range []string{"", "sage", "arn:aws:sqs:eu-central-1:1:sage", "arn:aws:sns::1:sage", "arn:aws:sns:eu-central-1:1:sage:a-subscription"} {
		if notify.ValidateTopic(name) == nil {
			t.Errorf("%q was taken for a topic", name)
		}
	}
}

// TestTopicOfMoto publishes to another implementation of SNS: task notify does.
func TestTopicOfMoto(t *testing.T) {
	if !*moto {
		return // TestTopic speaks the same protocol with a server of ours
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := strings.Cut(free.Addr().String(), ":")
	_ = free.Close()
	server := exec.CommandContext(t.Context(), "moto_server", "-H", host, "-p", port)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	url := "http://" + host + ":" + port
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		answer, err := http.Get(url + "/moto-api/")
		if err == nil {
			_ = answer.Body.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("moto_server doesn't answer")
		}
	}
	for name, value := range notifytest.AWS(url) {
		t.Setenv(name, value)
	}
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion("eu-central-1"))
	if err != nil {
		t.Fatal(err)
	}
	name := "sage"
	made, err := sns.NewFromConfig(cfg).CreateTopic(context.Background(), &sns.CreateTopicInput{Name: &name})
	if err != nil {
		t.Fatal(err)
	}
	if err := publish(t, url, *made.TopicArn, alarm); err != nil {
		t.Fatal(err)
	}
	answer, err := http.Get(url + "/moto-api/data.json")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var backends map[string]map[string][]map[string]any
	if err := json.NewDecoder(answer.Body).Decode(&backends); err != nil || !strings.Contains(fmt.Sprint(backends["sns"]), "sage") {
		t.Errorf("moto has %v, %v", backends["sns"], err)
	}
	if err := publish(t, url, *made.TopicArn+"-not", alarm); err == nil || fault.IsPermanent(err) {
		t.Errorf("to no topic: %v", err)
	}
}
