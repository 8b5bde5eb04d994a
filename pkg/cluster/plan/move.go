package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// drainSurplusShards moves the slots of the shards that leave to those that stay, straight to where they belong in
// the end.
// Invariant: a shard leaves only with all of its slots and keys in the hands of others. Every node is in view and
// well, no slot is open, what is to come fits, and whoever is given slots has all its replicas in sync.
func drainSurplusShards(w Wanted, v cluster.View) (Decision, bool) {
	if len(v.Owners()) <= w.Primaries {
		return Decision{}, false
	}
	return moveSlots(w, v, DrainingShards)
}

// balanceSlots moves slots until each shard has its share. What is not worth to begin stays as it is, unless slots are
// being moved anyway.
// Invariant: as for drainSurplusShards. A new shard has its replicas in sync before it is given the first slot, and
// every shard that is wanted is there, so that no slot has to move a second time.
func balanceSlots(w Wanted, v cluster.View) (Decision, bool) {
	if len(v.Owners()) > w.Primaries {
		return Decision{}, false
	}
	return moveSlots(w, v, MovingSlots)
}

// refuseOverfull says that slots are not moved because their data has no place where it would have to go.
// Invariant: nothing moves, and no pod is touched, for a wish that would end in lost keys or refused writes.
func refuseOverfull(w Wanted, v cluster.View) (Decision, bool) {
	over := overfull(w, v, planned(w, v))
	if len(over) == 0 {
		return Decision{}, false
	}
	return wait(DataDoesNotFit, fmt.Sprintf("the data does not fit into %s: %s",
		count(w.Primaries, "primary", "primaries"), list(over)), requeueWaiting), true
}

// moveSlots moves what can move by now: to those that are ready for it.
func moveSlots(w Wanted, v cluster.View, reason string) (Decision, bool) {
	transfers := planned(w, v)
	if len(transfers) == 0 || len(overfull(w, v, transfers)) > 0 {
		return Decision{}, false
	}
	members := shards(w, v)
	var sources []cluster.Member
	for _, t := range transfers {
		sources = append(sources, shardOf(members, t.From).Primary)
	}
	left := 0
	var moves []Move
	for _, t := range transfers {
		left += t.Slots.Len()
		from, to := shardOf(members, t.From), shardOf(members, t.To)
		if !receives(w, to, from.Primary) || !outbids(to.Primary, sources) {
			continue
		}
		if to.Slots.IsEmpty() {
			// Redis elects nobody in the place of a primary without slots: until it has one, no more than one is
			// on its way to it.
			if slices.ContainsFunc(moves, func(m Move) bool { return m.To.Node == t.To }) {
				continue
			}
			t.Slots = t.Slots.Take(1)
		}
		moves = append(moves, Move{From: endOf(from.Primary), To: endOf(to.Primary), Slots: t.Slots})
	}
	if len(moves) == 0 {
		return Decision{}, false
	}
	slices.SortFunc(moves, func(a, b Move) int {
		return cmp.Or(ordinalOf(v, a.From)-ordinalOf(v, b.From), ordinalOf(v, a.To)-ordinalOf(v, b.To))
	})
	return Decision{
		Step:    MoveSlots{Moves: moves},
		Reason:  reason,
		Message: fmt.Sprintf("%s (%d left)", describe("moving", moves), left),
		Requeue: requeueNow,
	}, true
}

func endOf(m cluster.Member) End { return End{Pod: m.Pod.Name, Node: m.ID()} }

func ordinalOf(v cluster.View, end End) int {
	m, _ := v.Member(end.Node)
	return m.Pod.Ordinal
}

func shardOf(shards []cluster.Shard, id cluster.NodeID) cluster.Shard {
	i := slices.IndexFunc(shards, func(s cluster.Shard) bool { return s.ID == id })
	return shards[i]
}

// describe is "moving 4096 slots from 3 shards to demo-6".
func describe(verb string, moves []Move) string {
	var from, to []string
	for _, m := range moves {
		from, to = append(from, m.From.Pod), append(to, m.To.Pod)
	}
	return fmt.Sprintf("%s %s from %s to %s", verb, count(slotsOf(moves).Len(), "slot", "slots"), oneOf(from), oneOf(to))
}

