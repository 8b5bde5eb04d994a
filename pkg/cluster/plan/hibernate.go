package plan

import (
	"fmt"
	"slices"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// hibernate takes all pods away, replicas first, one primary after the other when no replica runs any more; their
// volumes have everything by then. What it has begun it brings to an end.
// Invariant: no pod goes before every slot is whole at a live primary that can write to its volume, nor one without a
// volume; and no replica is there to take over from a primary that stops.
func hibernate(w Wanted, v cluster.View) (Decision, bool) {
	switch {
	case !w.Hibernate:
		return Decision{}, false
	case len(v.Members) == 0:
		return wait(Hibernated, "spec.hibernate is true: there are no pods, and the volumes have all data", requeueIdle), true
	case w.Hibernating || !formed(w, v):
	case !v.Served() || !v.Contested().IsEmpty() || slices.ContainsFunc(v.Shards(), wakes):
		return Decision{}, false // first it is to be whole
	default:
		if d, ok := settleBeforeSleep(w, v); ok {
			return d, true
		}
	}
	if d, ok := putToSleep(v, func(m cluster.Member) bool { return !v.Claimed(m.ID()) }); ok {
		return d, true
	}
	stopping := func(m cluster.Member) bool { return m.Role() == cluster.Replica }
	if !slices.ContainsFunc(v.Members, stopping) {
		if d, ok := putToSleep(v, func(cluster.Member) bool { return true }); ok {
			return d, true
		}
	}
	return wait(Hibernating, fmt.Sprintf("spec.hibernate is true: %s still stopping",
		areLeft(len(v.Members))), requeueWaiting), true
}

func areLeft(n int) string { return count(n, "pod", "pods") + " " + verb(n, "is", "are") }

// wakes says that the primary of a shard is not there with all its data.
func wakes(s cluster.Shard) bool { return !s.Primary.Live() }

// settleBeforeSleep brings to an end what was cut, and says who could not keep what it has.
func settleBeforeSleep(w Wanted, v cluster.View) (Decision, bool) {
	for _, decide := range []rule{refuseTwins, refuseStrangers, promoteTarget, closeOpenSlots, reportHalfMoved} {
		if d, ok := decide(w, v); ok {
			return d, true
		}
	}
	for _, m := range v.Members {
		switch {
		case m.Info == nil || m.Role() != cluster.Primary:
		case len(m.Info.Tasks) > 0:
			return wait(WaitingToHibernate, fmt.Sprintf("waiting for slots that %s moves by itself",
				m.Pod.Name), requeueWaiting), true
		case m.Info.WriteFault != "":
			return wait(WaitingToHibernate, fmt.Sprintf("%s could not write to its volume (%s):"+
				" what it has would be lost", m.Pod.Name, m.Info.WriteFault), requeueWaiting), true
		case !slices.Contains(v.Volumes, m.Pod.Ordinal):
			return wait(WaitingToHibernate, fmt.Sprintf("%s has no volume: what it has would be lost",
				m.Pod.Name), requeueWaiting), true
		}
	}
	return Decision{}, false
}

// putToSleep deletes the pod with the highest ordinal of those that may go and are not going.
func putToSleep(v cluster.View, may func(cluster.Member) bool) (Decision, bool) {
	for _, m := range slices.Backward(v.Members) {
		if m.Pod.State == cluster.PodTerminating || !may(m) {
			continue
		}
		return Decision{
			Step:    DeletePod{Pod: m.Pod.Name, UID: m.Pod.UID, KeepsVolume: true},
			Reason:  Hibernating,
			Message: fmt.Sprintf("spec.hibernate is true: stopping %s, whose volume stays", m.Pod.Name),
			Requeue: requeueNow,
		}, true
	}
	return Decision{}, false
}
