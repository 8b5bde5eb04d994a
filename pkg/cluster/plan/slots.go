package plan

import (
	"fmt"
	"slices"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// coverSlots gives the slots that nobody owns, in contiguous ranges, when the cluster is first formed, and again when
// nothing is left of it: all pods went at once, with all they had. What nodes own already stays, so that a bootstrap
// that was cut short is finished as it would have been.
// Invariant: there is no data, nor any that may come back, and it is only for slots that no node claims, not even by
// hearsay; a config epoch is set only where none was and before the node knows another.
func coverSlots(w Wanted, v cluster.View) (Decision, bool) {
	if formed(w, v) && !blank(w, v) || !v.Contested().IsEmpty() {
		return Decision{}, false
	}
	uncovered := v.Uncovered()
	primaries, shards := bootPrimaries(w, v)
	epochs := freeEpochs(v)
	var grants []Grant
	for i, m := range primaries {
		owned := ownedBy(v, m.ID()).Len()
		slots := uncovered.Take(target(i, shards) - owned)
		if slots.IsEmpty() {
			continue
		}
		uncovered = uncovered.Minus(slots)
		grant := Grant{Pod: m.Pod.Name, Node: m.ID(), Slots: slots}
		if len(m.Info.Table) == 1 && m.Info.Self().ConfigEpoch == 0 {
			grant.Epoch = epochs()
		}
		grants = append(grants, grant)
	}
	if len(grants) == 0 {
		return Decision{}, false
	}
	message := fmt.Sprintf("giving %d slots to %s", granted(grants), count(len(grants), "primary", "primaries"))
	if w.Bootstrapped {
		return dataLost(grants, v.Uncovered(), "no pod and no volume is left that had them"), true
	}
	return Decision{Step: AddSlots{Grants: grants}, Reason: AddingSlots, Message: message, Requeue: requeueNow}, true
}

// blank says that nothing is left of a cluster that was formed, and nobody remembers who had slots: see nothingKept.
func blank(w Wanted, v cluster.View) bool {
	return !v.Covered() && bare(w, v) &&
		!slices.ContainsFunc(v.Ghosts(), func(g cluster.Ghost) bool { return !g.Slots.IsEmpty() })
}

// bare says that a cluster that was formed has no data: every pod is there with a node that has no keys, and there is
// no volume that anything could come back from.
func bare(w Wanted, v cluster.View) bool {
	return w.Bootstrapped && allLive(v) && len(v.Aside) == 0 && len(v.Volumes) == 0 && len(v.Members) >= w.Pods() &&
		!slices.ContainsFunc(v.Members, func(m cluster.Member) bool { return m.Info.Keys > 0 })
}

// bootPrimaries is the nodes that own slots and those that placement chooses beside them, by ordinal, and the
// number of shards there will be: owners whose pods are gone have theirs until they are forgotten.
func bootPrimaries(w Wanted, v cluster.View) ([]cluster.Member, int) {
	var owning, free []cluster.Member
	gone := 0
	for _, c := range v.Owners() {
		if m, ok := v.Member(c.Node); ok {
			owning = append(owning, m)
		} else {
			gone++
		}
	}
	for _, m := range v.Members {
		if m.Live() && m.Role() == cluster.Primary && !m.OwnsSlots() && m.Info.Keys == 0 {
			free = append(free, m)
		}
	}
	chosen := cluster.ChoosePrimaries(owning, free, max(w.Primaries-gone, len(owning)), w.Replicas)
	primaries := slices.Concat(owning, chosen)
	slices.SortFunc(primaries, func(a, b cluster.Member) int { return a.Pod.Ordinal - b.Pod.Ordinal })
	return primaries, len(primaries) + gone
}

// target is the number of slots of the ith of n primaries: the lowest have the remainder.
func target(i, n int) int {
	t := cluster.SlotCount / n
	if i < cluster.SlotCount%n {
		t++
	}
	return t
}

func ownedBy(v cluster.View, id cluster.NodeID) cluster.SlotSet {
	for _, c := range v.Owners() {
		if c.Node == id {
			return c.Slots
		}
	}
	return cluster.SlotSet{}
}

// freeEpochs gives one config epoch after the other that no table has for any node.
func freeEpochs(v cluster.View) func() uint64 {
	var used []uint64
	for _, m := range v.Members {
		if m.Info == nil {
			continue
		}
		for i := range m.Info.Table {
			used = append(used, m.Info.Table[i].ConfigEpoch)
		}
	}
	var last uint64
	return func() uint64 {
		for last++; slices.Contains(used, last); last++ {
		}
		return last
	}
}

func granted(grants []Grant) int {
	n := 0
	for _, g := range grants {
		n += g.Slots.Len()
	}
	return n
}
