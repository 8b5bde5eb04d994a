package plan

import (
	"fmt"
	"slices"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// cancelMigrations stops migrations that servers carry out by themselves and that are not wanted any more, before
// anything else: each would move all its slots to where they do not belong.
// Invariant: whatever the spec says by now, no slot moves twice. A migration that is part of what is to move goes on,
// and so does one of which that cannot be said; while the cluster is paused all do (see holdPaused). While a stranger
// is among the nodes nothing is changed (see refuseStrangers).
func cancelMigrations(w Wanted, v cluster.View) (Decision, bool) {
	if !v.Served() || !v.Contested().IsEmpty() || len(strangers(v)) > 0 {
		return Decision{}, false
	}
	var cancels []Cancel
	tasks := 0
	for _, m := range v.Members {
		var ids []string
		if m.Live() {
			for _, t := range m.Info.Tasks {
				if !wantedTask(w, v, t) {
					ids = append(ids, t.ID)
				}
			}
		}
		if len(ids) > 0 {
			cancels = append(cancels, Cancel{End: endOf(m), Tasks: ids})
			tasks += len(ids)
		}
	}
	if len(cancels) == 0 {
		return Decision{}, false
	}
	return Decision{
		Step:   CloseSlots{Cancel: cancels},
		Reason: ClosingSlots,
		Message: fmt.Sprintf("cancelling %s at %s: the slots are to be elsewhere",
			count(tasks, "migration", "migrations"), oneOf(podsOf(cancels))),
		Requeue: requeueNow,
	}, true
}

func podsOf(cancels []Cancel) []string {
	var pods []string
	for _, c := range cancels {
		pods = append(pods, c.Pod)
	}
	return pods
}

// wantedTask says that a server's own migration is part of what is to move. While new shards are still to come, it
// cannot be told which slots that is, but how many: neither may the target get beyond its share, nor the source below.
func wantedTask(w Wanted, v cluster.View, task cluster.SlotTask) bool {
	if vacantShards(w, v) > len(founders(w, v)) && v.Weights == nil {
		share := cluster.SlotCount / w.Primaries
		coming := task.Slots
		target, _ := v.Member(task.Target)
		if target.Info == nil {
			return true
		}
		for _, t := range target.Info.Tasks {
			if t.Target == task.Target {
				coming = coming.Union(t.Slots)
			}
		}
		has, gives := ownedBy(v, task.Target).Len(), ownedBy(v, task.Source).Len()
		return has+coming.Len() <= share+1 && gives-task.Slots.Len() >= share
	}
	if !steady(v) {
		return true
	}
	return slices.ContainsFunc(planned(w, v), func(t cluster.Transfer) bool {
		return t.From == task.Source && t.To == task.Target && task.Slots.Minus(t.Slots).IsEmpty()
	})
}
