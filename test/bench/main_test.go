//go:build bench

package bench

import (
	"os"
	"testing"
)

// TestMain is two programs: the tests, and the client of probe_test.go, which is a process of its own so that what it
// measures is the servers, and not the mover that shares a Go runtime with it.
func TestMain(m *testing.M) {
	if orders := os.Getenv(probeEnv); orders != "" {
		os.Exit(probeMain(orders))
	}
	os.Exit(m.Run())
}
