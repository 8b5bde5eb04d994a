//go:build bench

package bench

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/test/e2e/framework"
	"github.com/redisoperator/redis-operator/test/e2e/witness"
)

const (
	scaleRest  = 10 * time.Second
	scaleBound = 3 * time.Minute
	// scaleMost is how many times its p99 at rest a writer may have while slots move.
	scaleMost = 2
)

// TestScale takes a cluster from three masters to five, back, to eight and back, in a lab of three nodes, beside a
// writer that waits for a replica: `make bench-scale`.
func TestScale(t *testing.T) {
	env, err := framework.NewWithOperator()
	if err != nil {
		t.Fatal(err)
	}
	before := load()
	c := env.InstallCluster(t, env.Namespace(t, "bench-scale"), "demo",
		"image.repository=redis", "image.tag=8.0", "image.pullPolicy=Never")
	c.WaitReady(t, time.Minute)
	c.Write(t, 20000)
	traffic := c.StartTraffic(t, witness.TrafficOptions{Writers: 1, Keys: 5000, Rate: 500, Wait: true})
	time.Sleep(scaleRest) // The time is what the writer is measured in.
	rest := traffic.Lap()
	rows := []string{fmt.Sprintf("| at rest | %s | %s | |", scaleRest, scaleLap(rest))}
	for _, masters := range []int{5, 3, 8, 3} {
		begin := time.Now()
		c.Scale(t, masters)
		c.WaitMasters(t, masters, scaleBound)
		took, lap, gap := time.Since(begin), traffic.Lap(), traffic.Gap()
		t.Logf("to %d masters in %s: %s; longest gap %s", masters, took, lap, gap)
		asked := verdict(fmt.Sprintf("p99 ≤ %d × that at rest", scaleMost), lap.P99 <= scaleMost*rest.P99)
		rows = append(rows, fmt.Sprintf("| to %d masters | %s | %s | %s |", masters, short(took), scaleLap(lap), asked))
	}
	notes := fmt.Sprintf("- errors of the writer: %v (asked: none); broken connections: %d (asked: 0)\n",
		traffic.Stop(), traffic.Broken())
	if err := traffic.Lost(t.Context()); err != nil {
		t.Error(err)
	} else {
		notes += "- acknowledged writes lost: 0 (asked: 0)\n"
	}
	about := fmt.Sprintf("%s; %s, the lab's three nodes and its control plane share it; redis:8.0 with a replica each, "+
		"25,000 keys; one writer of 500 writes a second with WAIT 1, timed from when each was due; load average %s at the "+
		"start and %s at the end.", time.Now().UTC().Format("2006-01-02"), machine(), before, load())
	keep(t, "Scaling beside a writer", about+"\n\n| what | time | p50 / p99 / max ms | asked |\n|---|---|---|---|\n"+
		strings.Join(rows, "\n")+"\n\n"+notes)
}

func scaleLap(l witness.Latencies) string {
	return fmt.Sprintf("%s / %s / %s", millis(l.P50), millis(l.P99), millis(l.Max))
}
