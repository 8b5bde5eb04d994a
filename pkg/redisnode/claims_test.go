package redisnode

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

func slots(t *testing.T, text string) cluster.SlotSet {
	t.Helper()
	s, err := cluster.ParseSlots(text)
	must(t, err)
	return s
}

func TestCompare(t *testing.T) {
	t.Parallel()
	info := &cluster.NodeInfo{CurrentEpoch: 7, Table: cluster.Table{
		{ID: idA, Role: cluster.Primary, ConfigEpoch: 5, Slots: slots(t, "0-99")},
		{ID: idB, Role: cluster.Primary, ConfigEpoch: 7, Slots: slots(t, "100-199")},
		{ID: idC, Role: cluster.Replica, PrimaryID: idA, Flags: cluster.Flags{Myself: true}},
	}}
	says := func(id string, epoch uint64, owned string) claim {
		return claim{from: agent.Slots{NodeID: id, Epoch: epoch}, slots: slots(t, owned)}
	}
	for name, test := range map[string]struct {
		claims []claim
		death  *agent.Death
		wanted string // "": take over
		ahead  int
	}{
		"nobody says anything":                    {},
		"everybody says what the node knows":      {claims: []claim{says(idB, 7, "100-199")}, death: &agent.Death{Slots: "0-99", Epoch: 5}},
		"slots have moved":                        {claims: []claim{says(idB, 8, "90-199")}, wanted: "slots 90-99 have moved to bbbbbbbb", ahead: 1},
		"of the same epoch: nobody knows who won": {claims: []claim{says(idB, 5, "99-199")}, wanted: "slots 99 have moved", ahead: 1},
		"one who has not heard that he lost them": {claims: []claim{says(idB, 4, "0-199")}},
		"the primary had given some away":         {death: &agent.Death{Slots: "0-89", Epoch: 5}, wanted: "gave slots 90-99 away"},
		"the primary had just got some":           {death: &agent.Death{Slots: "0-99,300", Epoch: 6}, wanted: "got slots 300"},
		"of an owner that it had beaten":          {death: &agent.Death{Slots: "0-110", Epoch: 8}, wanted: "got slots 100-110"},
		"the primary had not heard of a move":     {death: &agent.Death{Slots: "0-110", Epoch: 5}},
		"the primary had a newer epoch":           {death: &agent.Death{Slots: "0-99", Epoch: 8}, wanted: "epoch 8"},
		"nobody else can tell any more":           {death: &agent.Death{Epoch: 8}},
		"what it owned cannot be read":            {death: &agent.Death{Slots: "x"}, wanted: "slots of the primary"},
	} {
		ahead, err := compare(info, idA, test.death, test.claims)
		if (err != nil) != (test.wanted != "") || err != nil && !strings.Contains(err.Error(), test.wanted) {
			t.Errorf("%s: %v", name, err)
		}
		if len(ahead) != test.ahead {
			t.Errorf("%s: %d can tell", name, len(ahead))
		}
	}
}

const debuggable = onDisk + "enable-debug-command yes\n"

