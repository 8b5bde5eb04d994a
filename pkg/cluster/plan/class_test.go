package plan_test

import (
	"testing"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// slow is a cluster whose volumes are of one class.
func slow(primaries, replicas int) *clustertest.World {
	return clustertest.ClusterIn(clustertest.Settings{Class: "slow"}, primaries, replicas)
}

// fast has the volumes of these pods be of the other class already.
func fast(pods ...string) func(*cluster.View) {
	return func(v *cluster.View) {
		for _, name := range pods {
			member(v, name).Pod.Class.Has = "fast"
		}
	}
}

// reclassing is the decision to replace a replica and its volume.
func reclassing(w *clustertest.World, name, by, progress string) plan.Decision {
	d := replacing(w, name, progress)
	step, _ := d.Step.(plan.DeletePod)
	step.WithVolume = true
	d.Step, d.Message = step, "replacing "+name+" by a pod "+by+" ("+progress+")"
	return d
}

const withFast = "with a volume of class fast, which it now has of class slow"

func TestNext_Class(t *testing.T) {
	t.Parallel()
	supervised, closed := threeByOne, threeByOne
	supervised.HoldPrimaries, closed.Closed = true, "no window is open"
	alone := plan.Wanted{Primaries: 3, Bootstrapped: true, ZoneAware: true}
	late := "demo-0, demo-1, demo-2, demo-3 and 2 more are not updated yet (0 of 6 pods are updated): no window is open"
	play(t, map[string]func() scene{
		"the volume of a replica is replaced with its pod": func() scene {
			w := slow(3, 1).Reclass("fast")
			return scene{w, threeByOne, fast("demo-3", "demo-4"), reclassing(w, "demo-5", withFast, "2 of 6 pods are updated")}
		},
		"a volume that is right stays when its pod is replaced": func() scene {
			w := slow(3, 1).Reclass("fast").Outdate("demo-5")
			return scene{w, threeByOne, fast("demo-3", "demo-4", "demo-5"), replacing(w, "demo-5", "2 of 6 pods are updated")}
		},
		"of another template and another class: both are said, and done at once": func() scene {
			w := slow(3, 1).Reclass("fast").Outdate("demo-5")
			return scene{
				w, threeByOne, fast("demo-3", "demo-4"),
				reclassing(w, "demo-5", "of the new template and "+withFast, "2 of 6 pods are updated"),
			}
		},
		"a primary hands over to a replica whose volume is of the class": func() scene {
			w := slow(3, 1).Reclass("fast")
			return scene{
				w, threeByOne, fast("demo-3", "demo-4", "demo-5"), handingOver(w, "demo-0", "demo-4", "3 of 6 pods are updated"),
			}
		},
		"a volume is not replaced while another replica copies": func() scene {
			return scene{slow(3, 1).Reclass("fast"), threeByOne, func(v *cluster.View) {
				fast("demo-3")(v)
				info(v, "demo-3").LinkUp = false
			}, wait(plan.WaitingForSync, forming, "demo-3 copies the data of its primary")}
		},
		"a volume is not replaced while a primary is not seen": func() scene {
			return scene{
				slow(3, 1).Reclass("fast").Hide("demo-1", true), threeByOne, nil,
				wait(plan.WaitingForNodes, waiting, "demo-1 does not answer: dial tcp 10.0.0.6:6379: i/o timeout"),
			}
		},
		"a pod that never started is not deleted for its volume, which it would come back to": func() scene {
			return scene{slow(3, 1).Reclass("fast"), threeByOne, func(v *cluster.View) {
				m := member(v, "demo-5")
				m.Pod.State, m.Pod.Trouble, m.Info = cluster.PodPending, "Unschedulable: insufficient memory", nil
			}, wait(plan.WaitingForPods, waiting, "demo-5 has not started: Unschedulable: insufficient memory")}
		},
		"a pod that crashes is not deleted for its volume, which it would come back to": func() scene {
			return scene{slow(3, 1).Reclass("fast").Restart("demo-5"), threeByOne, func(v *cluster.View) {
				member(v, "demo-5").Pod.Trouble = "container redis: CrashLoopBackOff: back-off"
			}, wait(plan.WaitingForNodes, waiting, "demo-5 does not answer: container redis: CrashLoopBackOff: back-off")}
		},
		"no volume is replaced while no window is open": func() scene {
			return scene{slow(3, 1).Reclass("fast"), closed, nil, wait(plan.AwaitingWindow, idle, late)}
		},
		"what is supervised stops before primaries": func() scene {
			return scene{
				slow(3, 1).Reclass("fast"), supervised, fast("demo-1", "demo-2", "demo-3", "demo-4", "demo-5"),
				wait(plan.UpdateAwaitsApproval, idle, "demo-0 is not updated yet (5 of 6 pods are updated): to go on with "+
					"primaries, run: kubectl redis-cluster approve -n shop demo"),
			}
		},
		"a replica too many goes with its volume: the next pod there would come back to it": func() scene {
			w := slow(3, 1).Reclass("fast")
			v := w.View()
			m := member(&v, "demo-5")
			return scene{w, alone, nil, plan.Decision{
				Step:   plan.DeletePod{Pod: "demo-5", UID: m.Pod.UID, Primary: m.Follows(), WithVolume: true},
				Reason: plan.DeletingSurplusPod, Requeue: forming,
				Message: "demo-5 goes, and its volume of class slow: 3 pods are wanted, and it holds nothing that is needed",
			}}
		},
		"a replica too many leaves its volume when that is of the class": func() scene {
			w := slow(3, 1)
			v := w.View()
			return scene{w, alone, nil, plan.Decision{
				Step:   plan.DeletePod{Pod: "demo-5", UID: member(&v, "demo-5").Pod.UID},
				Reason: plan.DeletingSurplusPod, Requeue: forming,
				Message: "demo-5 goes: 3 pods are wanted, and it holds nothing that is needed",
			}}
		},
		"without replicas a pod is lent": func() scene {
			return scene{slow(3, 0).Reclass("fast"), alone, nil, plan.Decision{
				Step: plan.CreatePods{Ordinals: []int{3}}, Reason: plan.CreatingPods, Requeue: forming,
				Message: "creating 1 pod: 4 pods are wanted",
			}}
		},
	})
}
