//go:build bench

package bench

import (
	"flag"
	"os"
	"testing"
)

// TestMain is two programs: the tests, and the client of probe_test.go, which is a process of its own so that what it
// measures is the servers, and not the mover that shares a Go runtime with it.
func TestMain(m *testing.M) {
	if orders := os.Getenv(probeEnv); orders != "" {
		os.Exit(probeMain(orders))
	}
	// The controller's log is for who watches, not for files that nobody reads.
	if err := flag.Set("logtostderr", "true"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
