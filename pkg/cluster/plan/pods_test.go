package plan_test

import (
	"testing"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

func TestNext_Pods(t *testing.T) {
	t.Parallel()
	play(t, map[string]func() scene{
		"nothing is there: all pods are created at once": func() scene {
			return scene{clustertest.New(clustertest.Settings{}), unformed, nil, plan.Decision{
				Step: plan.CreatePods{Ordinals: []int{0, 1, 2, 3, 4, 5}}, Reason: plan.CreatingPods,
				Message: "creating 6 pods: 6 pods are wanted", Requeue: forming,
			}}
		},
		"all pods were deleted: they are created again, and nothing else": func() scene {
			w := clustertest.Cluster(3, 1)
			return scene{w.Kill(w.Pods()...), threeByOne, nil, plan.Decision{
				Step: plan.CreatePods{Ordinals: []int{0, 1, 2, 3, 4, 5}}, Reason: plan.CreatingPods,
				Message: "creating 6 pods: 6 pods are wanted", Requeue: forming,
			}}
		},
		"the lowest free ordinals are taken": func() scene {
			return scene{clustertest.Cluster(3, 1).Kill("demo-1", "demo-4"), threeByOne, nil, plan.Decision{
				Step: plan.CreatePods{Ordinals: []int{1, 4}}, Reason: plan.CreatingPods,
				Message: "creating 2 pods: 6 pods are wanted", Requeue: forming,
			}}
		},
		"a stopping pod has its ordinal until it is gone": func() scene {
			return scene{
				clustertest.Cluster(3, 1).Stop("demo-4"), threeByOne, nil,
				wait(plan.WaitingForPods, waiting, "demo-4 is stopping"),
			}
		},
		"other pods are created while one is stopping": func() scene {
			return scene{clustertest.Cluster(3, 1).Stop("demo-4").Kill("demo-5"), threeByOne, nil, plan.Decision{
				Step: plan.CreatePods{Ordinals: []int{5}}, Reason: plan.CreatingPods,
				Message: "creating 1 pod: 6 pods are wanted", Requeue: forming,
			}}
		},
		"a surplus pod that is stopping keeps nobody's place": func() scene {
			w := clustertest.Cluster(3, 1)
			_ = w.Apply(plan.CreatePods{Ordinals: []int{6}})
			return scene{w.Ticks(1).Stop("demo-6").Kill("demo-1"), threeByOne, nil, plan.Decision{
				Step: plan.CreatePods{Ordinals: []int{1}}, Reason: plan.CreatingPods,
				Message: "creating 1 pod: 6 pods are wanted", Requeue: forming,
			}}
		},
		"an evicted pod is replaced": func() scene {
			w := clustertest.Cluster(3, 1).Evict("demo-2")
			return scene{w, threeByOne, nil, plan.Decision{
				Step: plan.DeletePod{Pod: "demo-2", UID: w.View().Members[2].Pod.UID}, Reason: plan.ReplacingEndedPod,
				Message: "demo-2 has ended and cannot run again (Evicted: the node was low on memory)", Requeue: forming,
			}}
		},
		"a pod that never started is replaced when the spec has changed": func() scene {
			w := clustertest.Cluster(3, 1).Kill("demo-2")
			_ = w.Apply(plan.CreatePods{Ordinals: []int{2}})
			w.Stuck("demo-2", true).Outdate("demo-2")
			return scene{w, threeByOne, nil, plan.Decision{
				Step:   plan.DeletePod{Pod: "demo-2", UID: w.View().Members[2].Pod.UID, NeverStarted: true},
				Reason: plan.ReplacingStuckPod, Requeue: forming,
				Message: "demo-2 never started (Unschedulable: 0/3 nodes are available: insufficient memory), and the spec has changed since",
			}}
		},
		"a pod whose node answers is not taken for one that never started": func() scene {
			w := clustertest.Cluster(3, 1).Outdate("demo-2")
			return scene{w, threeByOne, func(v *cluster.View) {
				member(v, "demo-2").Pod.State = cluster.PodPending
			}, handingOver(w, "demo-2", "demo-3", "5 of 6 pods are updated")}
		},
		"who asked for too many pods and takes it back need not wait for those that cannot run": func() scene {
			w := born(6)
			_ = w.Apply(plan.CreatePods{Ordinals: []int{6, 7}})
			w.Stuck("demo-6", true).Stuck("demo-7", true)
			return scene{w, unformed, nil, plan.Decision{
				Step:   plan.DeletePod{Pod: "demo-7", UID: w.View().Members[7].Pod.UID, NeverStarted: true},
				Reason: plan.DeletingSurplusPod, Requeue: forming,
				Message: "demo-7 goes: 6 pods are wanted, and it holds nothing that is needed",
			}}
		},
		"an owner's pod is brought back though there are pods enough": func() scene {
			wanted := plan.Wanted{Primaries: 3, Bootstrapped: true, ZoneAware: true}
			w := after(clustertest.Cluster(3, 1), wanted, plan.Converged)
			_ = w.Apply(plan.CreatePods{Ordinals: []int{4}}) // not wanted
			w.Ticks(2)
			return scene{w.Kill("demo-1").Ticks(1), wanted, nil, plan.Decision{
				Step: plan.CreatePods{Ordinals: []int{1, 3, 5}}, Reason: plan.CreatingPods, Requeue: forming,
				Message: "creating 3 pods, whose volumes may have slots that nobody has: 3 pods are wanted",
			}}
		},
	})
}

func TestNext_SurplusPods(t *testing.T) {
	t.Parallel()
	fewer := plan.Wanted{Primaries: 3, Bootstrapped: true, ZoneAware: true}
	goes := func(w *clustertest.World, name string) plan.Decision {
		v := w.View()
		return plan.Decision{
			Step: plan.DeletePod{Pod: name, UID: member(&v, name).Pod.UID}, Reason: plan.DeletingSurplusPod, Requeue: forming,
			Message: name + " goes: 3 pods are wanted, and it holds nothing that is needed",
		}
	}
	play(t, map[string]func() scene{
		"of replicas that are equally good the highest goes": func() scene {
			w := clustertest.Cluster(3, 1)
			return scene{w, fewer, nil, goes(w, "demo-5")}
		},
		"a badly placed replica goes first": func() scene {
			w := clustertest.Cluster(3, 1)
			return scene{w, fewer, func(v *cluster.View) {
				member(v, "demo-3").Pod.Host = member(v, "demo-2").Pod.Host
			}, goes(w, "demo-3")}
		},
		"a node without a role goes before any replica": func() scene {
			w := clustertest.Cluster(3, 1).Kill("demo-4").Wipe(4)
			_ = w.Apply(plan.CreatePods{Ordinals: []int{4}})
			w.Ticks(1).Meet("demo-4", "demo-0").Ticks(6)
			_ = w.Apply(plan.Next(fewer, w.View()).Step) // its old name is forgotten
			return scene{w, fewer, nil, goes(w, "demo-4")}
		},
		"no pod goes while a primary is away": func() scene {
			return scene{
				clustertest.Cluster(3, 1).Restart("demo-0"), fewer, nil,
				wait(plan.WaitingForNodes, waiting, "demo-0 does not answer: dial tcp 10.0.0.3:6379: connect: connection refused"),
			}
		},
		"one pod goes at a time": func() scene {
			return scene{clustertest.Cluster(3, 1).Stop("demo-5"), fewer, nil, wait(plan.WaitingForPods, waiting, "demo-5 is stopping")}
		},
		"a replica that is not in sync goes, not the one that counts": func() scene {
			w := clustertest.Cluster(3, 2)
			v := w.View()
			return scene{w, threeByOne, func(v *cluster.View) {
				for _, name := range []string{"demo-3", "demo-4", "demo-5"} {
					info(v, name).LinkUp = false
				}
			}, plan.Decision{
				Step: plan.DeletePod{Pod: "demo-5", UID: member(&v, "demo-5").Pod.UID}, Reason: plan.DeletingSurplusPod,
				Message: "demo-5 goes: 6 pods are wanted, and it holds nothing that is needed", Requeue: forming,
			}}
		},
		"the last copy that counts does not go": func() scene {
			return scene{clustertest.Cluster(3, 2), threeByOne, func(v *cluster.View) {
				for _, name := range []string{"demo-3", "demo-7"} { // both of demo-2
					info(v, name).LinkUp = false
				}
			}, wait(plan.WaitingForSync, forming, "demo-3 and demo-7 copy the data of their primary")}
		},
		"a pod that cannot start goes when it is not wanted any more": func() scene {
			w := clustertest.Cluster(3, 1)
			_ = w.Apply(plan.CreatePods{Ordinals: []int{6}})
			w.Stuck("demo-6", true)
			return scene{w, threeByOne, nil, plan.Decision{
				Step:   plan.DeletePod{Pod: "demo-6", UID: w.View().Members[6].Pod.UID, NeverStarted: true},
				Reason: plan.DeletingSurplusPod, Requeue: forming,
				Message: "demo-6 goes: 6 pods are wanted, and it holds nothing that is needed",
			}}
		},
	})
}
