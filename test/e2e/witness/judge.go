package witness

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// judge holds looks against the invariants that can be seen from outside while they hold or break: I1, I2, I5 and I6.
// A fault may break some of them for a while; a breach is what lasts longer than it may.
type judge struct {
	grace time.Duration
	ours  map[string]bool      // node IDs that were in a pod of the cluster
	since map[string]time.Time // when a state began that may only last for so long
}

const (
	// openSlotMax is of I2.
	openSlotMax = time.Minute
	// crowdedMax is how long roles may stand together on a host when they need not: placement heals last.
	crowdedMax = 3 * time.Minute
)

func newJudge(grace time.Duration) *judge {
	return &judge{grace: grace, ours: map[string]bool{}, since: map[string]time.Time{}}
}

// wrongs are what is not as it should be, how long it may be so, and what more is known of it by now.
type wrongs map[string]wrong

type wrong struct {
	most   time.Duration
	detail string
}

// look says what has just become a breach.
func (j *judge) look(l Look) []error {
	for _, s := range l.Seen {
		if id := s.Self().ID; id != "" {
			j.ours[id] = true
		}
	}
	found := wrongs{}
	for _, s := range l.Seen {
		if s.Table != nil {
			j.table(s, found)
		}
	}
	j.owners(l, found)
	if l.Whole(len(l.Seen)) == nil && crowded(l) > leastCrowded(l) {
		found["I5: roles that could be on different hosts share one"] = wrong{most: crowdedMax}
	}
	return j.lasting(l.At, found)
}

// table is what one node believes: all slots served (I1), none half-way for long (I2), no stranger known (I6).
func (j *judge) table(s Seen, found wrongs) {
	for _, n := range s.Table {
		if !j.ours[n.ID] && !n.Is("handshake") && !n.Is("fail") && !n.Is("noaddr") {
			found[fmt.Sprintf("I6: %s knows node %s at %s, which is in no pod", s.Pod.Name, n.ID, n.Addr)] = wrong{most: j.grace}
		}
		for _, open := range n.open {
			found[fmt.Sprintf("I2: %s has %s open", s.Pod.Name, open)] = wrong{most: openSlotMax}
		}
	}
	if served(s.Table) != slotCount {
		found["I1: not all slots are served in the eyes of "+s.Pod.Name] = wrong{j.grace, unserved(s)}
	}
}

// unserved says what the node has that serves its slots, and whom it holds for failed.
func unserved(s Seen) string {
	words := []string{fmt.Sprintf("%d are, by %d nodes", served(s.Table), len(s.Table))}
	for _, n := range s.Table {
		if n.Is("fail") || n.Is("handshake") {
			words = append(words, fmt.Sprintf("%s at %s is %v with %d slots", n.ID, n.Addr, n.flags, n.SlotCount()))
		}
	}
	return " (" + strings.Join(words, "; ") + ")"
}

// owners are those who say that a slot is their own: one of each (I1).
func (j *judge) owners(l Look, found wrongs) {
	for i, a := range l.Seen {
		for _, b := range l.Seen[i+1:] {
			if overlap(a.Self(), b.Self()) {
				found[fmt.Sprintf("I1: %s and %s both serve the same slots", a.Pod.Name, b.Pod.Name)] = wrong{most: j.grace}
			}
		}
	}
}

func overlap(a, b Node) bool {
	if !a.Is("master") || !b.Is("master") {
		return false
	}
	for _, x := range a.slots {
		for _, y := range b.slots {
			if x.first <= y.last && y.first <= x.last {
				return true
			}
		}
	}
	return false
}

// lasting gives what has lasted longer than it may, each once.
func (j *judge) lasting(now time.Time, found wrongs) []error {
	var breaches []error
	for _, what := range slices.Sorted(maps.Keys(found)) {
		if j.since[what].IsZero() {
			j.since[what] = now
		}
		if lasted := now.Sub(j.since[what]); lasted > found[what].most {
			breaches = append(breaches,
				fmt.Errorf("%s: %s, for %s%s", now.UTC().Format("15:04:05.0"), what, lasted.Round(observePace), found[what].detail))
			j.since[what] = now.Add(time.Hour) // said once
		}
	}
	maps.DeleteFunc(j.since, func(what string, _ time.Time) bool {
		_, still := found[what]
		return !still
	})
	return breaches
}
