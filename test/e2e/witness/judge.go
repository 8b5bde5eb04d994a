package witness

import (
	"fmt"
	"maps"
	"slices"
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

// wrongs are what is not as it should be, and how long it may be so.
type wrongs map[string]time.Duration

// look says what has just become a breach.
func (j *judge) look(l Look) []error {
	for _, s := range l.Seen {
		if id := s.Self().ID; id != "" {
			j.ours[id] = true
		}
	}
	wrong := wrongs{}
	for _, s := range l.Seen {
		if s.Table != nil {
			j.table(s, wrong)
		}
	}
	j.owners(l, wrong)
	if l.Whole(len(l.Seen)) == nil && crowded(l) > leastCrowded(l) {
		wrong["I5: roles that could be on different hosts share one"] = crowdedMax
	}
	return j.lasting(l.At, wrong)
}

// table is what one node believes: all slots served (I1), none half-way for long (I2), no stranger known (I6).
func (j *judge) table(s Seen, wrong wrongs) {
	for _, n := range s.Table {
		if !j.ours[n.ID] && !n.Is("handshake") && !n.Is("fail") && !n.Is("noaddr") {
			wrong[fmt.Sprintf("I6: %s knows node %s at %s, which is in no pod", s.Pod.Name, n.ID, n.Addr)] = j.grace
		}
		for _, open := range n.open {
			wrong[fmt.Sprintf("I2: %s has %s open", s.Pod.Name, open)] = openSlotMax
		}
	}
	if served(s.Table) != slotCount {
		wrong["I1: not all slots are served in the eyes of "+s.Pod.Name] = j.grace
	}
}

// owners are those who say that a slot is their own: one of each (I1).
func (j *judge) owners(l Look, wrong wrongs) {
	for i, a := range l.Seen {
		for _, b := range l.Seen[i+1:] {
			if overlap(a.Self(), b.Self()) {
				wrong[fmt.Sprintf("I1: %s and %s both serve the same slots", a.Pod.Name, b.Pod.Name)] = j.grace
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
func (j *judge) lasting(now time.Time, wrong wrongs) []error {
	var breaches []error
	for _, what := range slices.Sorted(maps.Keys(wrong)) {
		if j.since[what].IsZero() {
			j.since[what] = now
		}
		if lasted := now.Sub(j.since[what]); lasted > wrong[what] {
			breaches = append(breaches,
				fmt.Errorf("%s: %s, for %s", now.UTC().Format("15:04:05.0"), what, lasted.Round(observePace)))
			j.since[what] = now.Add(time.Hour) // said once
		}
	}
	maps.DeleteFunc(j.since, func(what string, _ time.Time) bool {
		_, still := wrong[what]
		return !still
	})
	return breaches
}
