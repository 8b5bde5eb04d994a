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

// replaceLostPods deletes pods whose hosts are gone for good: nobody is left to stop them, and their places are held as
// long as they are there.
// Invariant: its host was deleted, or somebody has said that it is off; nobody hears from the node; the volume stays.
func replaceLostPods(_ Wanted, v cluster.View) (Decision, bool) {
	for _, m := range v.Members {
		answers := func(g cluster.Ghost) bool { return g.Answers && g.Addr.IP == m.Pod.IP }
		if !m.Pod.HostGone || m.Seen() || slices.ContainsFunc(v.Ghosts(), answers) {
			continue
		}
		return Decision{
			Step:    DeletePod{Pod: m.Pod.Name, UID: m.Pod.UID, HostGone: true},
			Reason:  ReplacingLostPod,
			Message: fmt.Sprintf("%s was on host %s, which is gone", m.Pod.Name, m.Pod.Host),
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

// deleteSurplus deletes a pod of more than are wanted. The volume of a replica goes with it when it is of another class
// than the spec's: the next pod of its ordinal would be replaced for it.
func deleteSurplus(m cluster.Member, wanted int) Decision {
	step := DeletePod{Pod: m.Pod.Name, UID: m.Pod.UID, NeverStarted: unstarted(m)}
	goes := m.Pod.Name + " goes"
	if m.Role() == cluster.Replica && m.Pod.Class.Changes() {
		step.Primary, step.WithVolume = m.Follows(), true
		goes += fmt.Sprintf(", and its volume of %s", className(m.Pod.Class.Has))
	}
	return Decision{
		Step:    step,
		Reason:  DeletingSurplusPod,
		Message: fmt.Sprintf("%s: %s wanted, and it holds nothing that is needed", goes, areWanted(wanted)),
		Requeue: requeueForming,
	}
}

func areWanted(n int) string { return count(n, "pod", "pods") + " " + verb(n, "is", "are") }

// holdPaused begins nothing while the cluster is paused; what was begun is brought to an end.
// Invariant: a paused cluster comes to rest with every slot whole at one node, and is then left alone.
func holdPaused(w Wanted, v cluster.View) (Decision, bool) {
	if !w.Paused {
		return Decision{}, false
	}
	for _, decide := range []rule{refuseTwins, refuseStrangers, promoteTarget, closeOpenSlots, reportHalfMoved} {
		if d, ok := decide(w, v); ok {
			return d, true
		}
	}
	return wait(Paused, "spec.paused is true: nothing is begun and nothing is repaired until it is false again",
		requeueIdle), true
}

// createMissingPods creates the pods with the lowest ordinals that are free, and those that may bring back slots that
// nobody has, or keys that were on their way. They come all at once, but for those that a cluster that is well gets
// beside what it has: see startable.
// Invariant: an ordinal belongs to one pod at a time; a pod that is stopping has it until it is gone. One that cannot
// be stopped and was set aside keeps its ordinal, and nobody waits for it.
func createMissingPods(w Wanted, v cluster.View) (Decision, bool) {
	wanted := standing(w, v).Pods()
	missing := lowestFree(v, missingPods(w, v))
	ordinals := missing[:min(len(missing), startable(w, v))]
	whose := ""
	switch {
	case len(missing) == 0:
		ordinals = lastHopes(w, v)
		whose = ", whose volumes may have slots that nobody has"
	case len(ordinals) < len(missing):
		whose = fmt.Sprintf(" of %d that are missing", len(missing))
	}
	if len(ordinals) == 0 {
		return Decision{}, false
	}
	return Decision{
		Step:    CreatePods{Ordinals: ordinals},
		Reason:  CreatingPods,
		Message: fmt.Sprintf("creating %s%s: %s wanted", count(len(ordinals), "pod", "pods"), whose, areWanted(wanted)),
		Requeue: requeueForming,
	}, true
}

// missingPods is how many pods are to be made.
func missingPods(w Wanted, v cluster.View) int {
	missing := standing(w, v).Pods() - len(staying(v))
	if have, need := spare(w, v); vacantShards(w, v) > 0 {
		missing = max(missing, need-have) // of replicas that are too many, no new shard can be made
	}
	return missing
}

// startable is how many more pods may be created now: beside a cluster that is well one, when none is starting. A pod
// that starts takes a processor for a second: two at once keep nodes that serve from answering for a good part of it.
// Nobody is in a hurry for what makes a cluster larger; what a shard lacks that has no copy left is made all at once.
// One that cannot start keeps nobody waiting.
func startable(w Wanted, v cluster.View) int {
	if w.foreseen || !formed(w, v) || !copied(w, v) {
		return w.Pods()
	}
	starting := func(m cluster.Member) bool { return !m.Seen() && m.Pod.Trouble == "" && !m.Pod.HostSilent }
	if slices.ContainsFunc(staying(v), starting) {
		return 0
	}
	return 1
}

// copied says that every slot is with a primary that is there and, where replicas are wanted, has one in sync.
func copied(w Wanted, v cluster.View) bool {
	if !v.Served() || !v.Contested().IsEmpty() {
		return false
	}
	return !slices.ContainsFunc(v.Shards(), func(s cluster.Shard) bool {
		return !s.Primary.Live() || len(s.Synced()) < min(1, w.Replicas)
	})
}

// lowestFree is where so many missing pods belong, less the places that stopping pods still have.
func lowestFree(v cluster.View, missing int) []int {
	var ordinals []int
	for ordinal := 0; missing > 0; ordinal++ {
		at := func(m cluster.Member) bool { return m.Pod.Ordinal == ordinal }
		if slices.ContainsFunc(v.Aside, at) {
			continue
		}
		i := slices.IndexFunc(v.Members, at)
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

// lastHopes is the volumes without a pod, when slots, or the other end of open ones, are lost but for what may be on
// them, or when all copies of a shard are older than what may be.
func lastHopes(w Wanted, v cluster.View) []int {
	gone := slices.ContainsFunc(openSets(v), func(set openSet) bool {
		_, seen := v.Member(set.peer)
		return !seen
	})
	stale := slices.ContainsFunc(orphansOf(w, v), func(o orphan) bool { return o.stale })
	if lostSlots(w, v).IsEmpty() && !stale && (!gone || !complete(v)) {
		return nil
	}
	return lostVolumes(v)
}

// lostVolumes is the volumes without a pod.
func lostVolumes(v cluster.View) []int {
	return slices.DeleteFunc(slices.Clone(v.Volumes), func(ordinal int) bool {
		return slices.ContainsFunc(v.Members, func(m cluster.Member) bool { return m.Pod.Ordinal == ordinal })
	})
}

// deleteSurplusPods deletes one pod of more than are wanted: one that never started, then a replica of a primary that
// has given all its slots away, then such a primary or one without a role, then another replica; of several the worst
// placed, then the one with the highest ordinal. First all pods are made that are to be, or one of them would get the
// place of one that went too early.
// Invariant: the cluster is whole before and after: every slot has a live owner, every owner as many replicas
// in sync as are wanted, and a pod that owns slots, or is to, or has part of them, is never deleted.
func deleteSurplusPods(w Wanted, v cluster.View) (Decision, bool) {
	stand := standing(w, v)
	if len(staying(v)) < len(v.Members) || len(v.Members) <= stand.Pods() || missingPods(w, v) > 0 || !whole(w, v) {
		return Decision{}, false
	}
	s := surplusOf(w, v)
	best, bestRank := -1, 0
	for i, m := range v.Members {
		if rank := s.rank(m); rank > 0 && rank >= bestRank && !v.Claimed(m.ID()) {
			best, bestRank = i, rank
		}
	}
	if best < 0 {
		return Decision{}, false
	}
	return deleteSurplus(v.Members[best], stand.Pods()), true
}

// surplus is what a cluster with more pods than are wanted can do without.
type surplus struct {
	v        cluster.View
	wanted   Wanted
	shards   []cluster.Shard  // that own slots, or are to
	involved []cluster.NodeID // that have part of a slot
	spares   bool             // nodes without a role are too many
	copies   bool             // replicas are too many
}

func surplusOf(w Wanted, v cluster.View) surplus {
	stand := standing(w, v)
	have, need := spare(w, v)
	copies := 0
	for _, m := range v.Members {
		if m.Role() == cluster.Replica {
			copies++
		}
	}
	return surplus{
		v: v, wanted: w, shards: shards(w, v), involved: involved(v),
		spares: have > need, copies: copies > stand.Pods()-stand.Primaries,
	}
}

// The ranks of what goes, later ones first.
const (
	neverGoes = iota
	goesAsCopy
	goesAsBadCopy
	goesAsIdle
	goesAsOrphan
	goesUnstarted
)

// rank says how readily the cluster can do without the member, which owns no slots.
func (s surplus) rank(m cluster.Member) int {
	switch {
	case unstarted(m) && s.spares:
		return goesUnstarted
	case !m.Live(), slices.Contains(s.involved, m.ID()), slices.Contains(s.involved, m.Follows()):
		return neverGoes
	case m.Role() == cluster.Primary:
		founds := slices.ContainsFunc(s.shards, func(s cluster.Shard) bool { return s.ID == m.ID() })
		if !s.spares || founds || m.Info.Keys > 0 || len(followers(s.v, m.ID())) > 0 {
			return neverGoes
		}
		return goesAsIdle
	case s.copies:
		return s.rankCopy(m)
	}
	return neverGoes
}

// rankCopy is the rank of a replica, of which there are too many.
func (s surplus) rankCopy(m cluster.Member) int {
	for i := range s.shards {
		shard := &s.shards[i]
		if shard.ID != m.Follows() {
			continue
		}
		others := slices.DeleteFunc(shard.Synced(), func(r cluster.Member) bool { return r.ID() == m.ID() })
		switch {
		case len(others) < s.wanted.replicasOf(shard.ID), !m.Info.LinkUp && !finds(m, shard.Primary):
			return neverGoes
		case near(shard.Primary.Pod.Host, m.Pod.Host) || near(shard.Primary.Pod.Zone, m.Pod.Zone):
			return goesAsBadCopy
		}
		return goesAsCopy
	}
	if primary, ok := s.v.Member(m.Follows()); ok && primary.Live() && m.Info.LinkUp && orphaned(s.v, m) {
		return goesAsOrphan
	}
	return neverGoes
}

// finds says that a replica knows where its primary is: one that does not may be the last copy, for all that who
// deletes it sees.
func finds(m, primary cluster.Member) bool {
	i := m.Info.Table.Index(primary.ID())
	return i >= 0 && m.Info.Table[i].Addr.IP == primary.Pod.IP
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
