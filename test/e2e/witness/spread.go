package witness

// crowded counts what I5 forbids: replicas on their primary's host, and hosts with half of the primaries or more.
func crowded(l Look) int {
	shards := map[string]string{} // host of the primary, by its ID
	for _, s := range l.Seen {
		if s.Self().SlotCount() > 0 {
			shards[s.Self().ID] = s.Pod.Host
		}
	}
	var primaries []string
	together := 0
	for _, host := range shards {
		primaries = append(primaries, host)
	}
	for _, s := range l.Seen {
		if host, follows := shards[s.Self().Primary]; follows && host == s.Pod.Host {
			together++
		}
	}
	return together + heavy(primaries)
}

// heavy counts the hosts with half of the primaries or more.
func heavy(hosts []string) int {
	count := map[string]int{}
	for _, h := range hosts {
		count[h]++
	}
	found := 0
	for _, n := range count {
		if 2*n >= len(hosts) {
			found++
		}
	}
	return found
}

// leastCrowded is the least that any assignment of roles to the pods as they stand could have. It tries all choices of
// primaries; replicas are then matched to them by hosts alone. Clusters of the lab are small.
func leastCrowded(l Look) int {
	var hosts []string
	primaries := 0
	for _, s := range l.Seen {
		hosts = append(hosts, s.Pod.Host)
		if s.Self().SlotCount() > 0 {
			primaries++
		}
	}
	if primaries == 0 || len(hosts) > 16 {
		return len(hosts)
	}
	least := len(hosts)
	for choice := range 1 << len(hosts) {
		var chosen, rest []string
		for i, h := range hosts {
			if choice>>i&1 == 1 {
				chosen = append(chosen, h)
			} else {
				rest = append(rest, h)
			}
		}
		if len(chosen) == primaries {
			least = min(least, heavy(chosen)+forcedTogether(chosen, rest))
		}
	}
	return least
}

// forcedTogether is how many replicas must share a host with their primary, however they are dealt out: on a host
// with p primaries and r replicas of a shard count n with f replicas each, p*f places are its own, and (n-p)*f others'.
func forcedTogether(primaries, replicas []string) int {
	of := map[string]int{}
	for _, h := range primaries {
		of[h]++
	}
	there := map[string]int{}
	for _, h := range replicas {
		there[h]++
	}
	each := (len(replicas) + len(primaries) - 1) / len(primaries)
	forced := 0
	for h, r := range there {
		forced += max(0, r-(len(primaries)-of[h])*each)
	}
	return forced
}
