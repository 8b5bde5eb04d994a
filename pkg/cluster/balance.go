package cluster

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

// Balance says which slots go where, so that the shards that stay own equal shares and those that leave own none. No
// other way moves less: a shard gives only what is beyond its share, and where shares differ by one, the larger go to
// shards that have one already.
//
// Whatever part of the transfers is carried out, asking again gives the rest, as long as the holdings keep their order.
func Balance(holdings []Holding, _ *Weights) []Transfer {
	shares := sharesOf(holdings)
	if shares == nil {
		return nil
	}
	var transfers []Transfer
	to := 0
	for i, from := range holdings {
		surplus := lastSlots(from.Slots, from.Slots.Len()-shares[i])
		for !surplus.IsEmpty() {
			for holdings[to].Slots.Len() >= shares[to] {
				to++
			}
			room := shares[to] - holdings[to].Slots.Len()
			// What was planned for it before takes up room too.
			for _, t := range transfers {
				if t.To == holdings[to].Node {
					room -= t.Slots.Len()
				}
			}
			if room == 0 {
				to++
				continue
			}
			slots := surplus.Take(room)
			surplus = surplus.Minus(slots)
			transfers = append(transfers, Transfer{From: from.Node, To: holdings[to].Node, Slots: slots})
		}
	}
	return transfers
}

// sharesOf is how many slots each is to own in the end; nil when nobody stays.
func sharesOf(holdings []Holding) []int {
	owned, stay := 0, 0
	for _, h := range holdings {
		owned += h.Slots.Len()
		if !h.Leaves {
			stay++
		}
	}
	if stay == 0 {
		return nil
	}
	floor, larger := owned/stay, owned%stay
	shares := make([]int, len(holdings))
	for _, have := range []bool{true, false} {
		for i, h := range holdings {
			if h.Leaves || shares[i] > 0 && shares[i] > floor {
				continue
			}
			shares[i] = floor
			if larger > 0 && (h.Slots.Len() > floor) == have {
				shares[i]++
				larger--
			}
		}
	}
	return shares
}

// lastSlots is the n highest slots.
func lastSlots(s SlotSet, n int) SlotSet { return s.Minus(s.Take(s.Len() - max(0, n))) }
