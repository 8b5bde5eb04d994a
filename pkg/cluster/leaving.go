package cluster

import (
	"cmp"
	"slices"
)

// ChooseLeaving chooses n of the shards that are to own nothing in the end, so that the least moves: those that own
// the least, in slots, or in bytes when the view has weights. Of shards that own as much as each other, those leave
// without which the rest is placed best: replicas away from their primaries, then primaries spread over zones, then
// over hosts; then those with the highest ordinals. It is sorted by ID.
//
// It chooses the same ones while they drain: what has begun to drain owns less than the others from then on.
func (v View) ChooseLeaving(n int) []NodeID {
	shards := v.Shards()
	n = min(n, len(shards))
	if n <= 0 {
		return nil
	}
	loads := make([]int64, len(shards))
	for i := range shards {
		loads[i] = int64(shards[i].Slots.Len())
	}
	last := slices.Sorted(slices.Values(loads))[n-1]
	l := newLeaving(shards)
	var contested []int
	for i := range shards {
		switch {
		case loads[i] < last-1:
			l.take(i)
		case loads[i] <= last+1:
			contested = append(contested, i)
		}
	}
	for len(l.chosen) < n {
		best := 0
		for at := range contested {
			if l.prefer(contested[at], contested[best]) < 0 {
				best = at
			}
		}
		l.take(contested[best])
		contested = slices.Delete(contested, best, best+1)
	}
	slices.Sort(l.chosen)
	return l.chosen
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
	oneHost, oneZone := one.misplaced()
	otherHost, otherZone := other.misplaced()
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
func (s *Shard) misplaced() (onHost, inZone int) {
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
