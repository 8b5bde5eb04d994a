package redisnode

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/utils/clock"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// The tests of this file and those that use it run real agents beside the redis-server or valkey-server that is first
// in PATH. A pod is an address of the loopback network: pods share ports, as in Kubernetes.

const (
	worldUID      = "7f3c1c1e-0000-4000-8000-00000000c0de"
	worldTimeout  = 60 * time.Second
	worldInterval = 20 * time.Millisecond
	// statusBound is how long an agent may take to answer on a machine that is busy.
	statusBound = 10 * time.Second

	// graceBound is how long redis has to end before the kubelet kills it, here less than in a pod.
	graceBound = 20 * time.Second

	// canary stands in every password, so that one that leaks is found.
	canary = `kanari " \ ü#'`
)

// world is a cluster's pods, and what Kubernetes and the operator do for them.
type world struct {
	t      *testing.T
	ca     agent.CA
	clock  clock.Clock
	redis  *redis.Clients // the operator's
	agents *agent.Client  // the operator's
	config string

	mu   sync.Mutex
	pods []*testPod
	dns  func() []string // nil: all pods

	dnsErr error
	// What pods that are made from now on start with.
	start  string
	denied []string
	// They are 0 for what they are in a pod.
	lostBound, markInterval time.Duration
}

var lastIP atomic.Int32

// nextIP is an address that no other test uses, nor another run of the tests.
func nextIP() string {
	n := int(lastIP.Add(1))
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d", 64+pid%128, pid/128%25*10+n/250, 1+n%250)
}

func newWorld(t *testing.T, conf string) *world {
	t.Helper()
	if _, err := findServer(); err != nil {
		t.Fatalf("no server to test with: %v: apt-get install redis-server, or run `make unit`", err)
	}
	c := clock.RealClock{}
	ca, err := agent.NewCA(worldUID, c.Now())
	must(t, err)
	client, err := agent.NewOperatorClient(ca, worldUID, c.Now)
	must(t, err)
	w := &world{t: t, ca: ca, clock: c, redis: redis.NewClients(redis.Dialer{}), agents: client, config: t.TempDir()}
	t.Cleanup(w.close)
	certPEM, keyPEM, err := ca.IssueAgent(worldUID, c.Now())
	must(t, err)
	must(t, os.Mkdir(filepath.Join(w.config, "tls"), 0o700))
	for name, content := range map[string]string{
		confFile: conf, fileDefault: canary + "default\n", fileOperator: canary + fileOperator,
		fileRedisnode: canary + fileRedisnode, fileReplication: canary + fileReplication, fileMover: canary + fileMover,
		"tls/" + agent.CAFile: string(ca.CertPEM), "tls/" + agent.CertFile: string(certPEM),
		"tls/" + agent.KeyFile: string(keyPEM),
	} {
		must(t, os.WriteFile(filepath.Join(w.config, name), []byte(content), 0o400))
	}
	return w
}

// close ends what runs, agents first: they must not see their redis die in the middle of the end.
func (w *world) close() {
	for _, p := range w.all() {
		p.stopAgent()
		if err := <-p.agentDone; err != nil {
			w.t.Errorf("agent of %s: %v", p.name, err)
		}
		p.kill()
		p.stopRedis()
		<-p.redisDone
		if w.t.Failed() || os.Getenv("REDISNODE_TEST_LOG") != "" {
			p.mu.Lock()
			w.t.Logf("redis of %s:\n%s", p.name, tail(p.log.String(), 200))
			p.mu.Unlock()
		}
	}
	w.redis.Close()
	w.agents.Close()
}

func tail(text string, lines int) string {
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

func (w *world) all() []*testPod {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.pods)
}

// resolve is the headless Service.
func (w *world) resolve(context.Context, string) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dnsErr != nil {
		return nil, w.dnsErr
	}
	if w.dns != nil {
		return w.dns(), nil
	}
	var ips []string
	for _, p := range w.pods {
		ips = append(ips, p.ip)
	}
	return ips, nil
}

// create makes pod number i on an empty volume.
func (w *world) create(i int) *testPod {
	w.t.Helper()
	return w.place(i, w.t.TempDir())
}

// place makes pod number i on a volume, with an address of its own.
func (w *world) place(i int, dataDir string) *testPod {
	w.t.Helper()
	p := w.placeAgent(i, dataDir)
	p.startRedis()
	return p
}

// placeAgent makes a pod whose container of redis has not started yet.
func (w *world) placeAgent(i int, dataDir string) *testPod {
	w.t.Helper()
	runDir := shortDir(w.t)
	ip := nextIP()
	p := &testPod{w: w, name: fmt.Sprintf("demo-%d", i), uid: "uid-" + ip, ip: ip, dataDir: dataDir, runDir: runDir}
	p.redisDone, p.stopRedis = make(chan struct{}), func() {}
	close(p.redisDone)
	w.mu.Lock()
	w.pods = append(w.pods, p)
	w.mu.Unlock()
	p.startAgent()
	return p
}

// shortDir is a directory with a path that is not too long for a unix socket, as that of t.TempDir.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rn") //nolint:usetesting // see above
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// configure is another ConfigMap, projected under agents that run.
func (w *world) configure(conf string) {
	w.t.Helper()
	must(w.t, writeFile(filepath.Join(w.config, confFile), []byte(conf), 0o400))
}

