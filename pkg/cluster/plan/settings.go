package plan

import (
	"fmt"
	"slices"

	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// applySettings has the nodes that run take the directives that the spec has changed, all nodes in one step, and then
// has written what nodes start with. It comes before anything that takes long, or that waits for somebody: more memory
// may be just what is waited for.
// Invariant: what nodes start with is what those that run have taken: a setting that a server refuses keeps no node
// from starting again.
func applySettings(_ Wanted, v cluster.View) (Decision, bool) {
	var changes []Change
	var names, pods []string
	for _, m := range v.Members {
		if !m.Seen() || m.Pod.State == cluster.PodTerminating || len(m.Drift) == 0 {
			continue
		}
		changes = append(changes, Change{Pod: m.Pod.Name, Node: m.ID(), Settings: m.Drift})
		pods = append(pods, m.Pod.Name)
		for _, d := range m.Drift {
			names = append(names, d.Name)
		}
	}
	if len(changes) == 0 && !v.Unwritten {
		return Decision{}, false
	}
	message := "writing the redis.conf that nodes start with"
	if len(changes) > 0 {
		slices.Sort(names)
		message = fmt.Sprintf("setting %s at %s", list(slices.Compact(names)), list(pods))
	}
	return Decision{
		Step: Configure{Changes: changes}, Reason: ApplyingSettings, Message: message, Requeue: requeueNow,
	}, true
}
