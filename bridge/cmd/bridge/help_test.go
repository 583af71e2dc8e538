package main

import (
	"testing"

	"github.com/alecthomas/kong"

	"github.com/sagefleet/sagefleet/shared/completion/completiontest"
)

func TestHelpTeaches(t *testing.T) {
	completiontest.HelpTeaches(t, "bridge", func() *kong.Kong { return newParser(&cli{}) })
}
