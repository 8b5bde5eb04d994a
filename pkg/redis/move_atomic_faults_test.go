package redis_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// seededRuns is how often tests with random faults are repeated, by $SEEDED_RUNS.
func seededRuns(usual int) int {
	if n, err := strconv.Atoi(os.Getenv("SEEDED_RUNS")); err == nil {
		return n
	}
	return usual
}

// seed is that of $SEED, or always the same, so that a change is blamed for what it breaks and not for its luck:
// `make test-long` draws another. The test prints it.
func seed(tb testing.TB) uint64 {
	tb.Helper()
	s, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	if err != nil {
		s = 1
	}
	tb.Logf("SEED=%d", s)
	return s
}

// arena is a cluster in which slots go from shard 0 to shard 1 and back while something happens.
type arena struct {
	*redistest.Cluster
	t     *testing.T
	slots cluster.SlotSet
	now   string // what is happening, for messages
}

// shard is the servers of a shard.
func (a *arena) shard(i int) []int { return []int{i, i + a.Primaries} }

// primary is the server that is the primary of the shard now, and the replica beside it.
func (a *arena) primary(shard int) (primary, replica int, err error) {
	a.t.Helper()
	both := a.shard(shard)
	for i, s := range both {
		info, err := a.Clients.Observe(a.t.Context(), a.Servers[s].Endpoint())
		if err != nil {
			return 0, 0, err
		}
		if self := info.Self(); self.Role == cluster.Primary && !self.Slots.IsEmpty() {
			return s, both[1-i], nil
		}
	}
	return 0, 0, errors.New("no primary")
}

// move is what is still to go.
func (a *arena) move(from, to int) (redis.SlotMove, error) {
	source, _, err := a.primary(from)
	if err != nil {
		return redis.SlotMove{}, err
	}
	target, _, err := a.primary(to)
	if err != nil {
		return redis.SlotMove{}, err
	}
	left := a.slots.Intersect(slotsOf(a.t, a.Cluster, source))
	return redis.SlotMove{From: end(a.Cluster, source), To: end(a.Cluster, target), Slots: left}, nil
}

// bring asks for the move until it is done, as the operator does.
func (a *arena) bring(from, to int) {
	a.t.Helper()
	redistest.Eventually(a.t, 90*time.Second, func() error {
		move, err := a.move(from, to)
		if err != nil {
			return err
		}
		target, _, err := a.primary(to)
		if err != nil {
			return err
		}
		if has := a.slots.Minus(slotsOf(a.t, a.Cluster, target)); has.IsEmpty() {
			return nil
		} else if move.Slots.IsEmpty() {
			return fmt.Errorf("%s: %v are with neither", a.now, has)
		}
		_, err = a.Clients.MoveSlots(a.t.Context(), []redis.SlotMove{move}, atomicOptions(2*time.Second))
		return errors.Join(errors.New("not there yet"), err)
	})
}

// faults are what can happen while slots move.
var faults = map[string]func(a *arena, from, to int){
	"the operator is killed": func(*arena, int, int) {},
	"the source is killed":   func(a *arena, from, _ int) { a.crash(from) },
	"the target is killed":   func(a *arena, _, to int) { a.crash(to) },
	"the source fails over":  func(a *arena, from, _ int) { a.failover(from) },
	"the target fails over":  func(a *arena, _, to int) { a.failover(to) },
	"the source is stopped":  func(a *arena, from, _ int) { a.stop(from) },
	"the target is stopped":  func(a *arena, _, to int) { a.stop(to) },
}

// crash kills the primary, which comes back from its disk before anybody takes its place.
func (a *arena) crash(shard int) {
	primary, _, err := a.primary(shard)
	if err != nil {
		a.t.Fatal(err)
	}
	a.Servers[primary].Kill()
	a.Servers[primary].Restart(a.t)
}

func (a *arena) stop(shard int) {
	primary, _, err := a.primary(shard)
	if err != nil {
		a.t.Fatal(err)
	}
	a.Servers[primary].Pause(a.t)
	time.Sleep(300 * time.Millisecond)
	a.Servers[primary].Resume(a.t)
}

