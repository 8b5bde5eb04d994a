package cluster

import (
	"cmp"
	"slices"
)

// Holding is what one shard owns now.
type Holding struct {
	Node  NodeID // of the primary
	Slots SlotSet
	// Leaves says that the shard is to own nothing in the end.
	Leaves bool
}

// Transfer is slots that are to go from one shard to another.
type Transfer struct {
	From, To NodeID
	Slots    SlotSet
}

// Weights is what each slot weighs, for shares that are not counted in slots: bytes, never negative.
type Weights [SlotCount]int64

// SlotTask is a migration that a server carries out by itself, all of its slots at once (Valkey 9, Redis 8.4).
type SlotTask struct {
	ID             string
	Source, Target NodeID
	Slots          SlotSet
}

// Balance says which slots go where, so that the shards that stay own equal shares and those that leave own none:
// one transfer at most between any two, sorted by source and target. The order of the holdings does not matter.
// Slots that nobody owns are not planned; where nobody stays, nothing is.
//
// Without weights, shares are counted in slots and differ by one at most. No other way moves less: a shard gives only
// what is beyond its share, its highest slots, and the larger shares go first to shards that own as much already.
// Whatever part of the transfers is carried out, asking again gives exactly the rest.
//
// With weights, see balanceWeights for what holds.
func Balance(holdings []Holding, weights *Weights) []Transfer {
	sorted := byNode(holdings)
	if weights == nil {
		return balanceCounts(sorted)
	}
	return balanceWeights(sorted, weights)
}

// Even says that Balance would improve so little that it is not worth to begin: nobody leaves with slots, nobody is
// without. Once slots are on the move, Balance alone says when it is enough.
func Even(holdings []Holding, weights *Weights) bool {
	sorted := byNode(holdings)
	if weights == nil {
		return len(balanceCounts(sorted)) == 0
	}
	s := newScale(sorted, weights)
	return s == nil || s.even(s.startTolerance())
}

func byNode(holdings []Holding) []*Holding {
	sorted := make([]*Holding, len(holdings))
	for i := range holdings {
		sorted[i] = &holdings[i]
	}
	slices.SortStableFunc(sorted, func(a, b *Holding) int { return cmp.Compare(a.Node, b.Node) })
	return sorted
}

// balanceCounts matches what is beyond the shares with what they lack, both in the order of the holdings.
//
// Why the rest is the same after a part of it: a source keeps its lowest slots, whichever of the others have gone
// already; a target lacks as many less as have come. So the surplus slots in a row, cut where one target is full and
// the next one begins, are cut at the same places. And who has the larger shares does not change, see countShares.
func balanceCounts(holdings []*Holding) []Transfer {
	counts := make([]int, len(holdings))
	for i, h := range holdings {
		counts[i] = h.Slots.Len()
	}
	shares := countShares(holdings, counts)
	if shares == nil {
		return nil
	}
	var transfers []Transfer
	to, room := -1, 0
	for i, from := range holdings {
		extra := counts[i] - shares[i]
		if extra <= 0 {
			continue
		}
		for surplus := from.Slots.TakeLast(extra); extra > 0; {
			for room <= 0 {
				to++
				room = shares[to] - counts[to]
			}
			slots := surplus
			if room < extra {
				slots = surplus.Take(room)
				surplus = surplus.Minus(slots)
			}
			extra, room = extra-room, room-extra
			if transfers == nil { // at once: a Transfer is two kilobytes
				transfers = make([]Transfer, 0, len(holdings))
			}
			transfers = append(transfers, Transfer{From: from.Node, To: holdings[to].Node, Slots: slots})
		}
	}
	return transfers
}

// countShares is how many slots each is to own in the end; nil when nobody stays.
//
// The larger shares go to the first that own as much, then to the first of the others. The former never fall below
// it, the latter join them, and nobody else ever owns as much: the shares stay the same while slots move.
func countShares(holdings []*Holding, counts []int) []int {
	owned, stay := 0, 0
	for i, h := range holdings {
		owned += counts[i]
		if !h.Leaves {
			stay++
		}
	}
	if stay == 0 {
		return nil
	}
	share, larger := owned/stay, owned%stay
	shares := make([]int, len(holdings))
	for _, owns := range []bool{true, false} {
		for i, h := range holdings {
			if h.Leaves || owns != (counts[i] > share) {
				continue
			}
			shares[i] = share
			if larger > 0 {
				shares[i]++
				larger--
			}
		}
	}
	return shares
}
