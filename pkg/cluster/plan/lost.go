package plan

import (
	"fmt"
	"slices"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// coverLostSlots gives slots that are lost with all their copies to empty primaries, as the spec or a person allows.
// First those who owned them are forgotten by all: nobody gives away what it believes to be another's.
// Invariant: no slot is given away that a node, a pod or a volume may still have, and none without consent, but where
// nothing at all is left.
func coverLostSlots(w Wanted, v cluster.View) (Decision, bool) {
	lost := lostSlots(w, v)
	if allowed := lost.Intersect(w.GiveUp); allowed.IsEmpty() || len(lostVolumes(v)) > 0 {
		return Decision{}, false
	}
	if d, ok := forgetOwners(w, v, lost); ok {
		return d, true
	}
	slots := v.Uncovered().Intersect(w.GiveUp)
	grants := lostGrants(w, v, slots)
	if len(grants) == 0 {
		return Decision{}, false
	}
	return dataLost(grants, slots, "all copies of them were lost"), true
}

// forgetOwners forgets the nodes all of whose slots are lost and given up.
func forgetOwners(w Wanted, v cluster.View, lost cluster.SlotSet) (Decision, bool) {
	var gone []cluster.NodeID
	var slots cluster.SlotSet
	involved := involved(v)
	for _, g := range v.Ghosts() {
		given := g.Slots.Minus(lost.Intersect(w.GiveUp)).IsEmpty()
		if !g.Slots.IsEmpty() && given && !g.Answers && !slices.Contains(involved, g.ID) {
			gone, slots = append(gone, g.ID), slots.Union(g.Slots)
		}
	}
	bans := bansOf(v, gone)
	if len(bans) == 0 {
		return Decision{}, false
	}
	return Decision{
		Step:    Forget{Bans: bans, GivenUp: slots},
		Reason:  ForgettingNodes,
		Message: fmt.Sprintf("%s had slots %s, which are given up", nodeNames(gone), slots),
		Requeue: requeueNow,
	}, true
}

// lostGrants shares lost slots out: among empty nodes for the shards that are missing, or else among those that stand.
func lostGrants(w Wanted, v cluster.View, slots cluster.SlotSet) []Grant {
	var standing []cluster.Member
	for _, s := range v.Shards() {
		if s.Primary.Live() {
			standing = append(standing, s.Primary)
		}
	}
	_, free := slotless(v)
	heirs := cluster.ChoosePrimaries(standing, free, w.Primaries, w.Replicas)
	if len(heirs) == 0 { // as many shards as are wanted, or no node to make one of: they are shared out anew later
		heirs = standing
	}
	var grants []Grant
	total := slots.Len()
	for i, m := range heirs {
		part := slots.Take(total/len(heirs) + min(1, max(0, total%len(heirs)-i)))
		if slots = slots.Minus(part); !part.IsEmpty() {
			grants = append(grants, Grant{Pod: m.Pod.Name, Node: m.ID(), Slots: part})
		}
	}
	return grants
}

func grantees(grants []Grant) []string {
	pods := make([]string, len(grants))
	for i, g := range grants {
		pods[i] = g.Pod
	}
	return pods
}

// dataLost is slots given out again, without what was in them.
func dataLost(grants []Grant, slots cluster.SlotSet, why string) Decision {
	return Decision{
		Step: AddSlots{Grants: grants}, Reason: DataLost, Requeue: requeueNow,
		Message: fmt.Sprintf("slots %s begin anew at %s, empty: %s", slots, oneOf(grantees(grants)), why),
	}
}

// reportLostSlots says which slots nobody has any more, once no pod is left that could bring them back, and what to
// run to give them up.
// Invariant: slots that had an owner are never given away silently.
func reportLostSlots(w Wanted, v cluster.View) (Decision, bool) {
	lost := lostSlots(w, v)
	if lost.IsEmpty() {
		return reportKeepers(w, v)
	}
	if lost.Minus(w.GiveUp).IsEmpty() {
		return wait(SlotsUncovered, fmt.Sprintf("slots %s have no owner: waiting for an empty node to give them to, or for"+
			" a person where some were half way to or from the node that is lost", lost), requeueWaiting), true
	}
	return wait(SlotsUncovered, lostMessage(w, lost), requeueWaiting), true
}

// reportKeepers says which pods may have the last copy of slots that nobody serves, without knowing it.
func reportKeepers(w Wanted, v cluster.View) (Decision, bool) {
	unowned := unownedSlots(w, v)
	pods := podNames(keepers(v))
	if unowned.IsEmpty() || len(pods) == 0 {
		return Decision{}, false
	}
	return wait(SlotsUncovered, fmt.Sprintf("slots %s have no owner, and %s may have a copy of them: it follows a node"+
		" that is gone and had none in the end. When it is not needed, delete the pod and its volume", unowned, list(pods)),
		requeueWaiting), true
}

func lostMessage(w Wanted, lost cluster.SlotSet) string {
	return fmt.Sprintf("slots %s have no owner, and no node has a copy of them: to give up their data and go on, run: "+
		"kubectl annotate --overwrite %s redisoperator.io/give-up-slots=%s", lost, w.Object, lost)
}

// lostSlots is the slots that once had an owner and have none, or one that is in no pod, does not answer anybody, and
// has no replica; none while a node may have a copy of them that does not know whose it is.
func lostSlots(w Wanted, v cluster.View) cluster.SlotSet {
	if len(keepers(v)) > 0 {
		return cluster.SlotSet{}
	}
	return unownedSlots(w, v)
}

// unownedSlots is lostSlots, whatever copies there are of nodes that own nothing.
func unownedSlots(w Wanted, v cluster.View) cluster.SlotSet {
	var lost cluster.SlotSet
	if !accounted(v) || len(v.Aside) > 0 {
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

// nothingKept is all slots when every one of them is lost, and the last key with them: there is nothing left that
// anybody could keep by waiting, or lose by consent. Some may remember who had them: pods that all went at once do not
// all come back at once. When nobody does any more, it is blank.
func nothingKept(w Wanted, v cluster.View) cluster.SlotSet {
	if v.Served() || !bare(w, v) || lostSlots(w, v) != cluster.AllSlots() {
		return cluster.SlotSet{}
	}
	return cluster.AllSlots()
}

// keepers are the nodes that have a copy of what a node had that is not there and owns nothing any more: somebody may
// have taken its place of whom the replica has not heard, and the copy may be the last.
func keepers(v cluster.View) []cluster.Member {
	return slices.DeleteFunc(slices.Clone(v.Members), func(m cluster.Member) bool {
		_, there := v.Member(m.Follows())
		return m.Info == nil || m.Role() != cluster.Replica || !hasCopy(m) || v.Claimed(m.Follows()) || there
	})
}

// complete says that every node of every pod was seen.
func complete(v cluster.View) bool {
	return !slices.ContainsFunc(v.Members, func(m cluster.Member) bool { return !m.Seen() })
}

// accounted says that every pod was seen, or cannot have a node that is known: redis never ran in it, or its host is
// gone, and it has no volume.
func accounted(v cluster.View) bool {
	return !slices.ContainsFunc(v.Members, func(m cluster.Member) bool {
		nothing := unstarted(m) || m.Pod.HostGone || m.Pod.State == cluster.PodEnded
		return !m.Seen() && (!nothing || slices.Contains(v.Volumes, m.Pod.Ordinal))
	})
}
