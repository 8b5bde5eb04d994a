package plan

import (
	"fmt"
	"slices"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// forgetGoneNodes removes nodes that are in no pod any more from the tables of all others at once: who is left
// out would tell the others of them again.
// Invariant: it needs two witnesses, Kubernetes (every pod was seen to be somebody else, or has
// no node) and either the nodes (all of
// them have given it up) or the status (it was in a pod of this cluster, so that it went with it); and a node that
// owns slots, or that a node still follows, is never forgotten.
func forgetGoneNodes(w Wanted, v cluster.View) (Decision, bool) {
	loads := func(m cluster.Member) bool { return m.Info != nil && m.Info.Loading }
	if !accounted(v) || slices.ContainsFunc(v.Members, loads) {
		return Decision{}, false
	}
	involved := involved(v) // who forgets the other end of an open slot closes the slot
	var gone []cluster.NodeID
	var givenUp cluster.SlotSet
	for _, g := range v.Ghosts() {
		_, former := slices.BinarySearch(v.Former, g.ID)
		if slices.Contains(involved, g.ID) {
			continue
		}
		if (g.GivenUp || former && len(v.Aside) == 0) && !followed(v, g.ID) && (g.Slots.IsEmpty() || unused(w, v)) {
			gone = append(gone, g.ID)
			givenUp = givenUp.Union(g.Slots)
		}
	}
	bans := bansOf(v, gone)
	if len(bans) == 0 {
		return Decision{}, false
	}
	return Decision{
		Step:    Forget{Bans: bans, GivenUp: givenUp},
		Reason:  ForgettingNodes,
		Message: fmt.Sprintf("%s %s in no pod any more", nodeNames(gone), verb(len(gone), "is", "are")),
		Requeue: requeueForming,
	}, true
}

// bansOf is who is to forget which of the nodes: all who list them.
func bansOf(v cluster.View, gone []cluster.NodeID) []Ban {
	var bans []Ban
	for _, m := range liveMembers(v) {
		nodes := slices.DeleteFunc(slices.Clone(gone), func(id cluster.NodeID) bool {
			return m.Info.Table.Index(id) < 0
		})
		if len(nodes) > 0 {
			bans = append(bans, Ban{Pod: m.Pod.Name, Nodes: nodes})
		}
	}
	return bans
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
