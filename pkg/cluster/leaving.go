package cluster

import (
	"cmp"
	"slices"
)

// ChooseLeaving chooses n of the shards that are to own nothing in the end, so that the least moves: those that own
// the least, in slots, or in weight when the view has weights. Of shards that own as much as each other, those leave
// without which the rest is placed best: replicas away from their primaries, then primaries spread over zones, then
// over hosts; then those with the highest ordinals. It is sorted by ID.
//
// What is owned is counted in units of sixteen slots, or a 1024th of the weight. The choice is the same while slots
// move from those that leave to those that stay: the ones come to own less units, the others more.
func (v View) ChooseLeaving(n int) []NodeID {
	shards := v.Shards()
	n = min(n, len(shards))
	if n <= 0 {
		return nil
	}
	units := ownedUnits(shards, v.Weights)
	most := slices.Sorted(slices.Values(units))[n-1]
	var chosen []NodeID
	var alike []leaver
	for i, l := range newLeavers(shards) {
		switch {
		case units[i] < most:
			chosen = append(chosen, l.leave())
		case units[i] == most:
			alike = append(alike, l)
		}
	}
	slices.SortFunc(alike, func(a, b leaver) int {
		return -cmp.Or(byOrdinal(a.shard.Primary, b.shard.Primary), cmp.Compare(a.shard.ID, b.shard.ID))
	})
	for len(chosen) < n {
		worst := 0
		for i := range alike {
			if alike[i].worse(&alike[worst]) {
				worst = i
			}
		}
		chosen = append(chosen, alike[worst].leave())
		alike = slices.Delete(alike, worst, worst+1)
	}
	slices.Sort(chosen)
	return chosen
}

// ownedUnits is how much each shard owns. A unit is the same however much has moved. Where units are cut does not part
// shares that differ by one slot, whatever the number of shards is up to fifty-one.
func ownedUnits(shards []Shard, weights *Weights) []int64 {
	units := make([]int64, len(shards))
	total := int64(0)
	for i := range shards {
		units[i] = int64(shards[i].Slots.Len())
		if weights != nil {
			for slot := range shards[i].Slots.All() {
				units[i] += min(max(0, weights[slot]), heaviest)
			}
		}
		total += units[i]
	}
	unit := max(1, total/1024)
	for i := range units {
		units[i] = (units[i] + unit/4) / unit
	}
	return units
}

// leaver is a shard that may leave, and what its place is like.
//
// Taking one at a time the one whose place is worst is exact, as it is in chooser.
type leaver struct {
	shard          *Shard
	onHost, inZone int  // replicas beside their primary
	host, zone     *int // how many primaries there are
}

func newLeavers(shards []Shard) []leaver {
	hosts, zones := map[string]*int{}, map[string]*int{}
	leavers := make([]leaver, len(shards))
	for i := range shards {
		pod := &shards[i].Primary.Pod
		l := leaver{shard: &shards[i], host: settle(hosts, pod.Host), zone: settle(zones, pod.Zone)}
		for _, r := range shards[i].Replicas {
			if together(pod.Host, r.Pod.Host) {
				l.onHost++
			}
			if together(pod.Zone, r.Pod.Zone) {
				l.inZone++
			}
		}
		leavers[i] = l
	}
	return leavers
}

// settle counts one more at a place. Nobody is crowded at a place that is not known.
func settle(places map[string]*int, name string) *int {
	at := places[name]
	if at == nil || name == "" {
		at = new(int)
		places[name] = at
	}
	*at++
	return at
}

func (l *leaver) leave() NodeID {
	*l.host--
	*l.zone--
	return l.shard.ID
}

// worse says that its place is worse than that of the other.
func (l *leaver) worse(other *leaver) bool {
	switch {
	case l.onHost != other.onHost:
		return l.onHost > other.onHost
	case l.inZone != other.inZone:
		return l.inZone > other.inZone
	case *l.zone != *other.zone:
		return *l.zone > *other.zone
	default:
		return *l.host > *other.host
	}
}
