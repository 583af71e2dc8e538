package sim

import (
	"os"
	"testing"

	"github.com/sagefleet/sagefleet/tests/turn"
)

func TestMain(m *testing.M) {
	done := func() {}
	if os.Getenv(mutantVariable) == "" { // else whoever started it has its turn
		done = turn.Busy()
	}
	code := m.Run()
	done()
	os.Exit(code)
}
