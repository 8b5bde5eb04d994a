package redisnode

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// What the node B is by one peer's account is newer than by another's. Whoever comes first is not to be believed.
func TestCompareAccounts(t *testing.T) {
	t.Parallel()
	const (
		nothing = idB + " 10.0.0.2:6379@16379 master - 0 0 0 connected\n"
		drained = idB + " 10.0.0.2:6379@16379 master - 0 0 9 connected\n"
		follows = idB + " 10.0.0.2:6379@16379 slave " + idA + " 0 0 5 connected\n"
		owns    = idB + " 10.0.0.2:6379@16379 master - 0 0 7 connected 0-5\n"
		demoted = idB + " 10.0.0.2:6379@16379 slave " + idA + " 0 0 8 connected\n"
	)
	for name, tc := range map[string]struct {
		older, newer     string
		heldEpoch, epoch uint64 // of the older's table, and of the newer's
		held             bool   // the older is of one that does not run
	}{
		"it has become a replica":                    {older: nothing, newer: follows},
		"a former primary has become a replica":      {older: drained, newer: follows},
		"it has become a primary":                    {older: follows, newer: owns},
		"another has taken over from it":             {older: owns, newer: demoted},
		"who runs knows better than a disk":          {older: owns, newer: nothing, held: true},
		"the same is said by one that knows of more": {older: follows, newer: follows, heldEpoch: 3, epoch: 4},
	} {
		older := accountIn(t, tc.older, agent.Table{Running: !tc.held, Epoch: tc.heldEpoch})
		newer := accountIn(t, tc.newer, agent.Table{Running: true, Epoch: tc.epoch})
		if compareAccounts(newer, older) <= 0 || compareAccounts(older, newer) >= 0 {
			t.Errorf("%s: %d and %d", name, compareAccounts(newer, older), compareAccounts(older, newer))
		}
	}
}

func accountIn(t *testing.T, line string, table agent.Table) account {
	t.Helper()
	parsed, err := cluster.ParseNodes(line)
	must(t, err)
	node, _ := parsed.Find(idB)
	return account{"demo-1", table, node}
}

// A node that has taken over and then lost its nodes.conf comes back as what it has become, also when the peer that is
// asked first was not there to hear of it.
func TestNodesConf_MadeAgainFromTheNewest(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	keep(t, pods[0])
	heir, stale, other := pods[3], pods[4], pods[5]
	if stale.ip > other.ip { // as they are asked
		stale, other = other, stale
	}
	id := cluster.NodeID(heir.status().NodeID)
	hasHeard := func(p *testPod) bool {
		node, _ := p.info().Table.Find(id)
		return !node.Slots.IsEmpty()
	}
	stale.crash()
	pods[0].kill()
	heir.awaitStatus("takes over", func(s agent.Status) bool { return s.Role == rolePrimary && s.SlotsOwned > 0 })
	eventually(t, other.name+" has heard", func() (bool, string) { return hasHeard(other), "" })
	heir.stopForGood()
	stale.startRedis()
	stale.awaitStatus("runs", running)
	if hasHeard(stale) {
		t.Fatalf("%s has heard", stale.name)
	}
	must(t, os.Remove(filepath.Join(heir.dataDir, nodesFile)))
	w.list(stale, other)
	heir.startRedis()
	s := heir.awaitStatus("runs", func(s agent.Status) bool { return running(s) && s.Notice != "" })
	if s.NodeID != string(id) || s.Role != rolePrimary || s.SlotsOwned == 0 {
		t.Errorf("came back as %+v", s)
	}
	w.list(pods...)
	<-pods[0].redisDone
	pods[0].startRedis()
	w.awaitWhole(pods)
	keepsAll(t, heir)
}

// list has the Service know these pods only.
func (w *world) list(pods ...*testPod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dns = func() []string { return addressesOfPods(pods) }
}
