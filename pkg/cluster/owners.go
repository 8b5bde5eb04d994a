package cluster

import (
	"cmp"
	"slices"
)

// Claim is the slots that a node owns.
type Claim struct {
	Node  NodeID
	Epoch uint64
	Slots SlotSet
	// Hearsay says that the node itself was not seen: others say that it owns the slots.
	Hearsay bool
}

// Owners gives every slot that somebody owns to one node. The claims are disjoint and not empty, the one with
// the lowest slot comes first.
//
// A node that was seen is the authority on what it owns: others learn of it late. For a node that was not
// seen, the newest that others know counts. Where two claim a slot, the higher config epoch wins, and then the
// lower ID, as it will between the nodes themselves.
func (v View) Owners() []Claim { return v.studied().owners }

// own makes claims disjoint.
func own(claims []Claim) []Claim {
	owners := slices.Clone(claims)
	slices.SortStableFunc(owners, func(a, b Claim) int {
		return cmp.Or(-cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Node, b.Node))
	})
	var taken SlotSet
	for i := range owners {
		owners[i].Slots = owners[i].Slots.Minus(taken)
		taken = taken.Union(owners[i].Slots)
	}
	owners = slices.DeleteFunc(owners, func(c Claim) bool { return c.Slots.IsEmpty() })
	slices.SortFunc(owners, func(a, b Claim) int { return cmp.Compare(a.Slots.first(), b.Slots.first()) })
	return owners
}

// claims is what nodes say of themselves, and what others say of those that were not seen.
func (v View) claims(ids []NodeID) []Claim {
	claims := make([]Claim, 0, len(v.Members))
	for _, m := range v.Members {
		if m.Info == nil {
			continue
		}
		for i := range m.Info.Table {
			n := &m.Info.Table[i]
			_, seen := slices.BinarySearch(ids, n.ID)
			switch {
			case seen && !n.Flags.Myself, n.Slots.IsEmpty():
			case n.Flags.Myself && n.Role == Primary:
				claims = append(claims, Claim{Node: n.ID, Epoch: n.ConfigEpoch, Slots: n.Slots})
			case !seen:
				claims = hear(claims, n)
			}
		}
	}
	return claims
}

// hear adds what a table says of a node that was not seen. Newer knowledge replaces older.
func hear(claims []Claim, n *Node) []Claim {
	heard := Claim{Node: n.ID, Epoch: n.ConfigEpoch, Slots: n.Slots, Hearsay: true}
	i := slices.IndexFunc(claims, func(c Claim) bool { return c.Node == n.ID })
	switch {
	case i < 0:
		return append(claims, heard)
	case claims[i].Epoch < heard.Epoch:
		claims[i] = heard
	case claims[i].Epoch == heard.Epoch:
		claims[i].Slots = claims[i].Slots.Union(heard.Slots)
	}
	return claims
}

// Uncovered is the slots that nobody owns, not even by hearsay.
func (v View) Uncovered() SlotSet { return v.studied().uncovered }

// Unserved is the slots that no node that was seen owns. Once it is empty, the cluster is bootstrapped.
func (v View) Unserved() SlotSet { return v.studied().unserved }

// Covered says that every slot has an owner, be it by hearsay.
func (v View) Covered() bool { return v.studied().covered }

// Served says that every slot is owned by a node that was seen.
func (v View) Served() bool { return v.studied().served }

// Contested is the slots that more than one node claims.
func (v View) Contested() SlotSet { return v.studied().contested }

// Claimed says whether any table at all, however old, gives slots to the node.
func (v View) Claimed(id NodeID) bool {
	_, claimed := slices.BinarySearch(v.studied().claimed, id)
	return claimed
}

// Shard is a primary that owns slots, and the replicas that say they follow it.
type Shard struct {
	ID    NodeID
	Slots SlotSet
	// Primary is the primary's member; its Info is nil when it was not seen, and then its pod is not known either.
	Primary  Member
	Replicas []Member // as in the view
}

// Synced is the replicas that are live and whose link is up and in sync.
func (s Shard) Synced() []Member {
	var synced []Member
	for _, m := range s.Replicas {
		if m.Live() && m.Info.LinkUp {
			synced = append(synced, m)
		}
	}
	return synced
}

// Shards is the cluster as the nodes describe themselves, the shard with the lowest slot first.
func (v View) Shards() []Shard { return v.studied().shards }

func (v View) findShards(owners []Claim) []Shard {
	shards := make([]Shard, len(owners))
	for i, c := range owners {
		shards[i] = Shard{ID: c.Node, Slots: c.Slots}
		shards[i].Primary, _ = v.Member(c.Node)
	}
	for _, m := range v.Members {
		if m.Info == nil {
			continue
		}
		for i := range shards {
			if m.Role() == Replica && shards[i].ID == m.Follows() {
				shards[i].Replicas = append(shards[i].Replicas, m)
			}
		}
	}
	return shards
}

// Member is the member whose node has this ID.
func (v View) Member(id NodeID) (Member, bool) {
	for _, m := range v.Members {
		if m.Info != nil && m.ID() == id {
			return m, true
		}
	}
	return Member{}, false
}

// WithoutZones is the view as if no zone were known, for a placement that only looks at hosts.
func (v View) WithoutZones() View {
	v.study = nil
	v.Members = slices.Clone(v.Members)
	for i := range v.Members {
		v.Members[i].Pod.Zone = ""
	}
	v.Hosts = slices.Clone(v.Hosts)
	for i := range v.Hosts {
		v.Hosts[i].Zone = ""
	}
	return v
}
