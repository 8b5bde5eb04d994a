package plan

import (
	"time"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// When to look again.
const (
	requeueNow     = 10 * time.Millisecond  // after a step whose effect is there at once
	requeueForming = 200 * time.Millisecond // while nodes start, meet, and link: seconds count
	requeueWaiting = time.Second            // while something takes its time
	requeueIdle    = 15 * time.Second       // nothing to do: a node's trouble that no event tells of
)

// rule decides the next step, or says false. Its doc comment states the invariant that it protects.
type rule func(Wanted, cluster.View) (Decision, bool)

// rules are tried in order; the first that decides wins. The order is the policy: first have all pods, then look
// clearly, then lose nothing, then be whole, then be the right size; and last say what is waited for.
//
// Nothing stands still for a node that is not seen but what depends on it: until the cluster is formed that is
// all (waitForView); later each rule says what it needs to have seen, and waitForNodes comes near the end.
//
// Slots move when all that is wrong has been put right, and before pods go: what a scale-in sets free is deleted at
// the end. What was cut in the middle is closed before anything else touches slots.
var rules = []rule{
	holdPaused,       // nothing is begun, but what was cut is brought to an end
	hibernate,        // no pods, once nothing is half way
	cancelMigrations, // before the servers have moved what is to be elsewhere by now

	replaceEndedPods,  // evicted: they cannot run again
	replaceLostPods,   // on hosts that are gone
	replaceStuckPods,  // never started, and the spec has changed since: a corrected spec heals
	replaceBrokenPods, // started, and redis does not run
	repairAgents,      // an agent's image that keeps its pod from being ready
	dropUnstartedPods, // more pods than wanted before anything is formed
	createMissingPods, // pods that do not exist cannot be seen

	refuseTwins,     // two pods with one identity
	refuseStrangers, // somebody else's nodes
	waitForView,     // until formed, all depends on all

	coverSlots,         // only while there is no data
	meetNodes,          // everybody knows everybody, at today's addresses, before anything is forgotten
	promoteOrphanShard, // proven dead, and Redis elects nobody in its place
	forgetGoneNodes,    // on all nodes at once
	attachReplicas,     // slotless primaries become replicas, those of new shards before there are slots in them
	relievePrimary,     // it refuses writes, and a copy would take them
	resizePods,         // takes no time, and may be what those after it wait for
	applySettings,      // the same

	closeOpenSlots,     // moves that were cut: what is half way is nobody's to move elsewhere
	drainSurplusShards, // slots first: pods that own none can go
	deleteSurplusPods,  // never one that owns slots or holds a copy that counts
	balanceSlots,       // nodes may not agree yet who got the last ones: that does not stop the next

	waitForFailover,  // a dead primary's replica is to take over
	coverLostSlots,   // nobody has them, and they may be given up
	reportLostSlots,  // nobody has them, and that is not ours to decide
	waitForNodes,     // a node is missing, and nothing else is left to do
	reportAside,      // slots are with a node that nobody can look at
	reportHalfMoved,  // the other end of an open slot is missing
	reportStrayKeys,  // a node that could be a replica holds keys
	refuseOverfull,   // what would have to move does not fit
	rollOnePod,       // an older template: nothing else is wrong but what goes with the pod
	refuseDowngrade,  // a replica that will never be in sync
	reportBlockedBus, // nodes that nobody else hears
	waitForState,     // links, agreement, cluster_state

	updateAgents,      // redis runs on, but its pod is not ready while the agent starts again
	restorePlacement,  // pretty, when nothing else is going on
	reportMaintenance, // what waits for its time
	reportHeldUpdate,  // somebody is to approve the rest
	waitForResize,     // nobody needs it but who asked for it
}

// Next is the next step, why, and when to look again. It is a function of its arguments alone: an operator
// that was killed at any moment goes on from what it sees.
func Next(w Wanted, v cluster.View) Decision {
	if !w.ZoneAware {
		v = v.WithoutZones()
	}
	v = v.Studied()
	w.Replicas = whileDraining(w, v)
	w.lent = lent(w, v)
	w.GiveUp = w.GiveUp.Union(nothingKept(w, v))
	for _, decide := range rules {
		if d, ok := decide(w, v); ok {
			return d
		}
	}
	return converged(w, v)
}

// wait is a decision to do nothing.
func wait(reason, message string, requeue time.Duration) Decision {
	return Decision{Step: Wait{}, Reason: reason, Message: message, Requeue: requeue}
}

// formed says that all slots have had an owner: from here on they are not given, only kept.
func formed(w Wanted, v cluster.View) bool { return w.Bootstrapped || v.Covered() }