// TestTakeOver_SlotsThatMoved kills a primary that has just given a slot away, in front of a replica that has not heard
// of it. What the new owner acknowledged stays: the replica hears of the move before it takes over.
func TestTakeOver_SlotsThatMoved(t *testing.T) {
	for name, restarting := range map[string]bool{
		"the new owner says so":             false,
		"its agent is just being restarted": true,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, debuggable)
			pods := w.form(3, 1)
			keep(t, pods[0])
			source, target, replica := pods[0], deafTo(t, pods), pods[3]
			slot, key := slotOf(t, source)
			sourceID, targetID := source.status().NodeID, target.status().NodeID
			setSlot(t, target, slot, "IMPORTING", sourceID)
			setSlot(t, source, slot, "MIGRATING", targetID)
			if got := replica.operator("ACL", "SETUSER", agent.UserOperator, "+debug"); got != "OK" {
				t.Fatal(got)
			}
			if restarting {
				target.stopAgent()
				must(t, <-target.agentDone)
			}
			const pong = "1"
			if got := replica.operator("DEBUG", "DROP-CLUSTER-PACKET-FILTER", pong); got != "OK" {
				t.Fatal(got)
			}
			setSlot(t, target, slot, "NODE", targetID)
			setSlot(t, source, slot, "NODE", targetID)
			if got := target.client("SET", key, "kept"); got != "OK" {
				t.Fatal(got)
			}
			knows := knowsOwner(replica, slot, targetID)
			source.crash()
			if restarting {
				target.startAgent()
			}
			source.startRedis()
			eventually(t, "the shard is served", func() (bool, string) {
				a, b := source.status(), replica.status()
				return a.SlotsOwned+b.SlotsOwned >= 5460 && a.Phase == agent.PhaseRunning, fmt.Sprintf("%+v %+v", a, b)
			})
			s := replica.status()
			t.Logf("the replica knew of the move before: %v; it is now: %s", knows, s.Role)
			if !restarting && s.LastTakeOver == nil {
				t.Errorf("it did not take over, although it could be told: %+v", s)
			}
			replica.operator("DEBUG", "DROP-CLUSTER-PACKET-FILTER", "-1")
			w.awaitWhole(pods)
			if got := target.client("GET", key); got != "kept" {
				t.Errorf("an acknowledged write to the slot that had moved is %q", got)
			}
			keepsAll(t, pods[1])
		})
	}
}

// deafTo is a target whose claim loses to that of the replica of pods[0], should both be of the same epoch: the node of
// the lower ID then raises its own.
func deafTo(t *testing.T, pods []*testPod) *testPod {
	t.Helper()
	if pods[1].status().NodeID > pods[2].status().NodeID {
		return pods[1]
	}
	return pods[2]
}

// slotOf is a slot of the primary without keys, and a key of it.
func slotOf(t *testing.T, p *testPod) (slot, key string) {
	t.Helper()
	for i := range 1000 {
		key = fmt.Sprintf("{moved%d}", i)
		slot = p.operator("CLUSTER", "KEYSLOT", key)
		n, err := strconv.Atoi(slot)
		must(t, err)
		if n <= 5460 && p.operator("CLUSTER", "COUNTKEYSINSLOT", slot) == "0" {
			return slot, key
		}
	}
	t.Fatal("no slot without keys")
	return "", ""
}

func setSlot(t *testing.T, p *testPod, slot string, args ...string) {
	t.Helper()
	if got := p.operator(append([]string{"CLUSTER", "SETSLOT", slot}, args...)...); got != "OK" {
		t.Fatalf("%s: %v: %s", p.name, args, got)
	}
}

// knowsOwner says whether the node's table gives the slot to the owner.
func knowsOwner(p *testPod, slot, owner string) bool {
	n, err := strconv.Atoi(slot)
	must(p.w.t, err)
	info := p.info()
	if info == nil {
		return false
	}
	node, _ := info.Table.Find(cluster.NodeID(owner))
	return node.Slots.Has(cluster.Slot(n))
}

// A peer whose agent accepts connections and never answers does not keep a replica from taking over.
func TestTakeOver_SilentPeer(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	pods[1].stopAgent()
	must(t, <-pods[1].agentDone)
	on, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(pods[1].ip, strconv.Itoa(agent.Port)))
	must(t, err)
	t.Cleanup(func() { _ = on.Close() })
	start := w.clock.Now()
	pods[0].kill()
	s := pods[3].awaitStatus("took over", func(s agent.Status) bool { return s.LastTakeOver != nil })
	t.Logf("took over %s after the crash, %d ms by its own account", w.clock.Since(start).Round(time.Millisecond), s.LastTakeOver.Millis)
	if s.LastTakeOver.Millis < claimBound.Milliseconds() || s.LastTakeOver.Mode != agent.PromoteTakeover {
		t.Errorf("%+v", s.LastTakeOver)
	}
	must(t, on.Close())
	pods[1].startAgent()
}

