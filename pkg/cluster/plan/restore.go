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
	if !w.Failback || len(v.Aside) > 0 {
		return Decision{}, false
	}
	h, ok := v.Failback()
	if !ok {
		return Decision{}, false
	}
	_, why := v.Placement()
	return Decision{
		Step:    Failover{Pod: h.Replica.Pod.Name, Node: h.Replica.ID(), Primary: h.Primary.ID(), Mode: HandOver},
		Reason:  RestoringPlacement,
		Message: fmt.Sprintf("%s hands over to %s: %s", h.Primary.Pod.Name, h.Replica.Pod.Name, why),
		Requeue: requeueForming,
	}, true
}
