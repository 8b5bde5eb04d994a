package plan_test

import (
	"testing"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// A primary that refuses writes for its full volume hands over to a copy that is better off, and to no other.
func TestFault38_FullPrimaryHandsOver(t *testing.T) {
	t.Parallel()
	full := func(replicas int) *clustertest.World { return clustertest.Cluster(3, replicas).Full("demo-0", true) }
	room := func(v *cluster.View, pod string, free int64) {
		for i := range v.Members {
			if v.Members[i].Pod.Name == pod {
				v.Members[i].Room = cluster.Room{Bytes: 100, Free: free}
			}
		}
	}
	to := func(w *clustertest.World, pod string) plan.Decision {
		return plan.Decision{
			Step:   plan.Failover{Pod: pod, Node: w.ID(pod), Primary: w.ID("demo-0"), Mode: plan.HandOver},
			Reason: plan.PromotingReplica, Requeue: forming,
			Message: "demo-0 hands over to " + pod + ": it refuses writes, since it cannot write to its volume (aof_last_write_status:err)",
		}
	}
	atRest := func(replicas string) plan.Decision {
		return wait(plan.Converged, idle, "3 primaries with "+replicas+" each, all in sync")
	}
	play(t, map[string]func() scene{
		"to its replica": func() scene { w := full(1); return scene{w, want(3, 1), nil, to(w, "demo-4")} },
		"of two, to the one with more room": func() scene {
			w := full(2)
			return scene{w, want(3, 2), func(v *cluster.View) { room(v, "demo-4", 60) }, to(w, "demo-4")}
		},
		"whichever that is": func() scene {
			w := full(2)
			return scene{w, want(3, 2), func(v *cluster.View) { room(v, "demo-8", 60) }, to(w, "demo-8")}
		},
		"not to one that cannot write either": func() scene {
			return scene{full(1).Full("demo-4", true), want(3, 1), nil, atRest("1 replica")}
		},
		"not to one whose snapshot has failed": func() scene {
			return scene{full(1).FailWrites("demo-4", "rdb_last_bgsave_status:err"), want(3, 1), nil, atRest("1 replica")}
		},
		"not to one that has hardly more room": func() scene {
			return scene{full(1), want(3, 1), func(v *cluster.View) { room(v, "demo-4", 9) }, atRest("1 replica")}
		},
		"not to one of which nobody knows": func() scene {
			return scene{full(1), want(3, 1), func(v *cluster.View) { room(v, "demo-4", 0) }, atRest("1 replica")}
		},
		"not to one that is not in sync": func() scene {
			return scene{
				full(1), want(3, 1), func(v *cluster.View) { info(v, "demo-4").LinkUp = false },
				wait(plan.WaitingForSync, forming, "demo-4 copies the data of its primary"),
			}
		},
		"not when it takes writes all the same": func() scene {
			return scene{
				clustertest.Cluster(3, 1).FailWrites("demo-0", "aof_last_bgrewrite_status:err"), want(3, 1), nil, atRest("1 replica"),
			}
		},
	})
}
