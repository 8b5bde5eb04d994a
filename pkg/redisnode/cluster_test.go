package redisnode

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

const (
	common = "cluster-require-full-coverage no\ncluster-allow-replica-migration no\nrepl-diskless-sync-delay 0\n"
	onDisk = common + "appendonly yes\nappendfsync always\nsave \"\"\n"
	// inMemory keeps nothing: who restarts is empty.
	inMemory = common + "appendonly no\nsave \"\"\n"
)

func TestForm(t *testing.T) {
	w := newWorld(t, onDisk)
	start := w.clock.Now()
	pods := w.form(3, 1)
	t.Logf("formed in %s", w.clock.Since(start).Round(time.Millisecond))
	for n := range 5 {
		if got := pods[0].client("SET", fmt.Sprint("k", n), "v"); got != "OK" {
			t.Errorf("SET: %s", got)
		}
		var keys int64
		for _, p := range pods[:3] {
			info, err := AskInfo(t.Context(), p.runDir)
			must(t, err)
			keys += info.Keys
		}
		if keys != int64(n+1) {
			t.Errorf("who asks after %d writes is told of %d keys", n+1, keys)
		}
	}
	for _, p := range pods {
		p.awaitTimeout(defaultNodeTimeout)
	}
}

// A node that was formed while its agent was gone gets its node-timeout all the same.
func TestForm_AgentRestarts(t *testing.T) {
	w := newWorld(t, onDisk+"cluster-node-timeout 7000\n")
	pods := []*testPod{w.create(0)}
	pods[0].awaitStatus("running", running)
	pods[0].awaitTimeout(formingNodeTimeout)
	pods[0].stopAgent()
	must(t, <-pods[0].agentDone)
	must(t, w.redis.AddSlots(t.Context(), pods[0].endpoint(), 1, cluster.AllSlots()))
	pods[0].startAgent()
	pods[0].awaitTimeout(7000)
	// What the operator sets live afterwards is left alone.
	set := []redis.Setting{{Name: nodeTimeoutSetting, Value: "9000"}}
	must(t, w.redis.ConfigSet(t.Context(), pods[0].endpoint(), set))
	pods[0].restartAgent()
	pods[0].awaitStatus("running", running)
	pods[0].awaitTimeout(9000)
}

func (p *testPod) awaitTimeout(wanted int) {
	p.w.t.Helper()
	eventually(p.w.t, "node-timeout of "+p.name, func() (bool, string) {
		live, err := p.w.redis.ConfigGet(p.w.t.Context(), p.endpoint(), nodeTimeoutSetting)
		return live[nodeTimeoutSetting] == strconv.Itoa(wanted), fmt.Sprint(live, err)
	})
}

func TestJoin(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 0)
	joined := w.create(3)
	joined.awaitStatus("knows all", func(s agent.Status) bool { return s.Peers == 3 && s.Formed })
	info := joined.info()
	if self := info.Self(); self.Role != cluster.Primary || !self.Slots.IsEmpty() {
		t.Errorf("joined as %+v", self)
	}
	for _, p := range pods {
		p.awaitStatus("knows the new one", func(s agent.Status) bool { return s.Peers == 3 })
	}
	// A second of silence is no reason for it to hold a primary for failed, nor to say so to others.
	joined.awaitTimeout(joiningNodeTimeout)
	primary := pods[0].info().Self().ID
	pods[0].stall()
	must(t, w.redis.Replicate(t.Context(), joined.endpoint(), primary))
	joined.awaitTimeout(formingNodeTimeout) // all are to hear of it soon
	pods[0].resume()
	joined.awaitTimeout(defaultNodeTimeout)
}

