package plan_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// resizing is the decision to have a kubelet give a pod what the spec says, or to note that it has it.
func resizing(w *clustertest.World, name, progress string, granted bool) plan.Decision {
	v := w.View()
	message := "giving " + name + " its new memory and processors, redis runs on (" + progress + ")"
	if granted {
		message = name + " has its new memory and processors (" + progress + ")"
	}
	return plan.Decision{
		Step:   plan.ResizePod{Pod: name, UID: member(&v, name).Pod.UID, Granted: granted},
		Reason: plan.ResizingPods, Message: message, Requeue: now,
	}
}

func states(to map[string]cluster.Resize) func(*cluster.View) {
	return func(v *cluster.View) {
		for name, state := range to {
			member(v, name).Pod.Resize = state
		}
	}
}

func TestNext_Resize(t *testing.T) {
	t.Parallel()
	supervised, paused := threeByOne, threeByOne
	supervised.HoldPrimaries, paused.Paused = true, true
	due := map[string]cluster.Resize{"demo-1": cluster.ResizeDue, "demo-4": cluster.ResizeDue}
	stalled := func(v *cluster.View) {
		states(map[string]cluster.Resize{"demo-1": cluster.ResizeAsked, "demo-4": cluster.ResizeAsked})(v)
		member(v, "demo-4").Pod.ResizeStall = "Deferred: no room"
	}
	waits := wait(plan.ResizingPods, waiting,
		"waiting until kubelets have given demo-1 and demo-4 new memory and processors; demo-4: Deferred: no room")
	play(t, map[string]func() scene{
		"kubelets are asked one after the other, also for a primary": func() scene {
			w := clustertest.Cluster(3, 1)
			return scene{w, threeByOne, states(due), resizing(w, "demo-1", "4 of 6 pods have them", false)}
		},
		"nobody has to approve what restarts nothing": func() scene {
			w := clustertest.Cluster(3, 1)
			return scene{w, supervised, states(due), resizing(w, "demo-1", "4 of 6 pods have them", false)}
		},
		"the next kubelet is asked before the last one has answered": func() scene {
			w := clustertest.Cluster(3, 1)
			return scene{w, threeByOne, states(map[string]cluster.Resize{
				"demo-1": cluster.ResizeAsked, "demo-4": cluster.ResizeDue,
			}), resizing(w, "demo-4", "4 of 6 pods have them", false)}
		},
		"what a kubelet has done is noted": func() scene {
			w := clustertest.Cluster(3, 1)
			return scene{w, threeByOne, states(map[string]cluster.Resize{
				"demo-1": cluster.ResizeAsked, "demo-4": cluster.ResizeGranted,
			}), resizing(w, "demo-4", "4 of 6 pods have them", true)}
		},
		"it comes before slots move, which may need the memory": func() scene {
			w := clustertest.Cluster(3, 1)
			fewer := threeByOne
			fewer.Primaries = 2
			return scene{w, fewer, states(due), resizing(w, "demo-1", "4 of 6 pods have them", false)}
		},
		"a pod whose node is away is not asked for": func() scene {
			w := clustertest.Cluster(3, 1).Hide("demo-1", true)
			return scene{w, threeByOne, states(due), resizing(w, "demo-4", "4 of 6 pods have them", false)}
		},
		"a paused cluster is left alone": func() scene {
			return scene{clustertest.Cluster(3, 1), paused, states(due), wait(plan.Paused, idle,
				"spec.paused is true: nothing is begun and nothing is repaired until it is false again")}
		},
		"it has not converged before kubelets have done it": func() scene {
			return scene{clustertest.Cluster(3, 1), threeByOne, stalled, waits}
		},
		"a host without room keeps no agent from its update": func() scene {
			w := clustertest.Cluster(3, 1).OutdateAgent("demo-0")
			return scene{w, threeByOne, stalled, plan.Decision{
				Step: plan.UpdateAgent{Pod: "demo-0", UID: w.View().Members[0].Pod.UID}, Reason: plan.UpdatingAgents,
				Requeue: forming, Message: "changing the agent in demo-0, redis runs on (5 of 6 pods are updated)",
			}}
		},
		"pods of another template are replaced meanwhile": func() scene {
			w := clustertest.Cluster(3, 1).Outdate("demo-5")
			return scene{w, threeByOne, stalled, replacing(w, "demo-5", "5 of 6 pods are updated")}
		},
	})
}

// What is planned for is said, and what kubelets have yet to do is not the operator's.
func TestOutline_Resize(t *testing.T) {
	t.Parallel()
	view := clustertest.Cluster(3, 1).Size(2, clustertest.Roomy).View()
	member(&view, "demo-5").Pod.Resize = cluster.ResizeAsked
	got := plan.Outline(threeByOne, view)
	if len(got.Steps) != 5 || !strings.HasPrefix(got.Steps[0], "giving demo-0 its new memory and processors, redis runs on") ||
		len(got.PodsReplaced) > 0 || !reflect.DeepEqual(got, plan.Outline(threeByOne, view)) {
		t.Errorf("%+v", got)
	}
}
