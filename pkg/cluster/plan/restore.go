package plan

import (
	"fmt"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// restorePlacement has one primary hand over to a replica in sync, when that brings primaries closer to a better
// spread: after failovers they are where their replicas were.
// Invariant: it is the only thing that goes on: every rule before it has nothing to do, nor to wait for. The primary
// stops writes until the replica has all of them. Each step shortens the way to the end, so that it comes to one.
func restorePlacement(w Wanted, v cluster.View) (Decision, bool) {
	h, ok := betterPlacement(w, v)
	if !ok || w.Closed != "" {
		return Decision{}, false
	}
	if who := hasNotHeard(v, h.Replica); who != "" {
		return wait(WaitingForClusterState, fmt.Sprintf("waiting until %s hears that %s is a replica by now: it would not"+
			" vote for it", who, h.Replica.Pod.Name), requeueForming), true
	}
	_, why := v.Placement()
	return Decision{
		Step:    Failover{Pod: h.Replica.Pod.Name, Node: h.Replica.ID(), Primary: h.Primary.ID(), Mode: HandOver},
		Reason:  RestoringPlacement,
		Message: fmt.Sprintf("%s hands over to %s: %s", h.Primary.Pod.Name, h.Replica.Pod.Name, why),
		Requeue: requeueForming,
	}, true
}

// hasNotHeard names a pod whose node does not list the replica as one of its primary; "" when there is none. A primary
// does not vote for a node that it takes for another primary, and who hands over stops writes until the votes are in.
func hasNotHeard(v cluster.View, replica cluster.Member) string {
	for _, m := range liveMembers(v) {
		n, _ := m.Info.Table.Find(replica.ID())
		if n.Role != cluster.Replica || n.PrimaryID != replica.Follows() {
			return m.Pod.Name
		}
	}
	return ""
}
