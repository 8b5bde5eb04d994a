package cluster

import (
	"cmp"
	"fmt"
	"slices"
)

// Vacancy is a primary that lacks replicas.
type Vacancy struct {
	Primary  Member
	Replicas []Member // that it has
	Lacks    int
}

// Attachment is a replica and the primary that it is to follow.
type Attachment struct{ Replica, Primary Member }

// The prices of what a placement should avoid. Each is more than all the cheaper ones of a thousand replicas.
const (
	priceZoneShared  int64 = 1 << (12 * iota) // with another replica of the primary
	priceHostShared                           // with another replica of the primary
	priceZone                                 // the primary's zone
	priceHost                                 // the primary's host
	priceLaterNumber                          // the second replica of one before the first of another
)

// dearestNumber keeps the sum of a thousand prices within 63 bits.
const dearestNumber = 7

// ChoosePrimaries chooses from the free members those that become primaries beside the standing ones, until
// there are as many as wanted, each with so many replicas. The choice leaves a placement of the replicas that
// is as good as any choice could; then it spreads the primaries over zones, then over hosts; then it takes the
// lowest ordinals. It is sorted by ordinal, and the same when some of the chosen already stand.
func ChoosePrimaries(standing, free []Member, primaries, replicas int) []Member {
	all := slices.Concat(standing, free)
	c := chooser{replicas: replicas}
	most := max(primaries*replicas, len(all)-primaries) // of replicas that are wanted, and that there are
	for _, m := range all {
		c.hosts = c.hosts.with(m.Pod.Host, most)
		c.zones = c.zones.with(m.Pod.Zone, most)
	}
	for _, m := range all {
		c.hosts.find(m.Pod.Host).room--
		c.zones.find(m.Pod.Zone).room--
	}
	for _, m := range standing {
		c.take(m)
	}
	free = slices.Clone(free)
	slices.SortFunc(free, byOrdinal)
	var chosen []Member
	for len(standing)+len(chosen) < primaries && len(free) > 0 {
		best := 0
		for i := range free {
			if slices.Compare(c.price(free[i]), c.price(free[best])) < 0 {
				best = i
			}
		}
		c.take(free[best])
		chosen = append(chosen, free[best])
		free = slices.Delete(free, best, best+1)
	}
	slices.SortFunc(chosen, byOrdinal)
	return chosen
}

// chooser knows how many primaries there are where.
//
// Taking one at a time the cheapest is exact: every price is a convex function of the number of primaries on a
// host or in a zone, and hosts lie within zones (a laminar family, where greed is optimal).
type chooser struct {
	replicas     int
	hosts, zones sites
}

// site is a host or a zone. When primaries × (replicas - 1) there exceed the room, so many replicas must stand
// by their own primary: of F replicas to place, those that are here can only follow primaries elsewhere, and
// those that follow the primaries here can only be elsewhere.
type site struct {
	name      string
	primaries int
	room      int
}

type sites []site

func (s sites) with(name string, room int) sites {
	if s.find(name) != nil {
		return s
	}
	return append(s, site{name: name, room: room})
}

func (s sites) find(name string) *site {
	for i := range s {
		if s[i].name == name {
			return &s[i]
		}
	}
	return nil
}

// price is what one more primary costs here: violations, then crowding.
func (s *site) price(replicas int) (violations, crowd int) {
	over := func(primaries int) int { return max(0, primaries*(replicas-1)-s.room) }
	return over(s.primaries+1) - over(s.primaries), s.primaries
}

func (c *chooser) price(m Member) []int {
	hostViolations, hostCrowd := c.hosts.find(m.Pod.Host).price(c.replicas)
	zoneViolations, zoneCrowd := c.zones.find(m.Pod.Zone).price(c.replicas)
	return []int{hostViolations, zoneViolations, zoneCrowd, hostCrowd}
}

func (c *chooser) take(m Member) {
	c.hosts.find(m.Pod.Host).primaries++
	c.zones.find(m.Pod.Zone).primaries++
}

func byOrdinal(a, b Member) int {
	return cmp.Or(cmp.Compare(a.Pod.Ordinal, b.Pod.Ordinal), cmp.Compare(a.Pod.Name, b.Pod.Name))
}

// Attach gives spares to vacancies: first replicas before second ones, never on the primary's host nor in its
// zone while that can be avoided for all of them together, then away from other replicas of the primary. It
// is sorted by the spare's ordinal.
func Attach(vacancies []Vacancy, spares []Member) []Attachment {
	spares = slices.Clone(spares)
	slices.SortFunc(spares, byOrdinal)
	var places []place
	for i, v := range vacancies {
		for n := range v.Lacks {
			places = append(places, place{vacancy: i, number: len(v.Replicas) + n})
		}
	}
	chosen := choose(vacancies, places, spares)
	spread(vacancies, places, spares, chosen)
	var attached []Attachment
	for at, spare := range chosen {
		if spare >= 0 {
			attached = append(attached, Attachment{Replica: spares[spare], Primary: vacancies[places[at].vacancy].Primary})
		}
	}
	slices.SortFunc(attached, func(a, b Attachment) int { return byOrdinal(a.Replica, b.Replica) })
	return attached
}

