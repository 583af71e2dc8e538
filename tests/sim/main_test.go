package sim

import (
	"os"
	"testing"

	"github.com/sagefleet/sagefleet/tests/turn"
)

func TestMain(m *testing.M) {
	done := turn.Busy()
	code := m.Run()
	done()
	os.Exit(code)
}