// Nodes that are all alone are the operator's to introduce: they must not find each other.
func TestJoin_NotWhileForming(t *testing.T) {
	w := newWorld(t, onDisk)
	alone, owner := w.create(0), w.create(1)
	alone.awaitStatus("running", running)
	owner.awaitStatus("running", running)
	must(t, w.redis.AddSlots(t.Context(), owner.endpoint(), 2, cluster.AllSlots()))
	s := owner.awaitStatus("owns slots", func(s agent.Status) bool { return s.SlotsOwned > 0 })
	if shouldMeet(alone.info().Table, peer{IP: owner.ip, Status: s}) {
		t.Errorf("would meet a node that is being formed: %+v", s)
	}
	// The epoch can still be set: nobody was met.
	must(t, w.redis.AddSlots(t.Context(), alone.endpoint(), 1, cluster.SlotSet{}))
	if epoch := alone.info().Self().ConfigEpoch; epoch != 1 {
		t.Errorf("config epoch %d", epoch)
	}
}

func TestRestart_OneWithNewAddress(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	for _, i := range []int{4, 0} { // a replica, a primary
		id := pods[i].status().NodeID
		if i == 0 {
			pods[i].lose() // without hand-over
		} else {
			pods[i].remove()
		}
		pods[i] = w.place(i, pods[i].dataDir)
		if got := pods[i].awaitStatus("running", running).NodeID; got != id {
			t.Errorf("%s came back as %s, was %s", pods[i].name, got, id)
		}
		w.awaitWhole(pods)
	}
}

func TestFault25_AllPodsDeletedAtOnce(t *testing.T) {
	for name, test := range map[string]struct {
		lateDNS, gracefully bool
		within              time.Duration
	}{
		"the service knows them at once":                  {within: 30 * time.Second},
		"the service hears of them when the gate is shut": {lateDNS: true, within: 30 * time.Second},
		"each hands over what it can":                     {gracefully: true, within: 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, onDisk)
			pods := w.form(3, 1)
			fill(t, pods, 500)
			ids := map[string]string{}
			var volumes []string
			for _, p := range pods {
				ids[p.name] = p.status().NodeID
				volumes = append(volumes, p.dataDir)
			}
			awaitCopies(t, pods)
			start := w.clock.Now()
			old := addressesOfPods(pods)
			if test.gracefully {
				each(pods, func(p *testPod) { p.remove() })
			} else {
				each(pods, (*testPod).crash)
				for _, p := range pods {
					p.forget()
				}
			}
			if test.lateDNS {
				w.serve(func() []string { return old })
			}
			for i := range pods {
				pods[i] = w.place(i, volumes[i])
			}
			if test.lateDNS {
				for _, p := range pods {
					p.awaitStatus("running", running)
				}
				w.serve(nil)
			}
			w.awaitWhole(pods)
			took := w.clock.Since(start)
			t.Logf("whole again after %s", took.Round(time.Millisecond))
			if took > test.within {
				t.Errorf("took %s", took)
			}
			for _, p := range pods {
				if id := p.status().NodeID; id != ids[p.name] {
					t.Errorf("%s came back as %s, was %s", p.name, id, ids[p.name])
				}
			}
			verify(t, pods, 500)
		})
	}
}

func (w *world) serve(dns func() []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dns = dns
}

func addressesOfPods(pods []*testPod) []string {
	var ips []string
	for _, p := range pods {
		ips = append(ips, p.ip)
	}
	return ips
}

// crash ends redis, and waits until its agent has seen that: a status is up to a tenth of a second old.
func (p *testPod) crash() {
	p.w.t.Helper()
	p.kill()
	<-p.redisDone
	p.awaitStatus("has ended", func(s agent.Status) bool { return s.Role == "" })
}

func each(pods []*testPod, do func(*testPod)) {
	var group sync.WaitGroup
	for _, p := range pods {
		group.Go(func() { do(p) })
	}
	group.Wait()
}

// fill writes keys 0 to n-1 to the cluster.
func fill(t *testing.T, pods []*testPod, n int) {
	t.Helper()
	var script strings.Builder
	for i := range n {
		fmt.Fprintf(&script, "SET key-%d %d\n", i, i)
	}
	if out := pods[0].pipe(script.String()); strings.Count(out, "OK") != n {
		t.Fatalf("fill: %s", out)
	}
}