// A node that is not known is not met, whoever asks for it, and nobody whose agent does not prove who it is.
func TestIntroduce_OnlyKnownNodes(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 0)
	alone := w.create(3)
	alone.awaitStatus("has joined", func(s agent.Status) bool { return s.Peers == 3 })
	id := alone.status().NodeID
	forgetNode(t, pods, id)
	stranger := nextIP()
	serveStranger(t, w.ca, stranger)
	for _, ip := range []string{alone.ip, stranger, nextIP()} {
		err := w.agents.Introduce(t.Context(), pods[0].ip, agent.IntroduceRequest{Order: pods[0].order(1), IP: ip})
		if _, refused := errors.AsType[*agent.RefusedError](err); !refused {
			t.Errorf("introduced to %s: %v", ip, err)
		}
	}
	if _, known := pods[0].info().Table.Find(cluster.NodeID(id)); known {
		t.Error("met a node that it had forgotten")
	}
}

// Two primaries that die at the same moment are replaced at the same moment, mostly with the same epoch: nobody asks
// anybody. Their slots differ, and Redis gives one of them another epoch. Everybody agrees in the end, and nothing is lost.
func TestTakeOver_TwoAtOnce(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	fill(t, pods, 300)
	awaitCopies(t, pods)
	same := 0
	rounds := 5
	if n, err := strconv.Atoi(os.Getenv("REDISNODE_TEST_ROUNDS")); err == nil {
		rounds = n
	}
	for round := range rounds {
		var dying, heirs []*testPod
		for i := range 2 {
			p, q := pods[i], pods[i+3]
			if p.status().Role == roleReplica {
				p, q = q, p
			}
			dying, heirs = append(dying, p), append(heirs, q)
		}
		each(dying, (*testPod).kill)
		for _, p := range heirs {
			p.awaitStatus("took over", func(s agent.Status) bool { return s.Role == rolePrimary && s.SlotsOwned > 0 })
		}
		if a, b := epochOf(t, heirs[0]), epochOf(t, heirs[1]); a == b {
			same++
		}
		for _, p := range dying {
			<-p.redisDone
			p.startRedis()
		}
		w.awaitWhole(pods)
		awaitAgreement(t, pods)
		verify(t, pods, 300)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	t.Logf("in %d of %d rounds both were seen with the same epoch at first", same, rounds)
}

func epochOf(t *testing.T, p *testPod) uint64 {
	t.Helper()
	info := p.info()
	if info == nil {
		t.Fatalf("%s does not answer", p.name)
	}
	return info.Self().ConfigEpoch
}

// awaitAgreement waits until all tables say the same of who owns what, and no two primaries have the same epoch.
func awaitAgreement(t *testing.T, pods []*testPod) {
	t.Helper()
	eventually(t, "all tables agree", func() (bool, string) {
		var first string
		for _, p := range pods {
			info := p.info()
			if info == nil {
				return false, p.name + " does not answer"
			}
			var said strings.Builder
			epochs := map[uint64]bool{}
			for _, n := range info.Table {
				if n.Slots.IsEmpty() {
					continue
				}
				if epochs[n.ConfigEpoch] {
					return false, fmt.Sprintf("%s: two primaries of epoch %d", p.name, n.ConfigEpoch)
				}
				epochs[n.ConfigEpoch] = true
				fmt.Fprintf(&said, "%s %s %d;", n.ID, n.Slots, n.ConfigEpoch)
			}
			if first == "" {
				first = said.String()
			}
			if said.String() != first {
				return false, p.name + ": " + said.String() + " and not " + first
			}
		}
		return true, ""
	})
}

// What the dead primary's agent had seen of its stream and the replica did not have, is said.
func TestTakeOver_SaysWhatIsMissing(t *testing.T) {
	w := newWorld(t, onDisk)
	pods := w.form(3, 1)
	id, offset := pods[0].status().NodeID, pods[3].info().ReplOffset
	err := w.agents.Promote(t.Context(), pods[3].ip, agent.PromoteRequest{
		Order: pods[3].order(1), Mode: agent.PromoteTakeover, PrimaryID: id,
		Death: &agent.Death{Slots: "0-5460", Epoch: 1, Offset: offset + 1000, Millis: 5000},
	})
	must(t, err)
	done := pods[3].status().LastTakeOver
	if done == nil || done.PrimaryID != id || done.Mode != agent.PromoteTakeover || done.OffsetGap > 1000 ||
		done.OffsetGap < 900 || done.Millis < 5000 || done.Millis > 5000+takeBound.Milliseconds() || w.clock.Since(done.At) > time.Minute {
		t.Errorf("%+v", done)
	}
}
