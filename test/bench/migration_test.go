//go:build bench

package bench

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

const (
	probeRate = 2000
	idleTime  = 3 * time.Second
	warmUp    = 500 * time.Millisecond
	// A move that is over sooner is made again, so that its p99 is of as many requests as that at rest: of 2000 it is what
	// the machine did in ten milliseconds.
	movingTime = 3 * time.Second
	mostLaps   = 5
	// askedSpeed is how many times as fast as redis-cli a mover has to be beside the probe.
	askedSpeed = 1.7
)

// goals are what issue 3 asks of a mover: how many times as fast as redis-cli by default, alone and beside the
// probe; and how many times the p99 at rest the probe's p99 may be. 0: nothing is asked.
type goals struct {
	speed, probedSpeed, p99 float64
	scaleIn                 time.Duration
}

// TestMigration moves slots of servers on loopback from three primaries to four and back, with redis-cli and with
// our mover, in turns on the same cluster, with and without a client beside them. It looks at every key in the end.
//
// $BENCH_SCALE is the part of the data that is used (1: a million small keys), $BENCH_ROUNDS how often each mover has
// its turn, $BENCH_REPLICAS how many replicas each primary has. With $BENCH_MOVERS only movers take part whose name has
// that in it, and nothing is written to RESULTS.md.
//
// Servers keep their nodes.conf in memory (/dev/shm, or $BENCH_DIR): they write and sync it for each slot that redis-cli
// moves, and how long a disk takes for that says nothing about movers.
func TestMigration(t *testing.T) {
	scale := setting(t, "BENCH_SCALE", 1)
	rounds := int(setting(t, "BENCH_ROUNDS", 3))
	replicas := int(setting(t, "BENCH_REPLICAS", 0))
	run := func(name string, engine func(testing.TB) redistest.Engine, kind string, movers func(string) []mover) {
		t.Run(name+"/"+kind, func(t *testing.T) {
			e := engine(t)
			a := newArena(t, e, newDataset(kind, scale), replicas)
			b := &bout{arena: a, movers: movers(cliOf(t, e)), rounds: rounds, scale: scale, load: load()}
			only := os.Getenv("BENCH_MOVERS")
			b.movers = slices.DeleteFunc(b.movers, func(m mover) bool { return !strings.Contains(m.name, only) })
			b.run(t)
			if only != "" {
				t.Log("\n" + b.report())
				return
			}
			keep(t, "Moving slots: "+name+", "+kind, b.report())
		})
	}
	for _, kind := range []string{small, large, collections, empty} {
		run("classic", redistest.Default, kind, func(cli string) []mover { return classic(cli, kind) })
	}
	for _, name := range []string{"valkey-9.1", "redis-8.6"} {
		for _, kind := range []string{small, large, collections} {
			run(name, named(name), kind, func(cli string) []mover { return wholeSlots(cli, name, kind) })
		}
	}
	t.Run("overhead", func(t *testing.T) { overhead(t, scale, rounds, replicas) })
}

// classic are the movers of servers that move key by key. The first is what all others are compared with.
func classic(cli, kind string) []mover {
	fast := goals{speed: map[string]float64{small: 3.5, large: 6.5, collections: 6.5, empty: 10}[kind]}
	gentle := goals{probedSpeed: askedSpeed, p99: 1.5}
	return []mover{
		redisCLI("redis-cli", cli, pipeline(10)...),
		ours("classic, Throughput", redis.MoveOptions{Engine: redis.EngineClassic, Profile: redis.ProfileThroughput}, fast),
		redisCLI("redis-cli, pipeline 100", cli, pipeline(100)...),
		ours("classic, Latency", redis.MoveOptions{Engine: redis.EngineClassic, Profile: redis.ProfileLatency}, gentle),
	}
}

// wholeSlots are the movers of servers that can move whole slots.
func wholeSlots(cli, engine, kind string) []mover {
	asked := goals{speed: map[string]float64{small: 20, large: 30}[kind]}
	if engine == "redis-8.6" {
		asked.scaleIn = 600 * time.Millisecond
	}
	movers := []mover{
		redisCLI("redis-cli", cli, pipeline(10)...),
		ours("atomic", redis.MoveOptions{Engine: redis.EngineAuto, Profile: redis.ProfileLatency}, asked),
	}
	if engine == "valkey-9.1" {
		movers = append(movers, redisCLI("valkey-cli, atomic", cli, "--cluster-use-atomic-slot-migration"))
	}
	return movers
}