// failover has the replica take over, in agreement with its primary.
func (a *arena) failover(shard int) {
	_, replica, err := a.primary(shard)
	if err != nil {
		a.t.Fatal(err)
	}
	redistest.Eventually(a.t, 60*time.Second, func() error {
		ep := a.Servers[replica].Endpoint()
		if info, err := a.Clients.Observe(a.t.Context(), ep); err != nil || info.Self().Role == cluster.Primary {
			return err
		}
		err := a.Clients.Failover(a.t.Context(), ep, redis.Manual)
		time.Sleep(100 * time.Millisecond)
		return errors.Join(errors.New("not over yet"), err)
	})
}

// TestMoveAtomic_Faults has something happen at a random time of each move, while clients write. What was acknowledged is
// there in the end, and nothing is left behind.
func TestMoveAtomic_Faults(t *testing.T) {
	t.Parallel()
	names := []string{
		"the operator is killed", "the source is killed", "the target is killed", "the source fails over",
		"the target fails over", "the source is stopped", "the target is stopped",
	}
	for _, engine := range atomicEngines(t) {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			s := seed(t)
			r := rand.New(rand.NewPCG(s, 0))
			c := redistest.Form(t, 3, 1, redistest.Options{
				Engine: engine,
				// Snapshots take their time, so that what happens does so in the middle.
				Config: append([]string{"appendonly yes", "appendfsync no", "rdb-key-save-delay 20"}, asInPods...),
			})
			a := &arena{Cluster: c, t: t, slots: slotsOf(t, c, 0).Take(1500)}
			fill(t, c.Servers[0], stringsIn(a.slots, 5, 500))
			traffic := redistest.StartTraffic(t, c.Servers, redistest.TrafficOptions{Seed: s, Lenient: true, Every: time.Millisecond})
			from, to := 0, 1
			for run := range seededRuns(len(names)) {
				a.now = names[(run+int(s%7))%len(names)]
				wait := time.Duration(r.IntN(400)) * time.Millisecond
				t.Logf("run %d: %s after %v", run, a.now, wait)
				move, err := a.move(from, to)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() {
					_, err := c.Clients.MoveSlots(ctx, []redis.SlotMove{move}, atomicOptions(2*time.Second))
					done <- err
				}()
				time.Sleep(wait)
				if a.now == names[0] {
					cancel()
				}
				faults[a.now](a, from, to)
				t.Logf("the move: %v", <-done)
				cancel()
				a.bring(from, to)
				a.sound()
				from, to = to, from
			}
			traffic.Check(t)
			t.Logf("%d writes, %d failed", traffic.Wrote(), traffic.Failed())
			if t.Failed() {
				t.Log(c.Nodes(t.Context()))
			}
		})
	}
}

// sound fails the test when a node is not well in the end, or has keys that are not its own.
func (a *arena) sound() {
	a.t.Helper()
	redistest.Eventually(a.t, 60*time.Second, func() error {
		for i, s := range a.Servers {
			info, err := a.Clients.Observe(a.t.Context(), s.Endpoint())
			if err != nil {
				return err
			}
			self := info.Self()
			if !info.StateOK || !info.LinkUp || len(info.Tasks) > 0 || len(self.Open) > 0 {
				return fmt.Errorf("%s: node %d: ok %v, link %v, tasks %v, open %v",
					a.now, i, info.StateOK, info.LinkUp, info.Tasks, self.Open)
			}
			if self.Role != cluster.Primary {
				continue
			}
			loads, err := a.Clients.SlotLoads(a.t.Context(), s.Endpoint(), cluster.AllSlots())
			if err != nil {
				return err
			}
			for slot, load := range loads {
				if !self.Slots.Has(slot) {
					return fmt.Errorf("%s: node %d has %d keys in slot %d, which is not its own", a.now, i, load.Keys, slot)
				}
			}
		}
		return nil
	})
	if total := a.keys(); total < 7500 {
		a.t.Fatalf("%s: %d keys are left of 7500\n%s", a.now, total, strings.TrimSpace(a.Nodes(a.t.Context())))
	}
}

// keys is how many of those there are that were there from the beginning, at whoever owns them.
func (a *arena) keys() int {
	total := 0
	for shard := range 2 {
		primary, _, err := a.primary(shard)
		if err != nil {
			a.t.Fatal(err)
		}
		loads, err := a.Clients.SlotLoads(a.t.Context(), a.Servers[primary].Endpoint(), a.slots)
		if err != nil {
			a.t.Fatal(err)
		}
		for _, load := range loads {
			total += int(load.Keys)
		}
	}
	return total
}
