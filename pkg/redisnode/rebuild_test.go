package redisnode

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/agent"
)

// A node whose nodes.conf is lost or corrupt comes back as who it was, with its slots or its primary, and its data.
func TestNodesConf_MadeAgain(t *testing.T) {
	for name, test := range map[string]struct {
		pod   int
		spoil func(path string) error
		says  string
	}{
		"a replica's is cut off": {3, cut, "nodes.conf was corrupt"},
		"a primary's is cut off": {0, cut, "nodes.conf was corrupt"},
		"a primary's is gone":    {0, os.Remove, "nodes.conf was lost and is made again from the table of"},
		"a primary's is empty": {
			0, func(path string) error { return os.Truncate(path, 0) }, "nodes.conf was lost and is made again from the table of",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, onDisk+crashRestart+"\n") // the primary stays who it is
			pods := w.form(3, 1)
			keep(t, pods[0])
			p := pods[test.pod]
			before := p.status()
			p.crash()
			must(t, test.spoil(filepath.Join(p.dataDir, nodesFile)))
			p.startRedis()
			s := p.awaitStatus("runs", func(s agent.Status) bool { return running(s) && s.Notice != "" })
			if s.NodeID != before.NodeID || !strings.Contains(s.Notice, test.says) {
				t.Errorf("%+v", s)
			}
			w.awaitWhole(pods)
			if s := p.status(); s.Role != before.Role || s.SlotsOwned != before.SlotsOwned || s.PrimaryID != before.PrimaryID {
				t.Errorf("came back as %+v, was %+v", s, before)
			}
			awaitAgreement(t, pods)
			keepsAll(t, pods[0])
		})
	}
}

func cut(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, info.Size()-30)
}

// All pods are down at once, and one has lost its nodes.conf: the peers' files name it.
func TestNodesConf_MadeAgainFromPeersThatAreHeld(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	keep(t, pods[0])
	id := pods[0].status().NodeID
	each(pods, (*testPod).stopForGood)
	must(t, os.Remove(filepath.Join(pods[0].dataDir, nodesFile)))
	pods[0].startRedis()
	pods[0].awaitStatus("runs", func(s agent.Status) bool { return running(s) && s.NodeID == id })
	for _, p := range pods[1:] {
		p.startRedis()
	}
	w.awaitWhole(pods)
	keepsAll(t, pods[1])
}

// stopForGood ends redis and keeps a replica from taking over: the agent has seen nothing.
func (p *testPod) stopForGood() {
	p.stopAgent()
	must(p.w.t, <-p.agentDone)
	p.kill()
	<-p.redisDone
	p.startAgent()
}

// A node of which nobody knows, with data whose owner nobody knows, is not started: redis would call the slots of its keys
// its own.
func TestNodesConf_NobodyKnows(t *testing.T) {
	w := newWorld(t, onDisk)
	p := w.create(0)
	id := p.awaitStatus("running", running).NodeID
	must(t, w.redis.AddSlots(t.Context(), p.endpoint(), 1, slots(t, "0-16383")))
	w.awaitWhole([]*testPod{p})
	keep(t, p)
	p.crash()
	nodes := filepath.Join(p.dataDir, nodesFile)
	must(t, os.Rename(nodes, nodes+".away"))
	p.startRedis()
	p.awaitStatus("waits", func(s agent.Status) bool {
		return s.Phase == agent.PhaseGate && strings.Contains(s.Waiting, "nobody who answers knows node "+id[:8])
	})
	must(t, os.Rename(nodes+".away", nodes))
	p.awaitStatus("goes on when the file is back", func(s agent.Status) bool { return running(s) && s.NodeID == id })
	w.awaitWhole([]*testPod{p})
	keepsAll(t, p)
}

func TestRebuildNodes(t *testing.T) {
	t.Parallel()
	const text = idA + " 10.0.0.1:6379@16379,host myself,master - 0 0 5 connected 0-5 [6->-" + idB + "] [7-<-" + idB + "]\n" +
		idB + " 10.0.0.2:6379@16379,host slave,fail? " + idA + " 0 0 5 connected\n" +
		idC + " 10.0.0.3:6379@16379 handshake - 0 0 0 connected\n" +
		"vars currentEpoch 3 lastVoteEpoch 1\n"
	got := rebuildNodes(agent.Table{Nodes: text, Epoch: 9}, idB)
	const wanted = idA + " 10.0.0.1:6379@16379,host master - 0 0 5 connected 0-5\n" +
		idB + " 10.0.0.2:6379@16379,host myself,slave,fail? " + idA + " 0 0 5 connected\n" +
		"vars currentEpoch 9 lastVoteEpoch 9\n"
	if got != wanted {
		t.Errorf("got\n%s\nwanted\n%s", got, wanted)
	}
	if got := rebuildNodes(agent.Table{Nodes: text}, idC); got != "" {
		t.Errorf("of a node that is not known: %s", got)
	}
	if got := currentEpochIn(text); got != 3 {
		t.Errorf("epoch %d", got)
	}
	for text, wanted := range map[string]string{text: idA, text[:60]: "", text[:100]: idA, "x y myself\n": "", "": ""} {
		if got := selfIn(text); string(got) != wanted {
			t.Errorf("%q is of %q", text, got)
		}
	}
}
