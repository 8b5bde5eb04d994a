package redis_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
	"github.com/redisoperator/redis-operator/pkg/redis/redistest"
)

// How many runs there are of every engine, and where the seeds begin: $MOVE_RUNS and $MOVE_SEED.
const (
	defaultRuns = 40
	runsEnv     = "MOVE_RUNS"
	seedEnv     = "MOVE_SEED"
)

func fromEnv(tb testing.TB, name string, otherwise int) int {
	tb.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	return n
}

// mishap is what goes wrong while slots are on their way.
type mishap string

const (
	moverKilled      mishap = "mover killed"
	moverStopped     mishap = "mover stopped"
	sourceKilled     mishap = "source killed"
	targetKilled     mishap = "target killed"
	sourceReplaced   mishap = "source replaced"              // by its replica, while it lives
	sourceDied       mishap = "source killed and replaced"   // by its replica
	replacedAndDied  mishap = "source replaced, then killed" // who took its place, and comes back
	targetReplaced   mishap = "target killed and replaced"
	everythingKilled mishap = "mover, source and target killed"
)

var mishaps = []mishap{
	moverKilled, moverStopped, sourceKilled, targetKilled, sourceReplaced, sourceDied, replacedAndDied,
	targetReplaced, everythingKilled,
}

// world is a cluster that things happen to: three shards of two nodes each.
type world struct {
	*redistest.Cluster
	tb   testing.TB
	rand *rand.Rand
	fill map[string]bool // keys that nobody writes to
	keys string          // the pattern of those that clients write to
	lost int             // with targets that were replaced
	back int             // keys that a crash left at both ends, and that came back: docs/decisions/0016
	runs map[mishap]int
}

// mover is one that is at work.
type mover struct {
	stop  func()
	ended <-chan error
}

const shards = 3

// TestMoveSlots_Crashes moves slots again and again while clients write, and has something go wrong at a random
// time. What is open is then closed as the tables say. Nothing that was acknowledged is missing.
func TestMoveSlots_Crashes(t *testing.T) {
	runs, seed := fromEnv(t, runsEnv, defaultRuns), fromEnv(t, seedEnv, 1)
	// All at the same time, however many processors there are: most of the time servers come back.
	var all sync.WaitGroup
	for i, engine := range redistest.Engines(t) {
		all.Go(func() { t.Run(engine.Name, func(t *testing.T) { crash(t, engine, runs, seed+1000*i) }) })
	}
	all.Wait()
}

func crash(t *testing.T, engine redistest.Engine, runs, seed int) {
	c := redistest.FormSteady(t, shards, 1, redistest.Options{Engine: engine, Config: []string{
		"appendonly yes", "appendfsync always", "cluster-replica-no-failover yes", "cluster-require-full-coverage no",
		"repl-backlog-size 32mb", "repl-diskless-load swapdb",
	}})
	w := &world{Cluster: c, tb: t, runs: map[mishap]int{}}
	w.fill = map[string]bool{}
	for _, cmd := range redistest.Strings("fill:", 5000, 100) {
		w.fill[cmd[1]] = true
	}
	c.Fill(t, redistest.Strings("fill:", 5000, 100))
	for run := range runs {
		if w.run(uint64(seed + run)); t.Failed() {
			return
		}
	}
	t.Logf("%v; %d writes were lost with targets that were replaced, %d keys came back from both ends", w.runs, w.lost, w.back)
}

// primary is the server that leads a shard now.
func (w *world) primary(shard int) (leader int) {
	redistest.Eventually(w.tb, 20*time.Second, func() error {
		for _, i := range []int{shard, shard + shards} {
			info, err := w.Clients.Observe(w.tb.Context(), w.Servers[i].Endpoint())
			if err == nil && info.Self().Role == cluster.Primary && !info.Self().Slots.IsEmpty() {
				leader = i
				return nil
			}
		}
		return fmt.Errorf("shard %d has no primary", shard)
	})
	return leader
}