// awaitCopies waits until the replicas of three primaries have what these have.
func awaitCopies(t *testing.T, pods []*testPod) {
	t.Helper()
	eventually(t, "the replicas have everything", func() (bool, string) {
		for i := range 3 {
			if a, b := pods[i].info(), pods[i+3].info(); a == nil || b == nil || a.Keys != b.Keys {
				return false, fmt.Sprintf("%s: %v %v", pods[i].name, a, b)
			}
		}
		return true, ""
	})
}

// verify reads the keys that fill wrote.
func verify(t *testing.T, pods []*testPod, n int) {
	t.Helper()
	var script strings.Builder
	for i := range n {
		fmt.Fprintf(&script, "GET key-%d\n", i)
	}
	var lines []string
	for line := range strings.Lines(pods[0].pipe(script.String())) {
		if !strings.HasPrefix(line, "->") { // redis-cli says that it is redirected
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	lost := 0
	for i := range n {
		if i >= len(lines) || lines[i] != strconv.Itoa(i) {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d keys are lost: %.300q", lost, n, lines)
	}
}

func TestFault27_EmptyPrimaryWaitsForItsReplica(t *testing.T) {
	w := newWorld(t, inMemory)
	pods := w.form(3, 1)
	fill(t, pods, 300)
	awaitCopies(t, pods)
	start := w.clock.Now()
	pods[0].crash()
	pods[0].startRedis()
	s := pods[3].awaitStatus("took over", func(s agent.Status) bool { return s.Role == rolePrimary })
	t.Logf("took over %s after the crash", w.clock.Since(start).Round(time.Millisecond))
	if s.SlotsOwned != 5461 {
		t.Errorf("owns %d slots", s.SlotsOwned)
	}
	back := pods[0].awaitStatus("follows", func(b agent.Status) bool { return b.Role == roleReplica && b.PrimaryID == s.NodeID })
	if back.DataLost != "" {
		t.Errorf("came back as %+v", back)
	}
	w.awaitWhole(pods)
	verify(t, pods, 300)
}

// A copy that does not run yet is waited for.
func TestEmptyPrimary_WaitsForCopy(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	fill(t, pods, 300)
	awaitCopies(t, pods)
	must(t, w.agents.Fence(t.Context(), pods[3].ip, agent.FenceRequest{Order: pods[3].order(1)}))
	each([]*testPod{pods[0], pods[3]}, (*testPod).crash)
	must(t, os.RemoveAll(filepath.Join(pods[0].dataDir, "appendonlydir")))
	pods[3].startRedis()
	pods[3].awaitStatus("fenced", func(s agent.Status) bool { return s.Phase == agent.PhaseFenced })
	pods[0].startRedis()
	pods[0].awaitStatus("waits", func(s agent.Status) bool {
		return s.Phase == agent.PhaseGate && strings.Contains(s.Waiting, "demo-3 has a copy of the data")
	})
	must(t, w.agents.Unfence(t.Context(), pods[3].ip, agent.FenceRequest{Order: pods[3].order(1)}))
	w.awaitWhole(pods)
	if s := pods[3].status(); s.Role != rolePrimary {
		t.Errorf("the copy came back as %+v", s)
	}
	verify(t, pods, 300)
}

func (p *testPod) order(generation int64) agent.Order {
	return agent.Order{ClusterUID: worldUID, PodUID: p.uid, Generation: generation}
}

func TestEmptyPrimary_NoCopyIsReported(t *testing.T) {
	w := newWorld(t, inMemory)
	pods := w.form(3, 0)
	fill(t, pods, 100)
	pods[1].crash()
	pods[1].startRedis()
	s := pods[1].awaitStatus("running", func(s agent.Status) bool { return running(s) && s.DataLost != "" })
	if !strings.Contains(s.DataLost, "5461-10921") {
		t.Errorf("data lost: %q", s.DataLost)
	}
	w.awaitWhole(pods)
}

// What was corrupt is kept, each time.
func TestCorruptNodesConf(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	id := pods[3].status().NodeID
	for range 2 {
		pods[3].crash()
		path := filepath.Join(pods[3].dataDir, nodesFile)
		must(t, os.WriteFile(path, []byte("vars currentEpoch 6 lastVoteEpoch"), 0o600))
		pods[3].startRedis()
		s := pods[3].awaitStatus("follows again", func(s agent.Status) bool { return synced(s) && s.Notice != "" })
		if s.NodeID != id || !strings.Contains(s.Notice, "nodes.conf was corrupt") {
			t.Errorf("%+v", s)
		}
	}
	for _, name := range []string{"nodes.conf.corrupt", "nodes.conf.corrupt.1"} {
		if _, err := os.Stat(filepath.Join(pods[3].dataDir, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestAgentRestart_LeavesRedisAlone(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	fill(t, pods, 50)
	before := runID(pods[0])
	for range 3 {
		pods[0].restartAgent()
		s := pods[0].awaitStatus("running", synced)
		if s.Phase != agent.PhaseRunning || s.SlotsOwned != 5461 {
			t.Errorf("%+v", s)
		}
	}
	if after := runID(pods[0]); after != before || before == "" {
		t.Errorf("redis was started again: %q, was %q", after, before)
	}
	// The hand-over works through the new agent.
	if got := pods[0].remove(); !strings.Contains(got, "took over") {
		t.Error(got)
	}
}

func runID(p *testPod) string {
	for line := range strings.Lines(p.client("INFO", "server")) {
		if id, ok := strings.CutPrefix(strings.TrimSpace(line), "run_id:"); ok {
			return id
		}
	}
	return ""
}

func TestFence(t *testing.T) {
	w := newWorld(t, onDisk)
	p := w.create(0)
	p.awaitStatus("running", running)
	fence := func(generation int64) error {
		return w.agents.Fence(t.Context(), p.ip, agent.FenceRequest{Order: p.order(generation)})
	}
	unfence := func(generation int64) error {
		return w.agents.Unfence(t.Context(), p.ip, agent.FenceRequest{Order: p.order(generation)})
	}
	must(t, fence(7))
	p.awaitStatus("runs on", running)
	p.crash()
	p.restartAgent() // the fence outlives the agent
	p.startRedis()
	p.awaitStatus("fenced", func(s agent.Status) bool {
		return s.Phase == agent.PhaseFenced && s.Waiting == "the node is fenced" && s.Generation == 7
	})
	if err := unfence(6); err == nil {
		t.Error("an order of an older generation was obeyed")
	}
	if s := p.status(); s.Phase != agent.PhaseFenced {
		t.Errorf("%+v", s)
	}
	must(t, unfence(7))
	p.awaitStatus("running", running)
}

func TestSecretsStayInside(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	pods[0].crash()
	pods[0].startRedis()
	w.awaitWhole(pods)
	for _, p := range pods {
		p.mu.Lock()
		pid, log := p.process.Pid, p.log.String()
		p.mu.Unlock()
		for what, text := range map[string]string{
			"log":         log,
			"status":      fmt.Sprintf("%+v", p.status()),
			"arguments":   readString(t, fmt.Sprintf("/proc/%d/cmdline", pid)),
			"environment": readString(t, fmt.Sprintf("/proc/%d/environ", pid)),
			"acl":         readString(t, aclPath(p.runDir)),
			"state":       readString(t, filepath.Join(p.dataDir, nodesFile)),
		} {
			if strings.Contains(text, "kanari") {
				t.Errorf("%s: a password is in its %s", p.name, what)
			}
		}
		for _, path := range []string{aclPath(p.runDir), confPath(p.runDir)} {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v %v", path, info.Mode(), err)
			}
		}
	}
}

func readString(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	return string(data)
}