// choose is the index of the spare at each place, or -1.
func choose(vacancies []Vacancy, places []place, spares []Member) []int {
	prices := make([][]int64, len(places))
	for at, p := range places {
		v := &vacancies[p.vacancy]
		prices[at] = make([]int64, len(spares))
		for i := range spares {
			prices[at][i] = int64(min(p.number, dearestNumber))*priceLaterNumber + price(&v.Primary, &spares[i], v.Replicas)
		}
	}
	if len(places) <= len(spares) {
		return assign(prices, len(spares))
	}
	chosen := slices.Repeat([]int{-1}, len(places))
	for spare, at := range assign(transpose(prices, len(spares)), len(places)) {
		chosen[at] = spare
	}
	return chosen
}

// place is one replica that a vacancy lacks.
type place struct {
	vacancy int
	number  int // of the replica within its shard
}

// price is what a replica costs beside its primary and the shard's other replicas.
func price(primary, replica *Member, others []Member) int64 {
	var p int64
	if together(primary.Pod.Host, replica.Pod.Host) {
		p += priceHost
	}
	if together(primary.Pod.Zone, replica.Pod.Zone) {
		p += priceZone
	}
	for i := range others {
		if together(others[i].Pod.Host, replica.Pod.Host) {
			p += priceHostShared
		}
		if together(others[i].Pod.Zone, replica.Pod.Zone) {
			p += priceZoneShared
		}
	}
	return p
}

// together says that both are at the same known place.
func together(a, b string) bool { return a != "" && a == b }

// spread swaps spares between vacancies while that keeps replicas of one primary apart from each other: the
// assignment could only look at those that already stand. It never makes a placement dearer, and it ends.
func spread(vacancies []Vacancy, places []place, spares []Member, chosen []int) {
	firstPlace := func(vacancy int) int {
		at, _ := slices.BinarySearchFunc(places, vacancy, func(p place, v int) int { return cmp.Compare(p.vacancy, v) })
		return at
	}
	shardPrice := func(vacancy int) int64 {
		v := &vacancies[vacancy]
		others := slices.Clone(v.Replicas)
		var p int64
		for at := firstPlace(vacancy); at < len(places) && places[at].vacancy == vacancy; at++ {
			if spare := chosen[at]; spare >= 0 {
				p += price(&v.Primary, &spares[spare], others)
				others = append(others, spares[spare])
			}
		}
		return p
	}
	crowded := func(at int) bool {
		v := &vacancies[places[at].vacancy]
		return v.Lacks+len(v.Replicas) > 1
	}
	for swapped := true; swapped; {
		swapped = false
		for a := range chosen {
			for b := range a {
				one, other := places[a].vacancy, places[b].vacancy
				if one == other || !crowded(a) && !crowded(b) || chosen[a] < 0 || chosen[b] < 0 {
					continue
				}
				before := shardPrice(one) + shardPrice(other)
				chosen[a], chosen[b] = chosen[b], chosen[a]
				if shardPrice(one)+shardPrice(other) < before {
					swapped = true
				} else {
					chosen[a], chosen[b] = chosen[b], chosen[a]
				}
			}
		}
	}
}

// Quality is how well replicas are placed.
type Quality string

// The qualities of a placement.
const (
	Optimal    Quality = "Optimal"
	BestEffort Quality = "BestEffort"
)

// Placement says how well the roles are spread over the hosts and zones that are known, and when it could be
// better, what is wrong, as a sentence: "demo-1 and its replica demo-4 are both on host node1".
func (v View) Placement() (Quality, string) {
	hosts, zones := v.places()
	shards := v.Shards()
	for _, level := range []struct {
		where string
		known int
		of    func(Pod) string
	}{
		{"on host", hosts, func(p Pod) string { return p.Host }},
		{"in zone", zones, func(p Pod) string { return p.Zone }},
	} {
		if level.known < 2 {
			continue
		}
		for _, s := range shards {
			for _, r := range s.Replicas {
				if at := level.of(s.Primary.Pod); together(at, level.of(r.Pod)) {
					return BestEffort, fmt.Sprintf("%s and its replica %s are both %s %s",
						s.Primary.Pod.Name, r.Pod.Name, level.where, at)
				}
			}
		}
		if at, n := crowd(shards, level.of); 2*n >= len(shards) && n > (len(shards)+level.known-1)/level.known {
			return BestEffort, fmt.Sprintf("%d of %d primaries are %s %s", n, len(shards), level.where, at)
		}
	}
	return Optimal, ""
}

// places is the number of hosts and zones that are known.
func (v View) places() (hosts, zones int) {
	var hostNames, zoneNames []string
	for _, m := range v.Members {
		hostNames = append(hostNames, m.Pod.Host)
		zoneNames = append(zoneNames, m.Pod.Zone)
	}
	for _, h := range v.Hosts {
		hostNames = append(hostNames, h.Name)
		zoneNames = append(zoneNames, h.Zone)
	}
	return distinct(hostNames), distinct(zoneNames)
}

func distinct(names []string) int {
	slices.Sort(names)
	names = slices.Compact(names)
	return len(slices.DeleteFunc(names, func(name string) bool { return name == "" }))
}

// crowd is the place with the most primaries, the first one of several, and how many are there.
func crowd(shards []Shard, of func(Pod) string) (string, int) {
	var names []string
	for _, s := range shards {
		if at := of(s.Primary.Pod); at != "" {
			names = append(names, at)
		}
	}
	slices.Sort(names)
	most, run := 0, 0
	where := ""
	for i, name := range names {
		if i > 0 && names[i-1] != name {
			run = 0
		}
		run++
		if run > most {
			most, where = run, name
		}
	}
	return where, most
}
