package load

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/tests/process"
	"github.com/sagefleet/sagefleet/tests/turn"
	"github.com/sagefleet/sagefleet/worker/function"
)

const variableSleep = "LOAD_TEST_SLEEP"

// TestMain makes this test binary the Lambda of its own tests: a real process
// behind a real runtime, whose executions only sleep.
func TestMain(m *testing.M) {
	if file := os.Getenv(process.VariableS3); file != "" {
		panic(process.ServeS3(file))
	}
	if s := os.Getenv(variableShow); s != "" {
		if err := serveShown(show(s)); err != nil {
			panic(err)
		}
		return
	}
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") == "" {
		os.Exit(runTests(m))
	}
	objects, err := storage.Open(context.Background(), os.Getenv("STORAGE_URL"))
	if err != nil {
		panic(err)
	}
	takes, err := time.ParseDuration(os.Getenv(variableSleep))
	if err != nil {
		panic(err)
	}
	r := rig{outcomes: outcome.New(objects)}
	lambda.Start(function.New(r.sleep(takes, execution.OnLambda)).Handle)
}

func runTests(m *testing.M) int {
	defer turn.Alone()()
	process.IsolateAWS()
	var err error
	if stores, err = os.MkdirTemp("", "sage-load-"); err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(stores) }()
	return m.Run()
}
