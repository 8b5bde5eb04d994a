package objects

import (
	"flag"
	"os"
	"testing"
)

// TestMain has rapid draw the same specs in every run, so that a change is blamed for what it breaks and not for its
// luck: -rapid.seed=0 draws others, as `make test-long` does.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.seed", "3"); err != nil {
		panic(err)
	}
	flag.Parse()
	os.Exit(m.Run())
}
