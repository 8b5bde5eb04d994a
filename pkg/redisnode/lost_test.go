package redisnode

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

const testLostBound = 4 * time.Second

// A replica that only the empty primary cannot ask has the last copy. While Kubernetes has its pod, or a node is in touch
// with it, the primary waits, and says what for. A replica that follows an empty primary has lost everything.
func TestYield_ReplicaThatIsOnlyCutOff(t *testing.T) {
	w := newWorld(t, inMemory)
	w.lostBound = testLostBound
	pods := w.form(3, 1)
	fill(t, pods, 300)
	awaitCopies(t, pods)
	replica := pods[3]
	replica.stopAgent() // its redis runs on
	must(t, <-replica.agentDone)
	pods[0].crash()
	pods[0].startRedis()
	waitsFor := func(what string) {
		t.Helper()
		pods[0].awaitStatus(what, func(s agent.Status) bool {
			return s.Phase == agent.PhaseGate && strings.Contains(s.Waiting, what)
		})
	}
	waitsFor("a replica does not answer yet")
	waitsFor("nobody answers in the pod at " + replica.ip)
	w.serveError(errors.New("no such host"))
	waitsFor("look up the other pods")
	w.serveError(nil)
	w.serve(func() []string { return []string{pods[1].ip, pods[2].ip, pods[4].ip, pods[5].ip} })
	waitsFor("does not list this pod yet")
	w.serve(func() []string { return []string{pods[0].ip, pods[1].ip, pods[2].ip, pods[4].ip, pods[5].ip} })
	waitsFor("is in touch with it")
	w.serve(nil)
	replica.startAgent()
	w.awaitWhole(pods)
	if s := replica.status(); s.Role != rolePrimary {
		t.Errorf("the copy came back as %+v", s)
	}
	verify(t, pods, 300)
}

// A replica whose pod is gone, and whom nobody is in touch with, is not waited for.
func TestYield_ReplicaThatIsGone(t *testing.T) {
	w := newWorld(t, inMemory)
	w.lostBound = testLostBound
	pods := w.form(3, 1)
	fill(t, pods, 300)
	pods[3].lose()
	pods[0].crash()
	pods[0].startRedis()
	s := pods[0].awaitStatus("starts", func(s agent.Status) bool { return running(s) && s.DataLost != "" })
	if !strings.Contains(s.DataLost, "slots 0-5460") || s.Role != rolePrimary {
		t.Errorf("%+v", s)
	}
}

func TestReached(t *testing.T) {
	t.Parallel()
	sees := func(unreached ...string) agent.Nodes {
		return agent.Nodes{NodeID: "dddddddd", IDs: []string{idA, idB, idC}, Unreached: unreached}
	}
	answered := map[cluster.NodeID]peer{idC: {}}
	for name, test := range map[string]struct {
		witnesses []agent.Nodes
		wanted    string
	}{
		"nobody runs who could be in touch":   {},
		"all have lost it":                    {witnesses: []agent.Nodes{sees(idB), sees(idA, idB)}},
		"all have forgotten it":               {witnesses: []agent.Nodes{{NodeID: "d", IDs: []string{idA, idC}}}},
		"one is in touch":                     {witnesses: []agent.Nodes{sees(idB), sees(idA)}, wanted: "node dddddddd is in touch with it (bbbbbbbb)"},
		"who has answered is not asked after": {witnesses: []agent.Nodes{sees(idB, idC)}},
	} {
		if got := reached(shard(t), answered, test.witnesses); got != test.wanted {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// serveError is the Service that cannot be looked up; nil: it can.
func (w *world) serveError(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dnsErr = err
}

// Names are looked up by nobody on the way of data: a crash, a restart and a hand-over go as ever.
func TestFault46_NoNames(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	keep(t, pods[0])
	w.serveError(errors.New("no such host"))
	pods[0].crash()
	s := pods[3].awaitStatus("takes over", func(s agent.Status) bool { return s.Role == rolePrimary && s.SlotsOwned > 0 })
	if s.LastTakeOver == nil {
		t.Error("it was left to the vote")
	}
	pods[0].startRedis()
	w.awaitWhole(pods)
	must(t, pods[3].giveTo(pods[0]))
	w.awaitWhole(pods)
	keepsAll(t, pods[0])
}