// form makes a cluster of new pods, as the operator does: primaries, then a replica of each.
func (w *world) form(primaries, replicas int) []*testPod {
	w.t.Helper()
	ctx := w.t.Context()
	var pods []*testPod
	for i := range primaries * (1 + replicas) {
		pods = append(pods, w.create(i))
	}
	ids := make([]cluster.NodeID, len(pods))
	var peers []redis.Peer
	for i, p := range pods {
		ids[i] = cluster.NodeID(p.awaitStatus("running", running).NodeID)
		peers = append(peers, redis.Peer{IP: p.ip, Port: agent.RedisPort, BusPort: agent.BusPort})
	}
	for i, p := range pods[:primaries] {
		first, last := i*cluster.SlotCount/primaries, (i+1)*cluster.SlotCount/primaries-1
		slots := cluster.NewSlotSet(cluster.SlotRange{First: cluster.Slot(first), Last: cluster.Slot(last)})
		must(w.t, w.redis.AddSlots(ctx, p.endpoint(), uint64(i+1), slots))
	}
	for i, p := range pods {
		must(w.t, w.redis.Meet(ctx, p.endpoint(), slices.Concat(peers[:i], peers[i+1:])))
	}
	// A busy machine may be silent for longer than nodes are believed in that form a cluster: until their agents have
	// seen that it is formed there is nobody to elect.
	timeout := configuredNodeTimeout(readString(w.t, filepath.Join(w.config, confFile)))
	for _, p := range pods[:primaries] {
		p.awaitTimeout(timeout)
	}
	for i, p := range pods[primaries:] {
		eventually(w.t, p.name+" is a replica", func() (bool, string) {
			err := w.redis.Replicate(ctx, p.endpoint(), ids[i%primaries])
			return err == nil, fmt.Sprint(err)
		})
	}
	w.awaitWhole(pods)
	// Others hear of a role by the next ping, up to half a node-timeout later. Who is met is sent one at once.
	for i, p := range pods[primaries:] {
		i += primaries
		must(w.t, w.redis.Meet(ctx, p.endpoint(), slices.Concat(peers[:i], peers[i+1:])))
	}
	w.awaitRoles(pods, len(pods)-primaries)
	return pods
}

// awaitRoles waits until every node lists every other once, and so many of them as replicas.
func (w *world) awaitRoles(pods []*testPod, replicas int) {
	w.t.Helper()
	eventually(w.t, "all know of the replicas", func() (bool, string) {
		for _, p := range pods {
			info := p.info()
			if info == nil {
				return false, p.name + " does not answer"
			}
			follow := 0
			for _, n := range info.Table {
				if n.PrimaryID != "" {
					follow++
				}
			}
			if follow != replicas || len(info.Table) != len(pods) {
				return false, fmt.Sprintf("%s lists %d nodes, %d of them replicas", p.name, len(info.Table), follow)
			}
		}
		return true, ""
	})
}

// awaitWhole waits until every node sees every other, all slots are served and all replicas follow.
func (w *world) awaitWhole(pods []*testPod) {
	w.t.Helper()
	eventually(w.t, "the cluster is whole", func() (bool, string) {
		for _, p := range pods {
			if problem := p.problem(len(pods)); problem != "" {
				return false, p.name + ": " + problem
			}
		}
		return true, ""
	})
}

func (p *testPod) problem(nodes int) string {
	info := p.info()
	if info == nil {
		return "does not answer"
	}
	var slots cluster.SlotSet
	for _, n := range info.Table {
		slots = slots.Union(n.Slots)
		if !n.Flags.Myself && !n.Connected || n.Flags.Fail || n.Flags.NoAddr {
			return fmt.Sprintf("does not reach %+v", n)
		}
	}
	switch {
	case len(info.Table) != nodes:
		return fmt.Sprintf("knows %d nodes", len(info.Table))
	case !info.StateOK || slots.Len() != cluster.SlotCount:
		return fmt.Sprintf("state ok %v with %d slots", info.StateOK, slots.Len())
	case !info.LinkUp:
		return "is not in sync"
	case info.Self().Role == cluster.Primary && info.Self().Slots.IsEmpty():
		return "has no role"
	}
	// Only then its agent lets it take over: it looks five times a second, and may have seen a primary last. One that does
	// not run is not waited for.
	if s := p.status(); info.Self().Role == cluster.Replica && s.PodName != "" && (!s.Synced || s.Fresh) {
		return "its agent has not seen it in sync for long enough"
	}
	return ""
}

func eventually(t *testing.T, what string, ok func() (done bool, seen string)) {
	t.Helper()
	c := clock.RealClock{}
	deadline := c.Now().Add(worldTimeout)
	for {
		done, seen := ok()
		if done {
			return
		}
		if c.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %s", what, worldTimeout, seen)
		}
		if pause(t.Context(), c, worldInterval) != nil {
			t.Fatalf("%s: the test has ended: %s", what, seen)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// realNow is the clock of certificates.
func realNow() time.Time { return clock.RealClock{}.Now() }