func slotsOf(moves []Move) cluster.SlotSet {
	var slots cluster.SlotSet
	for _, m := range moves {
		slots = slots.Union(m.Slots)
	}
	return slots
}

// oneOf is the only one of the pods, or how many there are.
func oneOf(pods []string) string {
	slices.Sort(pods)
	pods = slices.Compact(pods)
	if len(pods) == 1 {
		return pods[0]
	}
	return count(len(pods), "shard", "shards")
}

// receives says that the shard can be given slots of the source: both know each other and find the cluster in order,
// the shard has its replicas in sync, and a new one holds nothing that would mix with what comes.
func receives(w Wanted, to cluster.Shard, from cluster.Member) bool {
	target := to.Primary
	stray := to.Slots.IsEmpty() && target.Info.Keys > 0 && !awaits(target)
	return len(to.Synced()) >= w.Replicas && !stray && target.Info.StateOK && from.Info.StateOK &&
		acquainted(w, from, target)
}

// acquainted says that both know each other as primaries.
func acquainted(w Wanted, a, b cluster.Member) bool { return w.foreseen || knows(a, b) && knows(b, a) }

// outbids says that the target takes slots with a config epoch above those of all who give some: with a new one,
// above all epochs that it has heard of, or its own when it is the highest. Otherwise the slot would be its former
// owner's again as soon as they talk, who has given it away.
func outbids(target cluster.Member, sources []cluster.Member) bool {
	own := target.Info.Self().ConfigEpoch
	return !slices.ContainsFunc(sources, func(m cluster.Member) bool {
		epoch := m.Info.Self().ConfigEpoch
		return m.ID() != target.ID() && (epoch > target.Info.CurrentEpoch || epoch == own && epoch > 0)
	})
}

// planned is all that is to move until every shard has its share; nothing while that cannot be said, or not done:
// then another rule says why.
func planned(w Wanted, v cluster.View) []cluster.Transfer {
	members := shards(w, v)
	if len(members) == 0 || len(members) < w.Primaries || !steady(v) {
		return nil
	}
	leaving := v.ChooseLeaving(len(members) - w.Primaries)
	holdings := make([]cluster.Holding, len(members))
	for i := range members {
		holdings[i] = cluster.Holding{
			Node: members[i].ID, Slots: members[i].Slots, Leaves: slices.Contains(leaving, members[i].ID),
		}
	}
	if len(leaving) == 0 && !w.Moving && cluster.Even(holdings, v.Weights) {
		return nil
	}
	return cluster.Balance(holdings, v.Weights)
}

// steady says that slots can move at all: every node is there and held for alive by all, every slot is one node's,
// and none is half way already.
func steady(v cluster.View) bool {
	if !allLive(v) || !v.Served() || !v.Contested().IsEmpty() {
		return false
	}
	for _, m := range v.Members {
		for i := range m.Info.Table {
			n := &m.Info.Table[i]
			if n.Flags.Fail || n.Flags.Myself && n.Role == cluster.Primary && len(n.Open) > 0 {
				return false
			}
		}
	}
	return true
}

// overfull says which primaries could not hold what is to come to them beside what they have.
func overfull(w Wanted, v cluster.View, transfers []cluster.Transfer) []string {
	if w.Overfill || len(transfers) == 0 {
		return nil
	}
	var over []string
	for _, m := range v.Members {
		needed := m.Info.UsedBytes
		for _, t := range transfers {
			if t.To == m.ID() {
				needed += bytesIn(v, t)
			}
		}
		if has := m.Info.MaxBytes; has > 0 && needed > has && needed > m.Info.UsedBytes {
			over = append(over, fmt.Sprintf("%s would need %s (maxmemory %s)", m.Pod.Name, size(needed), size(has)))
		}
	}
	return over
}

// bytesIn is what comes with the slots: what they weigh, or their part of what their owner holds.
func bytesIn(v cluster.View, t cluster.Transfer) int64 {
	if v.Weights != nil {
		var sum int64
		for slot := range t.Slots.All() {
			sum += v.Weights[slot]
		}
		return sum
	}
	source, _ := v.Member(t.From)
	return source.Info.DataBytes * int64(t.Slots.Len()) / int64(max(1, source.Info.Self().Slots.Len()))
}
