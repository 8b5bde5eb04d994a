//go:build bench

package bench

import (
	"fmt"
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

// scalePods are what two masters more take, and scaleAtOnce is how many of them the operator starts at the same time.
const (
	scalePods   = 4
	scaleAtOnce = 1
)

// TestScale takes a cluster from three masters to five, back, to eight and back, in a lab of three nodes, beside a
// writer that waits for a replica: `make bench-scale`. Before that, without the operator, it starts and ends as many bare
// pods as two masters more take: what the writer notices of that is the machine's.
func TestScale(t *testing.T) {
	env, err := framework.NewWithOperator()
	if err != nil {
		t.Fatal(err)
	}
	yieldPlane(t, env)
	before := load()
	c := env.InstallCluster(t, env.Namespace(t, "bench-scale"), "demo",
		"image.repository=redis", "image.tag=8.0", "image.pullPolicy=Never")
	c.WaitReady(t, time.Minute)
	c.Write(t, 20000)
	s := &scaling{traffic: c.StartTraffic(t, witness.TrafficOptions{Writers: 1, Keys: 5000, Rate: 500, Wait: true})}
	bare := newBarePods(t, env)
	withoutOperator(t, env, func() {
		s.traffic.Lap()
		s.rest = s.lap(t, "at rest", func() { time.Sleep(scaleRest) }) // The time is what the writer is measured in.
		s.lap(t, fmt.Sprintf("no operator, %d bare pods start, %d at a time", scalePods, scaleAtOnce), func() {
			bare.start(t, scalePods, scaleAtOnce)
		})
		s.lap(t, fmt.Sprintf("no operator, %d bare pods end", scalePods), func() { bare.end(t, scalePods) })
	})
	c.WaitReady(t, time.Minute)
	s.traffic.Lap()
	for _, masters := range []int{5, 3, 8, 3} {
		lap := s.lap(t, fmt.Sprintf("to %d masters", masters), func() {
			c.Scale(t, masters)
			c.WaitMasters(t, masters, scaleBound)
		})
		s.ask(lap)
	}
	s.end(t, before)
}

// scaling is what was measured so far.
type scaling struct {
	traffic *witness.Traffic
	rest    witness.Latencies
	rows    []scaleRow
}

type scaleRow struct {
	what, asked string
	took        time.Duration
	lap         witness.Latencies
}

func (r scaleRow) String() string {
	return fmt.Sprintf("| %s | %s | %s / %s / %s | %s |\n", r.what, short(r.took), millis(r.lap.P50), millis(r.lap.P99),
		millis(r.lap.Max), r.asked)
}

// lap is what the writer noticed while something was done.
func (s *scaling) lap(t *testing.T, what string, do func()) witness.Latencies {
	t.Helper()
	begin := time.Now()
	do()
	took, lap, gap := time.Since(begin), s.traffic.Lap(), s.traffic.Gap()
	t.Logf("%s in %s: %s; longest gap %s", what, took, lap, gap)
	s.rows = append(s.rows, scaleRow{what: what, took: took, lap: lap})
	return lap
}

// ask holds the last lap against the rest.
func (s *scaling) ask(lap witness.Latencies) {
	met := lap.P99 <= scaleMost*s.rest.P99
	s.rows[len(s.rows)-1].asked = verdict(fmt.Sprintf("p99 ≤ %d × that at rest", scaleMost), met)
}

// end stops the writer, looks for what it lost, and writes all down.
func (s *scaling) end(t *testing.T, before string) {
	t.Helper()
	notes := fmt.Sprintf("- errors of the writer: %v (asked: none); broken connections: %d (asked: 0)\n",
		s.traffic.Stop(), s.traffic.Broken())
	if err := s.traffic.Lost(t.Context()); err != nil {
		t.Error(err)
	} else {
		notes += "- acknowledged writes lost: 0 (asked: 0)\n"
	}
	about := fmt.Sprintf("%s; %s, "+yieldingLab+"; redis:8.0 with a replica each, "+
		"25,000 keys; one writer of 500 writes a second with WAIT 1, timed from when each was due; load average %s at the "+
		"start and %s at the end.", time.Now().UTC().Format("2006-01-02"), machine(), before, load())
	table := "\n\n| what | time | p50 / p99 / max ms | asked |\n|---|---|---|---|\n"
	for _, r := range s.rows {
		table += r.String()
	}
	keep(t, "Scaling beside a writer", about+table+"\n"+notes)
}
