package plan_test

import (
	"slices"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// mayStart says how many pods may start at the same time: one, unless a primary has gone, or one has lost its copies.
func (r *run) mayStart(view cluster.View, s plan.CreatePods) {
	if !r.wanted.Bootstrapped || !view.Served() || !view.Contested().IsEmpty() {
		return
	}
	starting := 0
	for _, m := range view.Members {
		hopeless := m.Pod.State == cluster.PodTerminating || m.Pod.HostSilent || m.Pod.Trouble != ""
		if m.Seen() && m.OwnsSlots() && (!m.Live() || r.wanted.Replicas > 0 && !hasCopy(view, m)) {
			return
		}
		if !m.Seen() && !hopeless {
			starting++
		}
	}
	old := func(ordinal int) bool { return slices.Contains(view.Volumes, ordinal) } // what is on its volume may be missed
	if fresh := slices.DeleteFunc(slices.Clone(s.Ordinals), old); len(fresh) > 0 && starting+len(s.Ordinals) > 1 {
		r.fail("pods %v are created while %d start, beside a cluster that is well", s.Ordinals, starting)
	}
}

// hasCopy says that a replica of the primary is in sync.
func hasCopy(view cluster.View, primary cluster.Member) bool {
	return slices.ContainsFunc(view.Members, func(m cluster.Member) bool {
		return m.Live() && m.Follows() == primary.ID() && m.Info.LinkUp
	})
}
