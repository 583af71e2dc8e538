// Package console_test looks at the web console as people do: in a browser, over a
// fleet that works.
package console_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/sagefleet/sagefleet/deploy/local"
	"github.com/sagefleet/sagefleet/tests/process"
	"github.com/sagefleet/sagefleet/tests/turn"
	"github.com/sagefleet/sagefleet/worker"
)

var shots = flag.String("shots", "", "keep pictures of the pages in this folder")

var (
	fleet   *local.Platform
	site    string          // the console's address, without a slash
	browser context.Context // whose tabs the tests are
)

// TestMain runs one fleet and one browser for all tests. Started by the local Lambda,
// this binary is the function.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		if err := worker.ServeLambda(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, "lambda:", err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	defer turn.Busy()()
	process.IsolateAWS()
	dir, err := os.MkdirTemp("", "sage-console-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	self, err := os.Executable()
	if err != nil {
		return 1, err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	err = local.Run(ctx, local.Config{Dir: filepath.Join(dir, "fleet"), Lambda: []string{self}, Language: "en", BudgetUSD: 2.5}, func(ctx context.Context, p *local.Platform) error {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		fleet, site = p, "http://"+l.Addr().String()
		serving, stopServing := context.WithCancel(ctx)
		served := make(chan error, 1)
		go func() { served <- p.Serve(serving, l) }()
		defer func() {
			stopServing()
			<-served
		}()
		options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.UserDataDir(filepath.Join(dir, "browser")),
			chromedp.Flag("no-sandbox", os.Getuid() == 0))
		allocator, closeAll := chromedp.NewExecAllocator(ctx, options...)
		defer closeAll()
		var closeBrowser context.CancelFunc
		browser, closeBrowser = chromedp.NewContext(allocator)
		defer closeBrowser()
		if err := chromedp.Do(browser); err != nil {
			return fmt.Errorf("these tests need chromium: %w", err)
		}
		code = m.Run()
		return nil
	})
	return code, err
}
