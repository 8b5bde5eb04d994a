package plan

import (
	"cmp"
	"slices"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// standing is what is wanted by now: shards that still own slots are kept whole until they own none.
func standing(w Wanted, v cluster.View) Wanted {
	w.Primaries = max(w.Primaries, len(v.Owners()))
	return w
}

// whileDraining is how many replicas each shard is to have by now. Pods that a scale-in sets free can be the
// replicas that are wanted beside it: while shards leave, no shard gets more than the best has already, but one.
func whileDraining(w Wanted, v cluster.View) int {
	if len(v.Owners()) <= w.Primaries || !v.Covered() {
		return w.Replicas
	}
	best := 1
	for _, s := range v.Shards() {
		best = max(best, len(s.Replicas))
	}
	return min(w.Replicas, best)
}

// vacantShards is how many shards are wanted beside those that own slots.
func vacantShards(w Wanted, v cluster.View) int {
	if !v.Covered() {
		return 0 // slots that are lost are nobody's yet: first what was is to be whole
	}
	return max(0, w.Primaries-len(v.Owners()))
}

// founders is the primaries without slots that are to become shards, by ordinal. First come those that have begun:
// slots are on their way to them, or they have replicas already, be it from a time when they owned slots. The others
// are chosen by placement, once all nodes that are wanted are there to choose from.
func founders(w Wanted, v cluster.View) []cluster.Member {
	vacant := vacantShards(w, v)
	if vacant == 0 {
		return nil
	}
	begun, free := slotless(v)
	slices.SortStableFunc(begun, func(a, b cluster.Member) int {
		return cmp.Or(-cmp.Compare(eagerness(v, a), eagerness(v, b)), cmp.Compare(a.Pod.Ordinal, b.Pod.Ordinal))
	})
	begun = begun[:min(vacant, len(begun))]
	if len(begun) < vacant && len(v.Members) >= w.Pods() && allLive(v) {
		standing := slices.Clone(begun)
		for _, c := range v.Owners() {
			m, _ := v.Member(c.Node)
			standing = append(standing, m)
		}
		begun = append(begun, cluster.ChoosePrimaries(standing, free, w.Primaries, w.Replicas)...)
	}
	slices.SortFunc(begun, func(a, b cluster.Member) int { return cmp.Compare(a.Pod.Ordinal, b.Pod.Ordinal) })
	return begun
}

// slotless is the live primaries without slots: those that have begun to be shards, and those that can be anything.
func slotless(v cluster.View) (begun, free []cluster.Member) {
	for _, m := range liveMembers(v) {
		switch {
		case m.Role() != cluster.Primary || m.OwnsSlots():
		case eagerness(v, m) > 0:
			begun = append(begun, m)
		case m.Info.Keys == 0 && !v.Claimed(m.ID()):
			free = append(free, m)
		}
	}
	return begun, free
}

// eagerness says how much of a shard a primary without slots is: slots on their way count more than replicas.
func eagerness(v cluster.View, m cluster.Member) int {
	if awaits(m) {
		return len(v.Members)
	}
	return len(followers(v, m.ID()))
}

// awaits says that slots are on their way to the node.
func awaits(m cluster.Member) bool {
	return slices.ContainsFunc(m.Info.Self().Open, func(o cluster.OpenSlot) bool { return o.Importing }) ||
		slices.ContainsFunc(m.Info.Tasks, func(t cluster.SlotTask) bool { return t.Target == m.ID() })
}

// followers is the nodes that say that they follow this one, as in the view.
func followers(v cluster.View, id cluster.NodeID) []cluster.Member {
	var following []cluster.Member
	for _, m := range v.Members {
		if m.Info != nil && m.Role() == cluster.Replica && m.Follows() == id {
			following = append(following, m)
		}
	}
	return following
}

// shards is those that own slots, and after them those that are to.
func shards(w Wanted, v cluster.View) []cluster.Shard {
	shards := slices.Clone(v.Shards())
	for _, m := range founders(w, v) {
		shards = append(shards, cluster.Shard{ID: m.ID(), Primary: m, Replicas: followers(v, m.ID())})
	}
	return shards
}

// spare is how many pods are there that are neither the primary of a shard nor a replica, and how many are needed: a
// replica cannot be made the primary of a new shard.
func spare(w Wanted, v cluster.View) (have, need int) {
	replicas := 0
	for _, m := range staying(v) {
		switch {
		case m.Info != nil && m.Role() == cluster.Replica:
			replicas++
		case m.Info == nil || !m.OwnsSlots():
			have++
		}
	}
	stand := standing(w, v)
	unseen := slices.DeleteFunc(slices.Clone(v.Owners()), func(c cluster.Claim) bool { return !c.Hearsay })
	return have, vacantShards(w, v) + len(unseen) + max(0, stand.Pods()-stand.Primaries-replicas)
}

// allLive says that every pod's node was seen and can be given something to do.
func allLive(v cluster.View) bool {
	return !slices.ContainsFunc(v.Members, func(m cluster.Member) bool { return !m.Live() })
}
