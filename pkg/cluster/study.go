package cluster

import "slices"

// study is what a view means, worked out once.
type study struct {
	owners    []Claim
	shards    []Shard
	contested SlotSet
	uncovered SlotSet
	unserved  SlotSet
	covered   bool
	served    bool
	ghosts    []Ghost
	claimed   []NodeID // with slots in any table, sorted
}

// Studied is the view with its members sorted and its meaning worked out, so that many questions cost no more
// than one. Neither its members nor what it answers may be changed any more.
func (v View) Studied() View {
	if v.study == nil {
		if !slices.IsSortedFunc(v.Members, byOrdinal) {
			v.Members = slices.SortedStableFunc(slices.Values(v.Members), byOrdinal)
		}
		v.study = v.studied()
	}
	return v
}

func (v View) studied() *study {
	if v.study != nil {
		return v.study
	}
	ids := v.ids()
	claims := v.claims(ids)
	s := &study{owners: own(claims), ghosts: v.findGhosts(ids), claimed: v.allClaimed()}
	s.shards = v.findShards(s.owners)
	var covered, served SlotSet
	for _, c := range claims {
		s.contested = s.contested.Union(covered.Intersect(c.Slots))
		covered = covered.Union(c.Slots)
	}
	for _, c := range s.owners {
		if !c.Hearsay {
			served = served.Union(c.Slots)
		}
	}
	s.uncovered, s.unserved = AllSlots().Minus(covered), AllSlots().Minus(served)
	s.covered, s.served = s.uncovered.IsEmpty(), s.unserved.IsEmpty()
	return s
}

// ids is the IDs of the nodes that were seen, sorted.
func (v View) ids() []NodeID {
	ids := make([]NodeID, 0, len(v.Members))
	for _, m := range v.Members {
		if m.Info != nil {
			ids = append(ids, m.ID())
		}
	}
	slices.Sort(ids)
	return ids
}

func (v View) allClaimed() []NodeID {
	var ids []NodeID
	for _, m := range v.Members {
		if m.Info == nil {
			continue
		}
		for i := range m.Info.Table {
			if n := &m.Info.Table[i]; n.Role != Replica && !n.Slots.IsEmpty() {
				ids = append(ids, n.ID)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