// run is one move, one mishap, and what has to be done about it.
func (w *world) run(seed uint64) {
	w.tb.Helper()
	w.rand = rand.New(rand.NewPCG(seed, 0))
	kind := mishaps[seed%uint64(len(mishaps))]
	from := w.rand.IntN(shards)
	to := (from + 1 + w.rand.IntN(shards-1)) % shards
	source, target := w.primary(from), w.primary(to)
	slots := w.some(w.Owned(w.tb, source), 64+w.rand.IntN(400))
	wait := time.Duration(w.rand.IntN(80)) * time.Millisecond
	o := classic
	if w.rand.IntN(2) == 0 {
		o.Profile = redis.ProfileLatency
	}
	what := fmt.Sprintf("seed %d: %s after %v, %s of %s from server %d to %d",
		seed, kind, wait, o.Profile, slots, source, target)

	failover := kind == sourceReplaced || kind == sourceDied || kind == replacedAndDied || kind == targetReplaced
	prefix := fmt.Sprintf("s%d:", seed)
	w.keys = prefix + "*"
	opts := redistest.TrafficOptions{
		Prefix: prefix, Keys: 50, Every: time.Millisecond, Seed: seed,
		// A replica that takes over may answer for a moment with what it had.
		Lenient: failover, NoCounters: failover,
	}
	if failover {
		opts.Replicas = 1
	}
	traffic := redistest.StartTraffic(w.tb, w.Servers, opts)
	redistest.Eventually(w.tb, 20*time.Second, func() error {
		if traffic.Wrote() < 50 {
			return errors.New("clients have not begun")
		}
		return nil
	})
	defer func() {
		if w.tb.Failed() {
			w.tb.Logf("%s\n%s", what, w.Nodes(context.Background()))
		}
	}()
	m := w.move(kind, source, target, slots, o)
	time.Sleep(wait)
	traffic.Twice(w.strike(kind, m, source, target, slots))
	err := <-m.ended
	w.heal()
	conflicts := w.closeAll(o)
	w.check(traffic, kind)
	w.Whole(w.tb, w.primary(0), w.primary(1), w.primary(2))
	w.runs[kind]++
	if w.tb.Failed() {
		w.tb.Log("the mover said", err, ";", conflicts, "conflicts")
	}
}

// some are so many slots of a set, in one piece somewhere in it.
func (w *world) some(of cluster.SlotSet, n int) cluster.SlotSet {
	first := w.rand.IntN(max(1, of.Len()-n))
	return of.Minus(of.Take(first)).Take(n)
}

// move begins to move, in a process of its own when that is to be killed.
func (w *world) move(kind mishap, source, target int, slots cluster.SlotSet, o redis.MoveOptions) mover {
	move := redis.SlotMove{From: w.End(w.tb, source), To: w.End(w.tb, target), Slots: slots}
	if kind == moverKilled || kind == everythingKilled {
		return w.moveApart(move, target, o)
	}
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(w.tb.Context())
	clients := redis.NewClients(redis.Dialer{})
	go func() {
		_, err := clients.MoveSlots(ctx, []redis.SlotMove{move}, o)
		clients.Close()
		cancel()
		ended <- err
	}()
	return mover{stop: cancel, ended: ended}
}

// orderEnv is what TestMoverProcess has to do.
const orderEnv = "MOVE_ORDER"

