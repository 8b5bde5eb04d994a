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
// One slot more or less is as much, as shares differ by one; so is a 64th of a shard's weight. The choice is the same
// while they drain, and as shards that are to stay get what they give: what has begun to drain owns the least.
func (v View) ChooseLeaving(n int) []NodeID {
	shards := v.Shards()
	n = min(n, len(shards))
	if n <= 0 {
		return nil
	}
	loads, same := shardLoads(shards, v.Weights)
	last := slices.Sorted(slices.Values(loads))[n-1]
	l := newLeaving(shards)
	var alike []int
	for i, load := range loads {
		switch {
		case load < last-same:
			l.take(i)
		case load <= last+same:
			alike = append(alike, i)
		}
	}
	for len(l.chosen) < n {
		best := 0
		for at := range alike {
			if l.prefer(alike[at], alike[best]) < 0 {
				best = at
			}
		}
		l.take(alike[best])
		alike = slices.Delete(alike, best, best+1)
	}
	slices.Sort(l.chosen)
	return l.chosen
}

// shardLoads is what each shard owns, and what difference does not matter.
func shardLoads(shards []Shard, weights *Weights) (loads []int64, same int64) {
	loads = make([]int64, len(shards))
	total := int64(0)
	for i := range shards {
		loads[i] = int64(shards[i].Slots.Len())
		if weights != nil {
			for slot := range shards[i].Slots.All() {
				loads[i] += min(max(0, weights[slot]), heaviest)
			}
		}
		total += loads[i]
	}
	if weights == nil {
		return loads, 1
	}
	return loads, total / int64(len(shards)) / endTolerance
}

// leaving knows how many primaries stay where.
//
// Taking one at a time the one without which the rest is best placed is exact, as it is in chooser.
type leaving struct {
	shards       []Shard
	hosts, zones map[string]int
	chosen       []NodeID
}

func newLeaving(shards []Shard) *leaving {
	l := &leaving{shards: shards, hosts: map[string]int{}, zones: map[string]int{}}
	for i := range shards {
		pod := &shards[i].Primary.Pod
		l.hosts[pod.Host]++
		l.zones[pod.Zone]++
	}
	l.hosts[""], l.zones[""] = 0, 0 // nobody is crowded at a place that is not known
	return l
}

func (l *leaving) take(i int) {
	s := &l.shards[i]
	l.chosen = append(l.chosen, s.ID)
	if at := s.Primary.Pod.Host; at != "" {
		l.hosts[at]--
	}
	if at := s.Primary.Pod.Zone; at != "" {
		l.zones[at]--
	}
}

// prefer is negative when the rest is better without a than without b.
func (l *leaving) prefer(a, b int) int {
	one, other := &l.shards[a], &l.shards[b]
	oneHost, oneZone := misplaced(one)
	otherHost, otherZone := misplaced(other)
	return -cmp.Or(
		cmp.Compare(oneHost, otherHost),
		cmp.Compare(oneZone, otherZone),
		cmp.Compare(l.zones[one.Primary.Pod.Zone], l.zones[other.Primary.Pod.Zone]),
		cmp.Compare(l.hosts[one.Primary.Pod.Host], l.hosts[other.Primary.Pod.Host]),
		byOrdinal(one.Primary, other.Primary),
		cmp.Compare(one.ID, other.ID),
	)
}

// misplaced is the number of replicas on their primary's host, and in its zone.
func misplaced(s *Shard) (onHost, inZone int) {
	for i := range s.Replicas {
		if together(s.Primary.Pod.Host, s.Replicas[i].Pod.Host) {
			onHost++
		}
		if together(s.Primary.Pod.Zone, s.Replicas[i].Pod.Zone) {
			inZone++
		}
	}
	return onHost, inZone
}
