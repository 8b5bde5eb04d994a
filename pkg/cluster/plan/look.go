package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// refuseTwins stops when two nodes have one ID, as when a volume was copied: told apart by nobody, each would be
// given what is meant for the other.
// Invariant: a node ID means one node in every step.
func refuseTwins(_ Wanted, v cluster.View) (Decision, bool) {
	for i, m := range v.Members {
		if m.Info == nil {
			continue
		}
		for _, other := range v.Members[:i] {
			if other.Info != nil && other.ID() == m.ID() {
				return wait(TwinNodes, fmt.Sprintf("%s and %s are the same node %s: one has the other's volume, or a copy",
					other.Pod.Name, m.Pod.Name, m.ID().Short()), requeueWaiting), true
			}
		}
	}
	return Decision{}, false
}

// refuseStrangers stops when a live node is known that is in no pod of this cluster. A node that is known at the
// address of one of our pods is that pod's: of its former life, or not seen this time. One that the status has
// seen in a pod of ours has died with it, and others have yet to notice.
// Invariant: no node of another cluster is ever met, replicated or forgotten.
func refuseStrangers(_ Wanted, v cluster.View) (Decision, bool) {
	for _, m := range v.Members {
		if m.Info == nil && m.Pod.IP == "" && m.Pod.State == cluster.PodRunning {
			return Decision{}, false // it may be this one: its address is not known yet
		}
	}
	found := strangers(v)
	if len(found) == 0 {
		return Decision{}, false
	}
	var names, pods []string
	for _, g := range found {
		names = append(names, fmt.Sprintf("%s at %s", g.ID.Short(), g.Addr.IP))
		pods = append(pods, g.KnownBy...)
	}
	slices.Sort(pods)
	pods = slices.Compact(pods)
	return wait(ForeignNodes, fmt.Sprintf("%s %s %s, in no pod of this cluster: nothing is met or changed while %s alive",
		list(pods), verb(len(pods), "knows", "know"), list(names), verb(len(names), "it is", "they are")),
		requeueWaiting), true
}

// strangers are the live nodes that are in no pod of this cluster, and never were.
func strangers(v cluster.View) []cluster.Ghost {
	var found []cluster.Ghost
	for _, g := range v.Ghosts() {
		at := func(m cluster.Member) bool { return m.Pod.IP == g.Addr.IP }
		ours := slices.ContainsFunc(v.Members, at) || slices.ContainsFunc(v.Aside, at)
		_, former := slices.BinarySearch(v.Former, g.ID)
		if g.Answers && !ours && !former {
			found = append(found, g)
		}
	}
	return found
}

// waitForView waits until all pods are there and every node answers, as long as the cluster is not formed.
// Invariant: slots are first given with every node in view, so that none is given twice.
func waitForView(w Wanted, v cluster.View) (Decision, bool) {
	if formed(w, v) {
		return Decision{}, false
	}
	return waitForMembers(v, requeueForming)
}

// waitForNodes says which nodes are missing from a cluster that is formed.
// Invariant: what could be repaired without them has been: it comes after every rule that changes something.
func waitForNodes(_ Wanted, v cluster.View) (Decision, bool) {
	return waitForMembers(v, requeueWaiting)
}

// reportAside says that slots are still with a node that nobody can reach and nobody has said to be gone.
// Invariant: what may be alive where nobody sees it is not taken for dead.
func reportAside(_ Wanted, v cluster.View) (Decision, bool) {
	if len(v.Aside) == 0 || v.Served() {
		return Decision{}, false
	}
	var words []string
	for _, m := range v.Aside {
		words = append(words, silence(m))
	}
	return wait(WaitingForPods, fmt.Sprintf("slots %s may be where nobody can look: %s", v.Unserved(), list(words)),
		requeueWaiting), true
}

func waitForMembers(v cluster.View, requeue time.Duration) (Decision, bool) {
	var absent []string
	reason := WaitingForNodes
	for _, m := range v.Members {
		if why := absence(m); why != "" {
			absent = append(absent, why)
			if m.Pod.State != cluster.PodRunning {
				reason = WaitingForPods
			}
		}
	}
	if len(absent) == 0 {
		return Decision{}, false
	}
	if reason == WaitingForPods {
		requeue = requeueWaiting // Kubernetes tells of every change of a pod; looks in between only cost
	}
	return wait(reason, list(absent), requeue), true
}
