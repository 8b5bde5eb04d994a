package plan

import (
	"fmt"
	"slices"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// closeOpenSlots brings moves that were cut to an end, whoever began them, from the marks that the nodes themselves
// have of them: onwards while the target is to own slots, and back when it is not. Marks without a move behind them
// are cleared.
// Invariant: a slot that is half way is whole at one end before anything else moves; its owner decides which one, and
// nothing is done about one whose other end is not there but may come back: the keys that have gone are with it.
func closeOpenSlots(w Wanted, v cluster.View) (Decision, bool) {
	c := closingsOf(w, v)
	var words []string
	if len(c.finish) > 0 {
		words = append(words, describe("finishing the move of", c.finish))
	}
	if len(c.undo) > 0 {
		words = append(words, describe("taking back the move of", c.undo))
	}
	if len(c.recall) > 0 {
		words = append(words, fmt.Sprintf("taking back %s from whoever has some of their keys,"+
			" but for those that only %s had", count(slotsOf(c.recall).Len(), "slot", "slots"), nodeNames(c.gone)))
	}
	if len(c.clear) > 0 {
		var slots cluster.SlotSet
		var pods []string
		for _, m := range c.clear {
			slots, pods = slots.Union(m.Slots), append(pods, m.Pod)
		}
		words = append(words, fmt.Sprintf("closing %s at %s", count(slots.Len(), "slot", "slots"), oneOf(pods)))
	}
	if len(words) == 0 {
		return Decision{}, false
	}
	step := CloseSlots{Finish: c.finish, Undo: slices.Concat(c.undo, c.recall), Clear: c.clear}
	return Decision{Step: step, Reason: ClosingSlots, Message: list(words), Requeue: requeueNow}, true
}

// reportHalfMoved says which slots are half way to a node that is not there, and whose keys may come back with it.
// Invariant: as long as a key may be where nobody can reach it, the cluster is not said to have converged.
func reportHalfMoved(w Wanted, v cluster.View) (Decision, bool) {
	c := closingsOf(w, v)
	switch {
	case len(c.stuck) > 0:
		return wait(SlotsHalfMoved, list(c.stuck), requeueWaiting), true
	case len(c.unheard) > 0:
		return wait(WaitingForClusterState, list(c.unheard), requeueForming), true
	}
	return Decision{}, false
}

// closings is what is to be done about open slots.
type closings struct {
	finish, undo []Move
	clear        []Mark
	gone         []cluster.NodeID // targets that are gone for good
	recall       []Move           // from all who may have taken their place
	orphans      []cluster.Member // replicas of such targets
	stuck        []string         // what cannot be closed, and why
	unheard      []string         // what cannot be closed yet
}

// openSet is slots that a primary has open towards the same peer.
type openSet struct {
	holder    cluster.Member
	importing bool
	peer      cluster.NodeID
	slots     cluster.SlotSet
}

// openSets is the marks of all primaries that were seen, sources before targets. Marks of replicas mean nothing: they
// are copies, or the past.
func openSets(v cluster.View) []openSet {
	var sets []openSet
	for _, importing := range []bool{false, true} {
		for _, m := range v.Members {
			if m.Info == nil || m.Role() != cluster.Primary {
				continue
			}
			own := len(sets)
			for _, o := range m.Info.Self().Open {
				if o.Importing != importing {
					continue
				}
				at := own
				for at < len(sets) && sets[at].peer != o.Peer {
					at++
				}
				if at == len(sets) {
					sets = append(sets, openSet{holder: m, importing: importing, peer: o.Peer})
				}
				sets[at].slots = sets[at].slots.Add(o.Slot)
			}
		}
	}
	return sets
}

// openEnds is the primaries that were seen and own slots that somebody has open.
func openEnds(v cluster.View) []cluster.Member {
	var open cluster.SlotSet
	for _, set := range openSets(v) {
		open = open.Union(set.slots)
	}
	return slices.DeleteFunc(slices.Clone(v.Members), func(m cluster.Member) bool {
		return m.Info == nil || m.Role() != cluster.Primary || m.Info.Self().Slots.Intersect(open).IsEmpty()
	})
}

// involved is the nodes that have open slots or server migrations, and those at the other end of them.
func involved(v cluster.View) []cluster.NodeID {
	var ids []cluster.NodeID
	for _, set := range openSets(v) {
		ids = append(ids, set.holder.ID(), set.peer)
	}
	for _, m := range v.Members {
		if m.Info != nil {
			for _, t := range m.Info.Tasks {
				ids = append(ids, t.Source, t.Target)
			}
		}
	}
	return ids
}

// closingsOf goes through the marks, and says for each slot what its owner and the other end make right.
func closingsOf(w Wanted, v cluster.View) closings {
	sets := openSets(v)
	if len(sets) == 0 {
		return closings{}
	}
	c := closer{w: w, v: v, owners: v.Owners()}
	for _, set := range sets {
		for _, owner := range c.owners {
			part := set
			part.slots = set.slots.Intersect(owner.Slots)
			if part.slots.IsEmpty() {
				continue
			}
			if set.importing {
				c.target(part, owner)
			} else {
				c.source(part, owner)
			}
		}
	}
	return c.closings
}

// closer goes from one set of marks to the next.
type closer struct {
	closings
	w      Wanted
	v      cluster.View
	owners []cluster.Claim
	moving cluster.SlotSet // slots whose owner has them open as a source
}

// source is slots that the holder is giving away, or was when it owned them.
func (c *closer) source(set openSet, owner cluster.Claim) {
	if owner.Node != set.holder.ID() {
		c.mark(set, owner) // it has arrived: only the mark is left
		return
	}
	c.moving = c.moving.Union(set.slots)
	target, ok := c.v.Member(set.peer)
	if ok && target.Role() == cluster.Replica { // it has failed over: what had arrived is with who took its place
		if heir, there := c.v.Member(target.Follows()); there {
			target = heir
		}
	}
	switch {
	case !set.holder.Live():
		c.wait(set, set.holder.Pod.Name+" is not there")
	case ok && target.ID() == owner.Node:
		c.mark(set, owner)
	case ok && target.Live() && target.Role() == cluster.Primary:
		stale := c.importedElsewhere(set, target)
		c.move(set.holder, target, stale, true)
		c.move(set.holder, target, set.slots.Minus(stale), false)
	case ok, !allLive(c.v), !c.v.Served(), len(lostVolumes(c.v)) > 0:
		c.wait(set, "node "+set.peer.Short()+" is not there")
	case len(followers(c.v, set.peer)) > 0:
		c.orphans = append(c.orphans, followers(c.v, set.peer)...)
		c.wait(set, "node "+set.peer.Short()+" is gone; a replica is to take its place")
	default:
		c.giveUp(set)
	}
}

// importedElsewhere is the slots that the target began to import from somebody else than their owner, who has failed
// over since.
func (c *closer) importedElsewhere(set openSet, target cluster.Member) cluster.SlotSet {
	var stale cluster.SlotSet
	for _, o := range target.Info.Self().Open {
		if o.Importing && o.Peer != set.holder.ID() {
			stale = stale.Add(o.Slot)
		}
	}
	return stale.Intersect(set.slots)
}

// giveUp takes back what a target that is gone has left with others: nobody knows any more who took its place. Who
// still has a slot open from the owner's predecessor may have a newer copy of a key than the owner.
func (c *closer) giveUp(set openSet) {
	if !slices.Contains(c.gone, set.peer) {
		c.gone = append(c.gone, set.peer)
	}
	recalled := len(c.recall)
	for _, m := range c.v.Members {
		if m.Role() != cluster.Primary || m.ID() == set.holder.ID() || m.Info.Keys == 0 {
			continue
		}
		stale := c.importedElsewhere(set, m)
		for _, part := range []Move{{Slots: stale, FailedOver: true}, {Slots: set.slots.Minus(stale)}} {
			if part.From, part.To = endOf(set.holder), endOf(m); !part.Slots.IsEmpty() {
				c.recall = append(c.recall, part)
			}
		}
	}
	if recalled == len(c.recall) { // nobody has any
		c.mark(set, cluster.Claim{Node: set.holder.ID()})
	}
}

// target is slots that the holder began to import, and that their owner, if it is not the holder, does not give away
// or gives to somebody else.
func (c *closer) target(set openSet, owner cluster.Claim) {
	set.slots = set.slots.Minus(c.moving)
	if set.slots.IsEmpty() {
		return
	}
	source, ok := c.v.Member(owner.Node)
	switch {
	case owner.Node == set.holder.ID():
		c.mark(set, owner)
	case !ok || !source.Live() || !set.holder.Live():
		c.wait(set, "their owner or "+set.holder.Pod.Name+" is not there")
	case owner.Node != set.peer:
		c.move(source, set.holder, set.slots, true)
	case !c.w.Paused:
		c.move(source, set.holder, set.slots, false)
	default:
		// Nothing has gone yet, as far as the owner knows; what has is brought back.
		c.undo = append(c.undo, Move{From: endOf(source), To: endOf(set.holder), Slots: set.slots})
	}
}

// move goes on to a target that is to own slots, and back from one that is not. A primary that was away may have been
// replaced: until it has heard of it, for which Redis gives it two seconds, it holds its slots for its own, and whoever
// takes slots gets an epoch with which it wins against who took its place.
func (c *closer) move(from, to cluster.Member, slots cluster.SlotSet, failedOver bool) {
	m := Move{From: endOf(from), To: endOf(to), Slots: slots, FailedOver: failedOver}
	switch {
	case slots.IsEmpty():
	case isBack(from), isBack(to):
		c.unheard = append(c.unheard, fmt.Sprintf("slots %s are half way from %s to %s, and one of them has just come back:"+
			" it does not serve yet", slots, from.Pod.Name, to.Pod.Name))
	case !acquainted(c.w, from, to) || !outbids(to, openEnds(c.v)):
		c.unheard = append(c.unheard, fmt.Sprintf("slots %s are half way from %s to %s, which have yet to hear of each other",
			slots, from.Pod.Name, to.Pod.Name))
	case c.stays(to):
		c.finish = append(c.finish, m)
	default:
		c.undo = append(c.undo, m)
	}
}

// isBack says that the node was away and does not serve yet, with nothing else in the way.
func isBack(m cluster.Member) bool {
	var served cluster.SlotSet
	for i := range m.Info.Table { // by index: a Node is two kilobytes
		if n := &m.Info.Table[i]; !n.Flags.Fail && !n.Flags.PFail {
			served = served.Union(n.Slots)
		}
	}
	return !m.Info.StateOK && served == cluster.AllSlots()
}

// stays says that the primary is to own slots.
func (c *closer) stays(m cluster.Member) bool {
	if !m.OwnsSlots() {
		return slices.ContainsFunc(founders(c.w, c.v), func(f cluster.Member) bool { return f.ID() == m.ID() })
	}
	return !slices.Contains(c.v.ChooseLeaving(len(c.owners)-c.w.Primaries), m.ID())
}

// mark takes marks away that no keys are behind.
func (c *closer) mark(set openSet, owner cluster.Claim) {
	if !set.holder.Live() {
		c.wait(set, set.holder.Pod.Name+" is not there")
		return
	}
	c.clear = append(c.clear, Mark{End: endOf(set.holder), Slots: set.slots, Owner: owner.Node})
}

func (c *closer) wait(set openSet, why string) {
	c.stuck = append(c.stuck, fmt.Sprintf("slots %s are open at %s, and %s", set.slots, set.holder.Pod.Name, why))
}
