package plan

import (
	"fmt"
	"slices"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// forgetGoneNodes removes nodes that are in no pod any more from the tables of all others at once: who is left
// out would tell the others of them again.
// Invariant: it needs two witnesses, Kubernetes (every pod was seen to be somebody else) and either the nodes (all of
// them have given it up) or the status (it was in a pod of this cluster, so that it went with it); and a node that
// owns slots, or that a node still follows, is never forgotten.
func forgetGoneNodes(w Wanted, v cluster.View) (Decision, bool) {
	if !complete(v) || slices.ContainsFunc(v.Members, func(m cluster.Member) bool { return m.Info.Loading }) {
		return Decision{}, false
	}
	involved := involved(v) // who forgets the other end of an open slot closes the slot
	var gone []cluster.NodeID
	for _, g := range v.Ghosts() {
		_, former := slices.BinarySearch(v.Former, g.ID)
		if slices.Contains(involved, g.ID) {
			continue
		}
		if (g.GivenUp || former) && !followed(v, g.ID) && (g.Slots.IsEmpty() || unused(w, v)) {
			gone = append(gone, g.ID)
		}
	}
	var bans []Ban
	for _, m := range liveMembers(v) {
		nodes := slices.DeleteFunc(slices.Clone(gone), func(id cluster.NodeID) bool {
			return m.Info.Table.Index(id) < 0
		})
		if len(nodes) > 0 {
			bans = append(bans, Ban{Pod: m.Pod.Name, Nodes: nodes})
		}
	}
	if len(bans) == 0 {
		return Decision{}, false
	}
	return Decision{
		Step:    Forget{Bans: bans},
		Reason:  ForgettingNodes,
		Message: fmt.Sprintf("%s %s in no pod any more", nodeNames(gone), verb(len(gone), "is", "are")),
		Requeue: requeueForming,
	}, true
}

// followed says that a node that was seen is a replica of this one.
func followed(v cluster.View, id cluster.NodeID) bool {
	return slices.ContainsFunc(v.Members, func(m cluster.Member) bool {
		return m.Info != nil && m.Follows() == id
	})
}

// unused says that the cluster was never formed and holds nothing: a pod that was lost while it was being made
// gives its slots back.
func unused(w Wanted, v cluster.View) bool {
	return !w.Bootstrapped && !slices.ContainsFunc(v.Members, func(m cluster.Member) bool {
		return m.Info == nil || m.Info.Keys > 0
	})
}

func nodeNames(ids []cluster.NodeID) string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = "node " + id.Short()
	}
	return list(names)
}

// waitForFailover waits for replicas of a primary that is not there to elect one of them.
// Invariant: while a copy can be promoted nothing else is done about a shard.
func waitForFailover(_ Wanted, v cluster.View) (Decision, bool) {
	var waits []string
	shards := v.Shards()
	for i := range shards {
		s := &shards[i]
		if s.Primary.Info != nil || len(s.Replicas) == 0 || !failed(v, s.ID) {
			continue
		}
		var heirs []string
		for _, r := range s.Replicas {
			heirs = append(heirs, r.Pod.Name)
		}
		waits = append(waits, fmt.Sprintf("%s to take over slots %s from node %s", list(heirs), s.Slots, s.ID.Short()))
	}
	if len(waits) == 0 {
		return Decision{}, false
	}
	return wait(WaitingForFailover, "waiting for "+list(waits)+", which failed", requeueForming), true
}

// failed says that a table has the node as failed, or that it is in no pod.
func failed(v cluster.View, id cluster.NodeID) bool {
	for _, m := range v.Members {
		if m.Info == nil {
			continue
		}
		if n, ok := m.Info.Table.Find(id); ok && n.Flags.Fail {
			return true
		}
	}
	return complete(v)
}