// named is an engine of the lab's cache.
func named(name string) func(testing.TB) redistest.Engine {
	return func(tb testing.TB) redistest.Engine {
		tb.Helper()
		for _, e := range redistest.Engines(tb) {
			if filepath.Base(filepath.Dir(e.Server)) == name {
				return e
			}
		}
		tb.Fatalf("no %s in the lab's cache: run `make engines`", name)
		return redistest.Engine{}
	}
}

func setting(t *testing.T, name string, otherwise float64) float64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || value < 0 {
		t.Fatalf("%s=%s is no number to use", name, text)
	}
	return value
}

// bout is movers that take turns on one arena.
type bout struct {
	arena  *arena
	movers []mover
	rounds int
	scale  float64
	load   string
	runs   []run
	bares  []bareRun
}

// run is one move by one mover. A round has several of the same kind when they are short.
type run struct {
	mover   string
	masters int // afterwards
	round   int
	probed  bool
	expense
	slots  int // that have another owner
	keys   int64
	source time.Duration // processor time of the main threads that keys come from
	target time.Duration // and of those they go to

	idle, moving latencies // when probed
}

func (b *bout) run(t *testing.T) {
	t.Helper()
	for round := range b.rounds {
		for _, probed := range []bool{false, true} {
			for _, m := range b.movers {
				b.turn(t, m, run{mover: m.name, round: round, probed: probed})
			}
		}
		if b.asksForCalm() && b.arena.data.Count > 0 {
			b.bare(t, round)
		}
	}
}

// asksForCalm says that there is a mover of which something is asked beside the probe, and the one that it is compared
// with.
func (b *bout) asksForCalm() bool {
	calm := func(m mover) bool { return m.asked.p99 > 0 }
	return b.movers[0].asked == goals{} && slices.ContainsFunc(b.movers, calm)
}

// turn is out and in again by one mover, beside the probe as often as it takes to tell of its p99.
func (b *bout) turn(t *testing.T, m mover, r run) {
	t.Helper()
	var client *probe
	if r.probed {
		client = startProbe(t, orders{Addrs: b.arena.addrs(), Data: b.arena.data, Rate: probeRate})
		defer client.stop(t)
		time.Sleep(warmUp)
	}
	laps := 1
	if r.probed && m.asked.p99 > 0 {
		laps = mostLaps
	}
	moving := map[int]time.Duration{}
	for lap := 0; lap < laps && min(moving[4], moving[3]) < movingTime; lap++ {
		for _, masters := range []int{4, 3} {
			r.masters = masters
			moving[masters] += b.leg(t, m, r, client).wall
		}
	}
	b.arena.verify(t)
}

func (b *bout) leg(t *testing.T, m mover, r run, client *probe) run {
	t.Helper()
	a := b.arena
	a.await(t, 7-r.masters)
	before, err := a.observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if client != nil {
		client.cut(t)
		time.Sleep(idleTime)
		r.idle = client.cut(t)
	}
	spent := a.mainThreads(t)
	stop := polite(t)
	r.expense = m.move(t, a, r.masters)
	stop()
	if client != nil {
		r.moving = client.cut(t)
	}
	after := a.mainThreads(t)
	for i := range primaries {
		if used := after[i] - spent[i]; (i == last) == (r.masters == 4) {
			r.target += used
		} else {
			r.source += used
		}
	}
	a.await(t, r.masters)
	b.compare(t, m, before, &r)
	b.runs = append(b.runs, r)
	t.Logf("%s", r)
	return r
}

// compare finds what has moved.
func (b *bout) compare(t *testing.T, m mover, before cluster.View, r *run) {
	t.Helper()
	after, err := b.arena.observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range primaries {
		was, is := before.Members[i].Info, after.Members[i].Info
		r.slots += is.Self().Slots.Minus(was.Self().Slots).Len()
		r.keys += max(0, is.Keys-was.Keys)
	}
	if failed := r.idle.Errors + r.moving.Errors; m.exact && failed > 0 {
		t.Errorf("%s: the client saw %d errors: %s%s", m.name, failed, r.idle.FirstError, r.moving.FirstError)
	}
	if m.exact && r.slots != cluster.SlotCount/primaries {
		t.Errorf("%s moved %d slots, not %d", m.name, r.slots, cluster.SlotCount/primaries)
	}
}
