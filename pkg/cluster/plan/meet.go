package plan

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

const (
	// A slot map travels only in packets between two nodes that know each other, so a full mesh is fastest: 2 s
	// for 30 nodes, where a star takes 16. But it costs n² handshakes, which is too much for 100 nodes.
	largestMesh = 40
	// Corrected addresses that one node of a larger cluster is told at a time.
	mostCorrections = 8
)

// meetNodes introduces live nodes that do not know each other, and tells those that know a node at an old
// address, or at none, where it is now. Above largestMesh each node meets the nodes 1, 2, 4, 8... places further
// round a ring: everybody is within a few steps of everybody, and gossip does the rest.
// Invariant: only nodes of our own pods are met, at their pod's address, and before any node is forgotten.
func meetNodes(w Wanted, v cluster.View) (Decision, bool) {
	live := liveMembers(v)
	var meetings []Meeting
	pairs := 0
	for i, m := range live {
		if peers := strangersTo(live, i); len(peers) > 0 {
			meetings = append(meetings, Meeting{Pod: m.Pod.Name, Peers: peers})
			pairs += len(peers)
		}
	}
	if len(meetings) == 0 {
		return Decision{}, false
	}
	if d, blocked := reportBlockedBus(w, v); blocked {
		d.Step = Meet{Meetings: meetings}
		return d, true
	}
	first := meetings[0]
	return Decision{
		Step:   Meet{Meetings: meetings},
		Reason: MeetingNodes,
		Message: fmt.Sprintf("%s to learn where another is, first %s of %s",
			count(pairs, "node is", "nodes are"), first.Pod, list(first.Peers)),
		Requeue: requeueForming,
	}, true
}

// deafAfter is how long nodes that were introduced to each other may know nobody: it takes them a second or two.
const deafAfter = 15 * time.Second

// reportBlockedBus says that nodes do not come to know each other. Redis does not say why, and does not give up: the
// port is what is left.
// Invariant: who waits for a network that is shut is told so, and at which port. Nodes are introduced again all the
// same.
func reportBlockedBus(_ Wanted, v cluster.View) (Decision, bool) {
	old := slices.DeleteFunc(liveMembers(v), func(m cluster.Member) bool { return m.Info.Uptime < deafAfter })
	var deaf []string
	for _, m := range old {
		knows := slices.ContainsFunc(m.Info.Table, func(n cluster.Node) bool {
			return !n.Flags.Myself && !n.Flags.Handshake
		})
		if !knows && len(old) > 1 {
			deaf = append(deaf, m.Pod.Name)
		}
	}
	if len(deaf) == 0 {
		return Decision{}, false
	}
	port := old[0].Info.Self().Addr.BusPort
	return wait(BusBlocked, fmt.Sprintf("%s %s no other node after %s: pods do not reach each other at port %d, the "+
		"cluster bus; look for a NetworkPolicy, a firewall or a service mesh that forbids it", list(deaf),
		verb(len(deaf), "knows", "know"), deafAfter, port), requeueWaiting), true
}

func liveMembers(v cluster.View) []cluster.Member {
	return slices.DeleteFunc(slices.Clone(v.Members), func(m cluster.Member) bool { return !m.Live() })
}

// strangersTo is the pods that the ith live node must meet: those it does not list at their address, less those
// it is shaking hands with already.
func strangersTo(live []cluster.Member, i int) []string {
	table := live[i].Info.Table
	var greeted []string // addresses of handshakes
	var listed []entry
	for at := range table {
		n := &table[at]
		if n.Flags.Handshake {
			greeted = append(greeted, n.Addr.IP)
			continue
		}
		listed = append(listed, entry{n.ID, n.Addr.IP})
	}
	slices.SortFunc(listed, func(a, b entry) int { return cmp.Compare(a.id, b.id) })
	corrections := 0
	var peers []string
	for distance := 1; distance < len(live); distance++ {
		peer := live[(i+distance)%len(live)]
		at, found := slices.BinarySearchFunc(listed, peer.ID(), entry.compare)
		if peer.Pod.IP == "" || slices.Contains(greeted, peer.Pod.IP) || found && listed[at].ip == peer.Pod.IP {
			continue
		}
		near := len(live) <= largestMesh || distance&(distance-1) == 0
		if !near && found && corrections < mostCorrections {
			corrections++
			near = true
		}
		if near {
			peers = append(peers, peer.Pod.Name)
		}
	}
	return peers
}

// entry is a node that a table lists, and where.
type entry struct {
	id cluster.NodeID
	ip string
}

func (e entry) compare(id cluster.NodeID) int { return cmp.Compare(e.id, id) }
