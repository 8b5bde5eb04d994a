//go:build e2e

package chaos

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestChaos breaks a cluster for DURATION with the faults that SEED draws: `make chaos SEED=1 DURATION=10m`. Every fourth
// seed has no volumes. FAULTS=disk-full,drain draws these only.
func TestChaos(t *testing.T) {
	duration, err := time.ParseDuration(os.Getenv("DURATION"))
	if err != nil {
		t.Skip("DURATION is not set: `make chaos` sets it")
	}
	seed, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	if err != nil {
		t.Fatalf("SEED: %v", err)
	}
	volumes := seed%4 != 0
	only := strings.FieldsFunc(os.Getenv("FAULTS"), func(r rune) bool { return r == ',' })
	for _, name := range only {
		if k, known := kind(name); !known || k.Volumes && !volumes {
			t.Fatalf("FAULTS: there is no fault %q, or not for a cluster without volumes (every fourth seed)", name)
		}
	}
	t.Logf("seed %d for %s, with volumes: %t", seed, duration, volumes)
	w := newWorld(t, "chaos", volumes)
	deck := NewDeck(seed, volumes, only...)
	var all Summary
	begin := time.Now()
	for n := 1; time.Since(begin) < duration || len(all.Results) > 0 && all.Results[len(all.Results)-1].Draw.AtOnce; n++ {
		draw := deck.Next()
		t.Logf("%s fault %d: %s", time.Now().UTC().Format("15:04:05"), n, draw)
		result := w.Suffer(t.Context(), draw)
		t.Logf("  %s", result)
		all.Results = append(all.Results, result)
		if t.Context().Err() != nil {
			break
		}
	}
	w.Finish(t.Context(), &all)
	t.Logf("seed %d, %s\n%s", seed, time.Since(begin).Round(time.Second), &all)
	if err := all.Err(); err != nil {
		t.Error(err)
	}
}