// moveApart moves in another process, and comes back once that has begun.
func (w *world) moveApart(move redis.SlotMove, target int, o redis.MoveOptions) mover {
	text, err := json.Marshal(moveOrder{From: move.From, To: move.To, Slots: move.Slots.String(), Options: o})
	if err != nil {
		w.tb.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestMoverProcess$", "-test.timeout=1m")
	cmd.Env = append(os.Environ(), orderEnv+"="+string(text))
	if err := cmd.Start(); err != nil {
		w.tb.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	redistest.Eventually(w.tb, 20*time.Second, func() error {
		info, err := w.Clients.Observe(w.tb.Context(), w.Servers[target].Endpoint())
		if err == nil && len(info.Self().Open) == 0 && info.Self().Slots.Intersect(move.Slots).IsEmpty() {
			err = errors.New("it has not begun")
		}
		return err
	})
	return mover{stop: func() { _ = cmd.Process.Kill() }, ended: ended}
}

// moveOrder is a move for another process.
type moveOrder struct {
	From, To redis.MoveEnd
	Slots    string
	Options  redis.MoveOptions
}

// TestMoverProcess is that process. On its own it does nothing.
func TestMoverProcess(t *testing.T) {
	text := os.Getenv(orderEnv)
	if text == "" {
		return
	}
	var o moveOrder
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	slots, err := cluster.ParseSlots(o.Slots)
	if err != nil {
		t.Fatal(err)
	}
	clients := redis.NewClients(redis.Dialer{})
	defer clients.Close()
	moves := []redis.SlotMove{{From: o.From, To: o.To, Slots: slots}}
	if _, err = clients.MoveSlots(t.Context(), moves, o.Options); err != nil {
		t.Error(err)
	}
}

// strike has the mishap happen, and says which keys that has left at both ends, or may: who takes over here has no agent
// that tells it what is on its way (docs/decisions/0024), so that clients make keys anew that are at the target.
func (w *world) strike(kind mishap, m mover, source, target int, slots cluster.SlotSet) (twice []string) {
	w.tb.Helper()
	kill := func(i int) {
		w.Servers[i].Kill()
		w.Servers[i].Restart(w.tb)
	}
	switch kind {
	case moverKilled, moverStopped:
		m.stop()
	case sourceKilled:
		kill(source)
		return both(w.keysAt(source), w.keysAt(target)) // who starts again serves nobody for two seconds
	case targetKilled:
		had := w.keysAt(source)
		kill(target)
		return both(had, w.keysAt(target))
	case sourceReplaced:
		w.replace(source)
		twice = of(w.keysAt(target), slots)
	case sourceDied:
		w.Servers[source].Kill()
		w.takeOver(source)
		twice = of(w.keysAt(target), slots)
		w.Servers[source].Restart(w.tb)
	case replacedAndDied:
		heir := w.replace(source)
		twice = of(w.keysAt(target), slots)
		kill(heir)
	case targetReplaced:
		w.Servers[target].Kill()
		w.takeOver(target)
		w.Servers[target].Restart(w.tb)
	case everythingKilled:
		m.stop()
		kill(source)
		twice = both(w.keysAt(source), w.keysAt(target))
		kill(target)
	}
	return twice
}

// replace has the other node of a shard take its place while it lives, as when a pod is to go: nothing is lost. As our
// agents do, it lets the primary give nothing away any more before, and waits until what it gave has been heard of.
func (w *world) replace(primary int) int {
	w.tb.Helper()
	w.Servers[primary].MustDo(w.tb, "CLIENT", "PAUSE", "20000", "WRITE")
	defer w.Servers[primary].MustDo(w.tb, "CLIENT", "UNPAUSE")
	w.awaitHeard(primary)
	return w.promote(primary, redis.Manual)
}

// takeOver has the other node of a shard take the place of one that has died. As our agents do, it first hears what
// the others have: who takes over does so with all slots that it believes to be its primary's, and a node that has
// just got one of them deletes what it has. One may be getting some at this moment: what was on its way arrives within
// inFlight.
func (w *world) takeOver(dead int) int {
	w.tb.Helper()
	w.awaitHeard(dead)
	return w.promote(dead, redis.Takeover)
}

// awaitHeard waits until the twin of a primary that gives nothing away any more has heard of all that it gave.
func (w *world) awaitHeard(primary int) {
	w.tb.Helper()
	redistest.Eventually(w.tb, 20*time.Second, func() error {
		if err := w.heardAll(primary); err != nil {
			return err
		}
		time.Sleep(inFlight)
		return w.heardAll(primary)
	})
}

const inFlight = 200 * time.Millisecond

// heardAll says what the twin of a dead primary has not heard of yet.
func (w *world) heardAll(dead int) error {
	mine, err := w.Clients.Observe(w.tb.Context(), w.Servers[w.twin(dead)].Endpoint())
	if err != nil {
		return err
	}
	for i, o := range w.Clients.ObserveAll(w.tb.Context(), w.Endpoints()) {
		if i == dead || i == w.twin(dead) || o.Err != nil {
			continue
		}
		self := o.Info.Self()
		theirs, _ := mine.Table.Find(self.ID)
		if self.Role == cluster.Primary && !self.Slots.Minus(theirs.Slots).IsEmpty() {
			return fmt.Errorf("server %d has slots that the replica does not know of", i)
		}
		said, _ := o.Info.Table.Find(w.IDs[dead])
		known, _ := mine.Table.Find(w.IDs[dead])
		if !said.Slots.Minus(known.Slots).IsEmpty() {
			return fmt.Errorf("server %d knows of more slots of the dead one", i)
		}
	}
	return nil
}

// twin is the other node of a shard.
func (*world) twin(i int) int { return (i + shards) % (2 * shards) }

// votesAgain is when primaries vote again about one that was replaced before: twice the node-timeout (cluster.c,
// clusterSendFailoverAuthIfNeeded), and some time to ask.
const votesAgain = 75 * time.Second

func (w *world) promote(primary int, mode redis.FailoverMode) int {
	w.tb.Helper()
	replica := w.twin(primary)
	ep := w.Servers[replica].Endpoint()
	redistest.Eventually(w.tb, votesAgain, func() error {
		info, err := w.Clients.Observe(w.tb.Context(), ep)
		if err != nil || info.Self().Role == cluster.Primary {
			return err
		}
		if err = w.Clients.Failover(w.tb.Context(), ep, mode); err != nil {
			return err
		}
		return errors.New("it is no primary")
	})
	return replica
}

// check fails the test when something that was acknowledged is missing. With a target that died, and that its replica
// has replaced, goes what the replica had not got yet: not more than was under way.
func (w *world) check(traffic *redistest.Traffic, kind mishap) {
	w.tb.Helper()
	wrong := traffic.Wrong(w.tb)
	for _, text := range traffic.Back() {
		w.tb.Logf("back from both ends: %s", text)
		w.back++
	}
	found := map[string]bool{}
	for shard := range shards {
		var keys []string
		w.Servers[w.primary(shard)].List(w.tb, &keys, "KEYS", "fill:*")
		for _, key := range keys {
			found[key] = true
		}
	}
	for key := range w.fill {
		if !found[key] {
			wrong = append(wrong, key+" is gone")
			delete(w.fill, key)
		}
	}
	if kind == targetReplaced && len(wrong) <= mostLost {
		w.lost += len(wrong)
		return
	}
	for _, text := range wrong[:min(20, len(wrong))] {
		w.tb.Error(text)
	}
	if len(wrong) > 0 {
		w.tb.Errorf("%d writes are missing", len(wrong))
	}
}

// mostLost is the keys of a window, and of the one that is opened while it is carried.
const mostLost = 2 * 64
