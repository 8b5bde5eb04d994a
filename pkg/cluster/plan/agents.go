package plan

import (
	"fmt"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// repairAgents changes the image of agents that keep their pods from being ready: one that cannot be pulled, or that
// does not run.
// Invariant: redis runs on, and nobody misses an agent that does not run.
func repairAgents(_ Wanted, v cluster.View) (Decision, bool) {
	for _, m := range v.Members {
		if m.Pod.AgentOutdated && m.Pod.Trouble != "" && m.Pod.State != cluster.PodTerminating {
			return updateAgent(v, m), true
		}
	}
	return Decision{}, false
}

// updateAgents changes the image of one agent in a running pod.
// Invariant: redis runs on, all else is in order, and one agent at a time is away: a pod is not ready without.
func updateAgents(_ Wanted, v cluster.View) (Decision, bool) {
	for _, m := range v.Members {
		if m.Pod.AgentOutdated {
			return updateAgent(v, m), true
		}
	}
	return Decision{}, false
}

func updateAgent(v cluster.View, m cluster.Member) Decision {
	updated := 0
	for _, other := range v.Members {
		if !other.Pod.AgentOutdated {
			updated++
		}
	}
	return Decision{
		Step:   UpdateAgent{Pod: m.Pod.Name, UID: m.Pod.UID},
		Reason: UpdatingAgents,
		Message: fmt.Sprintf("changing the agent in %s, redis runs on (%d of %s updated)",
			m.Pod.Name, updated, areWanted(len(v.Members))),
		Requeue: requeueForming,
	}
}
