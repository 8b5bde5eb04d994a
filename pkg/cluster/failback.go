package cluster

import (
	"cmp"
	"slices"
)

// Handover is a replica that is to take its primary's place.
type Handover struct{ Primary, Replica Member }

// Failback is the next handover on the shortest way to the best spread that changing roles can reach, if the placement
// is not Optimal and can be better. Only replicas that are in sync take part, on hosts that are open.
//
// First a shard gets the primary that has the fewest of its replicas beside it. Then primaries are spread over zones,
// and over hosts: along a chain of shards, each of which can move its primary to where the next one leaves, one host
// has a primary less and another one more. What is left of a chain after one handover is a chain to the same end, and
// shorter: so it ends, and nothing goes back and forth.
func (v View) Failback() (Handover, bool) {
	if quality, _ := v.Placement(); quality == Optimal {
		return Handover{}, false
	}
	shards := v.Shards()
	if h, ok := part(shards); ok {
		return h, true
	}
	s := newSpreader(shards)
	var best chain
	for _, from := range s.hosts {
		for _, c := range s.chains(from.name) {
			if compareChains(c, best) < 0 {
				best = c
			}
		}
	}
	if len(best.links) == 0 {
		return Handover{}, false
	}
	return best.links[len(best.links)-1], true // so that the next one goes where there is room by then
}

// heirs are the replicas that may take over for beauty alone: not where somebody is at work, and they would have to go,
// and none that cannot write to its volume.
func heirs(s *Shard) []Member {
	return slices.DeleteFunc(s.Synced(), func(m Member) bool { return m.Pod.HostShut != "" || m.Info.WriteFault != "" })
}

func (h Handover) from() string { return h.Primary.Pod.Host }
func (h Handover) to() string   { return h.Replica.Pod.Host }

// part is the handover that takes a primary away from its replicas.
func part(shards []Shard) (Handover, bool) {
	var best Handover
	var saves []int
	for i := range shards {
		now := company(shards[i], shards[i].Primary)
		for _, r := range heirs(&shards[i]) {
			then := company(shards[i], r)
			saved := []int{then[0] - now[0], then[1] - now[1]}
			if slices.Compare(saved, []int{0, 0}) < 0 && (saves == nil || slices.Compare(saved, saves) < 0) {
				best, saves = Handover{shards[i].Primary, r}, saved
			}
		}
	}
	return best, saves != nil
}

// company is how many of the shard's other members would be on the host, and in the zone, of this one as the primary.
func company(s Shard, primary Member) []int {
	onHost, inZone := 0, 0
	for _, m := range append(slices.Clone(s.Replicas), s.Primary) {
		if m.Pod.Name == primary.Pod.Name {
			continue
		}
		if together(m.Pod.Host, primary.Pod.Host) {
			onHost++
		}
		if together(m.Pod.Zone, primary.Pod.Zone) {
			inZone++
		}
	}
	return []int{onHost, inZone}
}

// spreader knows how many primaries there are where, and which of them could be elsewhere.
type spreader struct {
	hosts []crowdedHost // sorted by name
	zones map[string]int
	moves []Handover
}

type crowdedHost struct {
	name, zone string
	primaries  int
}

func newSpreader(shards []Shard) *spreader {
	s := &spreader{zones: map[string]int{}}
	for i := range shards {
		primary := shards[i].Primary
		if primary.Pod.Host == "" {
			continue
		}
		s.host(primary.Pod).primaries++
		s.zones[primary.Pod.Zone]++
		beside := company(shards[i], primary)
		for _, r := range heirs(&shards[i]) {
			if r.Pod.Host != "" && r.Pod.Host != primary.Pod.Host && slices.Equal(company(shards[i], r), beside) {
				s.host(r.Pod)
				s.moves = append(s.moves, Handover{primary, r})
			}
		}
	}
	slices.SortFunc(s.hosts, func(a, b crowdedHost) int { return cmp.Compare(a.name, b.name) })
	return s
}

func (s *spreader) host(pod Pod) *crowdedHost {
	at := s.index(pod.Host)
	if at < 0 {
		at = len(s.hosts)
		s.hosts = append(s.hosts, crowdedHost{name: pod.Host, zone: pod.Zone})
	}
	return &s.hosts[at]
}

func (s *spreader) index(name string) int {
	return slices.IndexFunc(s.hosts, func(h crowdedHost) bool { return h.name == name })
}

// chain is handovers, each to the host that the next one leaves, and what comes of all of them together.
type chain struct {
	links []Handover
	gain  []int
}

func compareChains(a, b chain) int {
	if len(b.links) == 0 {
		return slices.Compare(a.gain, []int{0, 0})
	}
	return cmp.Or(slices.Compare(a.gain, b.gain), cmp.Compare(len(a.links), len(b.links)))
}

// chains is the shortest chain from a host to each other that there is one to.
func (s *spreader) chains(from string) []chain {
	reached := []string{from}
	var chains []chain
	queue := [][]Handover{nil}
	for len(queue) > 0 {
		links := queue[0]
		queue = queue[1:]
		at := from
		if len(links) > 0 {
			at = links[len(links)-1].to()
		}
		for _, m := range s.moves {
			if m.from() != at || slices.Contains(reached, m.to()) {
				continue
			}
			reached = append(reached, m.to())
			longer := append(slices.Clone(links), m)
			chains = append(chains, chain{links: longer, gain: s.gain(from, m.to())})
			queue = append(queue, longer)
		}
	}
	return chains
}

// gain is what changes, in zones and on hosts, when a primary moves: half of the change of the sum of the squares of
// how many there are; less is better.
func (s *spreader) gain(from, to string) []int {
	a, b := s.hosts[s.index(from)], s.hosts[s.index(to)]
	zones := 0
	if a.zone != b.zone {
		zones = s.zones[b.zone] - s.zones[a.zone] + 1
	}
	return []int{zones, b.primaries - a.primaries + 1}
}
