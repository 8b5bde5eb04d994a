package plan

import (
	"fmt"
	"slices"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// replaceEndedPods deletes pods that have failed or succeeded, as after an eviction: they will not run again.
// Invariant: nothing runs in a pod that it deletes, and the volume stays.
func replaceEndedPods(_ Wanted, v cluster.View) (Decision, bool) {
	for _, m := range v.Members {
		if m.Pod.State != cluster.PodEnded {
			continue
		}
		return Decision{
			Step:    DeletePod{Pod: m.Pod.Name, UID: m.Pod.UID},
			Reason:  ReplacingEndedPod,
			Message: fmt.Sprintf("%s has ended and cannot run again%s", m.Pod.Name, colon(m.Pod.Trouble)),
			Requeue: requeueForming,
		}, true
	}
	return Decision{}, false
}

// replaceStuckPods deletes pods that never started Redis and are of another template than the spec's, so that
// correcting the spec heals.
// Invariant: Redis has never run in a pod that it deletes, so no data of it is in use.
func replaceStuckPods(_ Wanted, v cluster.View) (Decision, bool) {
	for _, m := range v.Members {
		if !unstarted(m) || !m.Pod.Outdated {
			continue
		}
		return Decision{
			Step:    DeletePod{Pod: m.Pod.Name, UID: m.Pod.UID, NeverStarted: true},
			Reason:  ReplacingStuckPod,
			Message: fmt.Sprintf("%s never started%s, and the spec has changed since", m.Pod.Name, colon(m.Pod.Trouble)),
			Requeue: requeueForming,
		}, true
	}
	return Decision{}, false
}

// unstarted says that Redis has never run in the pod.
func unstarted(m cluster.Member) bool { return m.Pod.State == cluster.PodPending && m.Info == nil }

func colon(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

// dropUnstartedPods deletes pods beyond those wanted that wait to start, when nothing has slots yet: who asked
// for too much and takes it back is not to wait for the pods that can never run.
// Invariant: Redis has never run in a pod that it deletes.
func dropUnstartedPods(w Wanted, v cluster.View) (Decision, bool) {
	if w.Bootstrapped || len(v.Owners()) > 0 || len(staying(v)) <= w.Pods() {
		return Decision{}, false
	}
	for _, m := range slices.Backward(v.Members) {
		if unstarted(m) {
			return deleteSurplus(m, w.Pods()), true
		}
	}
	return Decision{}, false
}

// staying is the members whose pods are not on their way out.
func staying(v cluster.View) []cluster.Member {
	return slices.DeleteFunc(slices.Clone(v.Members), func(m cluster.Member) bool {
		return m.Pod.State == cluster.PodTerminating
	})
}

func deleteSurplus(m cluster.Member, wanted int) Decision {
	return Decision{
		Step:    DeletePod{Pod: m.Pod.Name, UID: m.Pod.UID, NeverStarted: unstarted(m)},
		Reason:  DeletingSurplusPod,
		Message: fmt.Sprintf("%s goes: %s wanted, and it holds nothing that is needed", m.Pod.Name, areWanted(wanted)),
		Requeue: requeueForming,
	}
}

func areWanted(n int) string { return count(n, "pod", "pods") + " " + verb(n, "is", "are") }

// createMissingPods creates the pods with the lowest ordinals that are free, all at once, and those that may bring
// back slots that nobody has.
// Invariant: an ordinal belongs to one pod at a time; a pod that is stopping has it until it is gone.
func createMissingPods(w Wanted, v cluster.View) (Decision, bool) {
	wanted := standing(w, v).Pods()
	ordinals := lowestFree(v, wanted-len(staying(v)))
	message := "creating %s: %s wanted"
	if len(ordinals) == 0 {
		ordinals = lastHopes(w, v)
		message = "creating %s, whose volumes may have slots that nobody has: %s wanted"
	}
	if len(ordinals) == 0 {
		return Decision{}, false
	}
	return Decision{
		Step:    CreatePods{Ordinals: ordinals},
		Reason:  CreatingPods,
		Message: fmt.Sprintf(message, count(len(ordinals), "pod", "pods"), areWanted(wanted)),
		Requeue: requeueForming,
	}, true
}

// lowestFree is where so many missing pods belong, less the places that stopping pods still have.
func lowestFree(v cluster.View, missing int) []int {
	var ordinals []int
	for ordinal := 0; missing > 0; ordinal++ {
		i := slices.IndexFunc(v.Members, func(m cluster.Member) bool { return m.Pod.Ordinal == ordinal })
		switch {
		case i < 0:
			ordinals = append(ordinals, ordinal)
			missing--
		case v.Members[i].Pod.State == cluster.PodTerminating:
			missing--
		}
	}
	return ordinals
}

// lastHopes is the volumes without a pod, when slots are lost but for what may be on them.
func lastHopes(w Wanted, v cluster.View) []int {
	if lostSlots(w, v).IsEmpty() {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(v.Volumes), func(ordinal int) bool {
		return slices.ContainsFunc(v.Members, func(m cluster.Member) bool { return m.Pod.Ordinal == ordinal })
	})
}

// deleteSurplusPods deletes one pod of more than are wanted: one that never started, then one without a role,
// then a replica; of several the worst placed, then the one with the highest ordinal.
// Invariant: the cluster is whole before and after: every slot has a live owner, every owner as many replicas
// in sync as are wanted, and a pod that owns slots is never deleted.
func deleteSurplusPods(w Wanted, v cluster.View) (Decision, bool) {
	stand := standing(w, v)
	if len(staying(v)) < len(v.Members) || len(v.Members) <= stand.Pods() || !whole(w, v) {
		return Decision{}, false
	}
	shards := v.Shards()
	best, bestRank := -1, 0
	for i, m := range v.Members {
		if rank := surplusRank(w, shards, m); rank > 0 && rank >= bestRank && !v.Claimed(m.ID()) {
			best, bestRank = i, rank
		}
	}
	if best < 0 {
		return Decision{}, false
	}
	return deleteSurplus(v.Members[best], stand.Pods()), true
}

// surplusRank says how readily a whole cluster can do without the member, which owns no slots; 0: not at all.
func surplusRank(w Wanted, shards []cluster.Shard, m cluster.Member) int {
	if unstarted(m) {
		return 4
	}
	if !m.Live() {
		return 0
	}
	if m.Role() == cluster.Primary {
		if m.Info.Keys > 0 {
			return 0
		}
		return 3
	}
	for _, s := range shards {
		others := slices.DeleteFunc(s.Synced(), func(r cluster.Member) bool { return r.ID() == m.ID() })
		switch {
		case s.ID != m.Follows():
			continue
		case len(others) < w.Replicas:
			return 0
		case near(s.Primary.Pod.Host, m.Pod.Host) || near(s.Primary.Pod.Zone, m.Pod.Zone):
			return 2
		}
		return 1
	}
	return 0
}

func near(a, b string) bool { return a != "" && a == b }

// whole says that every slot is owned by a live node, and that each has as many replicas in sync as are wanted.
func whole(w Wanted, v cluster.View) bool {
	if !v.Served() || !v.Contested().IsEmpty() {
		return false
	}
	shards := v.Shards()
	for i := range shards {
		if !shards[i].Primary.Live() || len(shards[i].Synced()) < w.Replicas {
			return false
		}
	}
	return true
}
