package clustertest

import (
	"slices"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// dataset is the keys that a node has. There are two in each slot, so that a slot can be half way: it holds the slots
// whose first key the node has, and those whose second.
type dataset [2]cluster.SlotSet

func allKeys(slots cluster.SlotSet) dataset { return dataset{slots, slots} }

func (d dataset) plus(other dataset) dataset {
	return dataset{d[0].Union(other[0]), d[1].Union(other[1])}
}

func (d dataset) minus(slots cluster.SlotSet) dataset {
	return dataset{d[0].Minus(slots), d[1].Minus(slots)}
}

func (d dataset) in(slots cluster.SlotSet) dataset {
	return dataset{d[0].Intersect(slots), d[1].Intersect(slots)}
}

// without is the keys that the other has not.
func (d dataset) without(other dataset) dataset {
	return dataset{d[0].Minus(other[0]), d[1].Minus(other[1])}
}

// some is the slots with any keys, whole those with both.
func (d dataset) some() cluster.SlotSet  { return d[0].Union(d[1]) }
func (d dataset) whole() cluster.SlotSet { return d[0].Intersect(d[1]) }
func (d dataset) count() int             { return d[0].Len() + d[1].Len() }

// keysOf is the number of keys that the node counts.
func (w *World) keysOf(n *node) int64 {
	if w.quiet < clientsCome {
		return n.keys
	}
	return n.keys + int64(n.data.count())
}

// mark is slots that a node has open towards another.
type mark struct {
	importing bool
	peer      cluster.NodeID
	slots     cluster.SlotSet
}

type marks []mark

// slots is those of all marks of this kind.
func (m marks) slots(importing bool) cluster.SlotSet {
	var slots cluster.SlotSet
	for i := range m {
		if m[i].importing == importing {
			slots = slots.Union(m[i].slots)
		}
	}
	return slots
}

// with is CLUSTER SETSLOT IMPORTING or MIGRATING: a slot has one peer of each kind.
func (m marks) with(importing bool, peer cluster.NodeID, slots cluster.SlotSet) marks {
	var kept marks
	for _, old := range m {
		if old.importing == importing {
			old.slots = old.slots.Minus(slots)
		}
		if !old.slots.IsEmpty() {
			kept = append(kept, old)
		}
	}
	return append(kept, mark{importing, peer, slots})
}

// without is CLUSTER SETSLOT STABLE, or what NODE does to one kind.
func (m marks) without(slots cluster.SlotSet, kinds ...bool) marks {
	var kept marks
	for _, old := range m {
		if slices.Contains(kinds, old.importing) {
			old.slots = old.slots.Minus(slots)
		}
		if !old.slots.IsEmpty() {
			kept = append(kept, old)
		}
	}
	return kept
}

// list is the marks as a table has them.
func (m marks) list() []cluster.OpenSlot {
	var open []cluster.OpenSlot
	for _, set := range m {
		for slot := range set.slots.All() {
			open = append(open, cluster.OpenSlot{Slot: slot, Importing: set.importing, Peer: set.peer})
		}
	}
	slices.SortFunc(open, func(a, b cluster.OpenSlot) int { return int(a.Slot) - int(b.Slot) })
	return open
}

// shownOpen is the marks in the info as last seen.
func (n *node) shownOpen() []cluster.OpenSlot {
	if i := n.info.Table.Index(n.id); i >= 0 {
		return n.info.Table[i].Open
	}
	return nil
}

// Misplaced is the slots of which a key is somewhere, and not with the owner: lost to clients for now, or for good. Those
// that are Forgotten are left out.
func (w *World) Misplaced() cluster.SlotSet {
	var served dataset
	for _, n := range w.running() {
		if n.self().role == cluster.Primary {
			served = served.plus(n.data.in(set(n.self().slots)))
		}
	}
	return w.everything().without(served).some().Minus(w.Forgotten())
}

// Forgotten is the slots that were half way when both ends failed over: Redis does not tell replicas of open slots, so
// that nobody knows of it any more.
func (w *World) Forgotten() cluster.SlotSet { return w.forgotten }

// Stray is the slots of which a primary has keys, or marks, without owning them.
func (w *World) Stray() cluster.SlotSet {
	var stray cluster.SlotSet
	for _, n := range w.running() {
		if n.self().role == cluster.Primary {
			foreign := n.data.some().Minus(set(n.self().slots)).Minus(w.Forgotten())
			stray = stray.Union(foreign).Union(n.marks.slots(true)).Union(n.marks.slots(false))
		}
	}
	return stray
}

// Moved is the slots that have changed hands since the last Count, and those that did so more than once.
func (w *World) Moved() (once, again cluster.SlotSet) { return w.moved[0], w.moved[1] }

// Count begins to count moved slots anew.
func (w *World) Count() { w.moved = [2]cluster.SlotSet{} }
