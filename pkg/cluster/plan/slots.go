package plan

import (
	"fmt"
	"slices"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// coverSlots gives the slots that nobody owns, in contiguous ranges, when the cluster is first formed. What nodes
// own already stays, so that a bootstrap that was cut short is finished as it would have been.
// Invariant: it happens once in a cluster's life, before there is any data, and only for slots that no node
// claims, not even by hearsay; a config epoch is set only where none was and before the node knows another.
func coverSlots(w Wanted, v cluster.View) (Decision, bool) {
	if formed(w, v) || !v.Contested().IsEmpty() {
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
	return Decision{
		Step:    AddSlots{Grants: grants},
		Reason:  AddingSlots,
		Message: fmt.Sprintf("giving %d slots to %s", granted(grants), count(len(grants), "primary", "primaries")),
		Requeue: requeueNow,
	}, true
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

// reportLostSlots says which slots nobody has any more, once no pod is left that could bring them back.
// Invariant: slots that had an owner are never given away silently.
func reportLostSlots(w Wanted, v cluster.View) (Decision, bool) {
	lost := lostSlots(w, v)
	if lost.IsEmpty() {
		return Decision{}, false
	}
	return wait(SlotsUncovered, fmt.Sprintf("slots %s have no owner, and no node has a copy of them: giving them to"+
		" another node would give up their data", lost), requeueWaiting), true
}

// lostSlots is the slots that once had an owner and have none, or one that is in no pod, does not answer anybody, and
// has no replica.
func lostSlots(w Wanted, v cluster.View) cluster.SlotSet {
	var lost cluster.SlotSet
	if !complete(v) {
		return lost
	}
	if w.Bootstrapped {
		lost = v.Uncovered()
	}
	ghosts := v.Ghosts()
	shards := v.Shards()
	for i := range shards {
		s := &shards[i]
		alive := slices.ContainsFunc(ghosts, func(g cluster.Ghost) bool { return g.ID == s.ID && g.Answers })
		if s.Primary.Info == nil && len(s.Replicas) == 0 && !alive {
			lost = lost.Union(s.Slots)
		}
	}
	return lost
}

// complete says that every node of every pod was seen.
func complete(v cluster.View) bool {
	return !slices.ContainsFunc(v.Members, func(m cluster.Member) bool { return !m.Seen() })
}
