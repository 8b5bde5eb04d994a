package redisnode

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// crashGap is what a write may wait for when a primary dies: some 50 ms, and more on a machine that is busy. A vote
// would take 18 s.
const crashGap = 3 * time.Second

// TestFault23_ReplicaTakesOver kills the redis of a primary: its replica is the primary at once, and the old one comes
// back as a replica.
func TestFault23_ReplicaTakesOver(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	keep(t, pods[0])
	id := pods[0].status().NodeID
	traffic := newTraffic(t, pods)
	traffic.run(200) // before
	pods[0].kill()
	traffic.run(200) // after
	traffic.stop()
	t.Logf("%d acknowledged writes, longest gap %s", traffic.count, traffic.gap.Round(time.Millisecond))
	if traffic.gap > crashGap {
		t.Errorf("no write for %s", traffic.gap)
	}
	got := pods[3].status()
	if got.Role != rolePrimary || got.SlotsOwned != 5461 {
		t.Errorf("the replica: %+v", got)
	}
	if last := got.LastTakeOver; last == nil || last.PrimaryID != id || last.Mode != agent.PromoteTakeover {
		t.Errorf("it says of it: %+v", last)
	} else {
		t.Logf("%d ms after the death was seen, %d bytes missing", last.Millis, last.OffsetGap)
	}
	<-pods[0].redisDone
	pods[0].startRedis()
	pods[0].awaitStatus("it follows", func(s agent.Status) bool {
		return s.Role == roleReplica && s.PrimaryID == pods[3].status().NodeID && s.LinkUp
	})
	keepsAll(t, pods[3])
}

// TestCrash_WithoutReplica kills the redis of a primary that nobody can replace: it starts again as the primary.
func TestCrash_WithoutReplica(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 0)
	keep(t, pods[0])
	pods[0].kill()
	<-pods[0].redisDone
	pods[0].startRedis()
	pods[0].awaitStatus("it is the primary", func(s agent.Status) bool { return running(s) && s.SlotsOwned == 5461 })
	w.awaitWhole(pods)
	keepsAll(t, pods[0])
}

// TestCrash_StaleReplica kills the redis of a primary whose replica had lost its link: a copy that lacks the last
// writes does not win over the primary's own data.
func TestCrash_StaleReplica(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	replica := pods[3]
	replica.operator("CONFIG", "SET", "masterauth", "wrong")
	pods[0].operator("CLIENT", "KILL", "TYPE", "replica")
	replica.awaitStatus("its copy is old", func(s agent.Status) bool { return s.Role == roleReplica && !s.LinkUp && !s.Synced })
	keep(t, pods[0])
	pods[0].kill()
	<-pods[0].redisDone
	pods[0].startRedis()
	pods[0].awaitStatus("it is the primary", func(s agent.Status) bool { return running(s) && s.SlotsOwned == 5461 })
	if s := replica.status(); s.Role != roleReplica {
		t.Errorf("the stale replica: %+v", s)
	}
	replica.operator("CONFIG", "SET", "masterauth", canary+fileReplication)
	w.awaitWhole(pods)
	keepsAll(t, pods[0])
}

// TestCrash_FreshReplica kills the redis of a primary right after its replica was copied to, in the second in which Redis
// does not send it anything yet: a copy that lacks the last writes does not win over the primary's own data.
func TestCrash_FreshReplica(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	replica := pods[3]
	replica.crash()
	replica.loseData()
	traffic := newTraffic(t, pods)
	traffic.run(100) // before
	replica.startRedis()
	replica.awaitStatus("is in sync", func(s agent.Status) bool { return s.Role == roleReplica && s.Synced })
	pods[0].kill()
	traffic.stop() // nothing is written over what may be missing
	<-pods[0].redisDone
	pods[0].startRedis()
	w.awaitWhole(pods)
	missing := 0
	for key, value := range traffic.acked {
		if got, err := strconv.Atoi(pods[1].client("GET", key)); err != nil || got < value {
			missing++
		}
	}
	t.Logf("%d acknowledged writes; %s follows", traffic.count, pods[0].status().Role)
	if missing > 0 {
		t.Errorf("%d of %d keys lack what was acknowledged", missing, len(traffic.acked))
	}
}

// TestCrash_BothCopies kills a primary and its replica at the same time: both come back as they were, with their data.
func TestCrash_BothCopies(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	keep(t, pods[0])
	for _, p := range []*testPod{pods[0], pods[3]} {
		p.kill()
	}
	for _, p := range []*testPod{pods[0], pods[3]} {
		<-p.redisDone
		p.startRedis()
	}
	w.awaitWhole(pods)
	var primaries []string
	for _, p := range []*testPod{pods[0], pods[3]} {
		if info := p.info(); info.Self().Role == cluster.Primary {
			primaries = append(primaries, p.name)
		}
	}
	if len(primaries) != 1 {
		t.Errorf("primaries of the shard: %v", primaries)
	}
	keepsAll(t, pods[1])
}

// loseData empties the volume of a pod whose redis does not run, but for who it is.
func (p *testPod) loseData() {
	p.w.t.Helper()
	for _, name := range dataFiles("", p.dataDir) {
		must(p.w.t, os.RemoveAll(filepath.Join(p.dataDir, name)))
	}
}

const keptKeys = 200

// keep writes keys to the shard of a primary. Each is on its disk when it is acknowledged, and all are at its replicas in
// the end: Redis 7 sends a replica nothing before its first word after a full sync, up to a second later.
func keep(t *testing.T, p *testPod) {
	t.Helper()
	_, replicas, found := strings.Cut(p.operator("INFO", "replication"), "connected_slaves:")
	if !found {
		t.Fatalf("%s does not say who follows it", p.name)
	}
	replicas, _, _ = strings.Cut(replicas, "\r")
	if has := keepHere(t, p, "WAIT "+replicas+" 10000\n"); has != replicas {
		t.Fatalf("%s of %s replicas have it", has, replicas)
	}
}

// keepHere writes keys whoever follows, runs a command, and gives its answer.
func keepHere(t *testing.T, p *testPod, then string) string {
	t.Helper()
	var script strings.Builder
	for i := range keptKeys {
		fmt.Fprintf(&script, "SET {b}kept%d %d\n", i, i)
	}
	out := strings.TrimSpace(p.pipe(script.String() + then))
	if strings.Count(out, "OK") != keptKeys {
		t.Fatalf("write: %s", tail(out, 3))
	}
	return out[strings.LastIndexByte(out, '\n')+1:]
}

// keepsAll checks that they are there.
func keepsAll(t *testing.T, p *testPod) {
	t.Helper()
	var script strings.Builder
	for i := range keptKeys {
		fmt.Fprintf(&script, "GET {b}kept%d\n", i)
	}
	var values []string
	for line := range strings.Lines(p.pipe(script.String())) {
		if !strings.HasPrefix(line, "->") { // where it was sent to
			values = append(values, strings.TrimSpace(line))
		}
	}
	if len(values) != keptKeys {
		t.Fatalf("%d answers for %d keys: %q", len(values), keptKeys, values)
	}
	for i, value := range values {
		if value != strconv.Itoa(i) {
			t.Fatalf("{b}kept%d is %q", i, value)
		}
	}
}

// operator is redis-cli's answer, asked as the operator.
func (p *testPod) operator(args ...string) string {
	p.w.t.Helper()
	return p.cli(agent.UserOperator, canary+fileOperator, args...)
}
