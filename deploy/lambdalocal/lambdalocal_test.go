package lambdalocal_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"go.uber.org/goleak"

	"github.com/sagefleet/sagefleet/deploy/lambdalocal"
)

// TestMain makes this binary its own bootstrap: the service starts it again with
// the variable that every runtime finds.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		bootstrap()
		return
	}
	if os.Getenv("SERVICE") != "" {
		serve()
		return
	}
	goleak.VerifyTestMain(m)
}

// serve is this binary as a service of its own.
func serve() {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	service, err := lambdalocal.Listen(lambdalocal.Config{Command: []string{exe}, Logs: os.Stdout})
	if err != nil {
		panic(err)
	}
	fmt.Println(service.URL())
	if err := service.Run(context.Background()); err != nil {
		panic(err)
	}
}

// order is what a test asks the function to do.
type order struct {
	Do   string
	Text string
	For  time.Duration
	Size int
}

type reply struct {
	Text    string
	PID     int
	Request string
	ARN     string
	Trace   string
	Left    time.Duration
	Env     map[string]string
}

func bootstrap() {
	switch os.Getenv("INIT") {
	case "exit":
		fmt.Println("no configuration")
		os.Exit(3)
	case "hang":
		select {}
	case "slow":
		time.Sleep(300 * time.Millisecond)
	}
	if script := os.Getenv("RUNTIME"); script != "" {
		speak(script)
		return
	}
	if os.Getenv("SIGTERM") != "" {
		lambda.StartWithOptions(obey, lambda.WithEnableSIGTERM(func() {
			fmt.Println("goodbye")
			os.Exit(0)
		}))
	}
	lambda.Start(obey)
}

func obey(ctx context.Context, o order) (reply, error) {
	switch o.Do {
	case "fail":
		return reply{}, errors.New(o.Text)
	case "panic":
		panic(o.Text)
	case "exit":
		os.Exit(o.Size)
	case "sleep":
		time.Sleep(o.For) // deaf to ctx, as a function that times out is
	case "print":
		fmt.Fprintln(os.Stderr, o.Text)
	case "grow":
		return reply{Text: strings.Repeat("x", o.Size)}, nil
	case "spawn":
		child := exec.Command("sleep", "60")
		if err := child.Start(); err != nil {
			return reply{}, err
		}
		fmt.Println("pid", child.Process.Pid)
		if o.Text == "exit" {
			os.Exit(1)
		}
		return reply{PID: child.Process.Pid}, nil
	case "announce":
		fmt.Println("pid", os.Getpid())
		time.Sleep(o.For)
	}
	lc, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	r := reply{
		Text: o.Text, PID: os.Getpid(), Request: lc.AwsRequestID, ARN: lc.InvokedFunctionArn,
		Trace: os.Getenv("_X_AMZN_TRACE_ID"), Left: time.Until(deadline), Env: map[string]string{},
	}
	for _, pair := range os.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		r.Env[name] = value
	}
	return r, nil
}

// start runs a service until the test ends.
func start(t *testing.T, cfg lambdalocal.Config) (*lambdalocal.Service, *awslambda.Client) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Command == nil {
		cfg.Command = []string{exe}
	}
	service, err := lambdalocal.Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- service.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if stats := service.Stats(); stats.Environments != 0 || stats.Concurrent != 0 {
			t.Errorf("left behind: %+v", stats)
		}
	})
	return service, newClient(t, service.URL())
}

func newClient(t *testing.T, url string) *awslambda.Client {
	http := awshttpClient(t)
	return awslambda.New(awslambda.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(url), RetryMaxAttempts: 1, HTTPClient: http,
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	})
}

func invoke(t *testing.T, client *awslambda.Client, o order) (*awslambda.InvokeOutput, error) {
	t.Helper()
	payload, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return client.Invoke(t.Context(), &awslambda.InvokeInput{
		FunctionName: aws.String("sage"), Payload: payload, LogType: types.LogTypeTail,
	})
}

// must invokes for a reply.
func must(t *testing.T, client *awslambda.Client, o order) reply {
	t.Helper()
	out, err := invoke(t, client, o)
	if err != nil {
		t.Fatal(err)
	}
	if out.FunctionError != nil {
		t.Fatalf("function error: %s", out.Payload)
	}
	var r reply
	if err := json.Unmarshal(out.Payload, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func tail(t *testing.T, out *awslambda.InvokeOutput) string {
	t.Helper()
	log, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
	if err != nil {
		t.Fatal(err)
	}
	return string(log)
}

// eventually waits for a state that sockets and processes bring about.
func eventually(t *testing.T, what string, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !reached(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
	}
}
