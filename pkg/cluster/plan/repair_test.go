package plan_test

import (
	"fmt"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// reborn is a whole cluster whose pod came back without its volume: a new node, that others have met, and an
// old one that they have not forgotten.
func reborn(name string, ordinal int) (w *clustertest.World, old cluster.NodeID) {
	w = clustertest.Cluster(3, 1)
	old = w.ID(name)
	w.Kill(name).Wipe(ordinal)
	if err := w.Apply(plan.CreatePods{Ordinals: []int{ordinal}}); err != nil {
		panic(err)
	}
	w.Ticks(1)
	if err := w.Apply(plan.Next(threeByOne, w.View()).Step); err != nil {
		panic(err)
	}
	return w.Ticks(1), old
}

// forgetting is everybody else told to forget the node.
func forgetting(id cluster.NodeID, pods ...string) plan.Decision {
	var step plan.Forget
	for _, pod := range pods {
		step.Bans = append(step.Bans, plan.Ban{Pod: pod, Nodes: []cluster.NodeID{id}})
	}
	return plan.Decision{
		Step: step, Reason: plan.ForgettingNodes, Requeue: forming,
		Message: "node " + id.Short() + " is in no pod any more",
	}
}

func TestNext_Forget(t *testing.T) {
	t.Parallel()
	play(t, map[string]func() scene{
		"a replica that came back as somebody else is forgotten by all who know it": func() scene {
			w, old := reborn("demo-4", 4)
			return scene{w, threeByOne, nil, forgetting(old, "demo-0", "demo-1", "demo-2", "demo-3", "demo-5")}
		},
		"only those who still list it are told": func() scene {
			w, old := reborn("demo-4", 4)
			d := plan.Next(threeByOne, w.View()).Step.(plan.Forget)
			_ = w.Apply(plan.Forget{Bans: d.Bans[:4]}) // the operator was killed here
			return scene{w, threeByOne, nil, forgetting(old, "demo-5")}
		},
		"nobody is forgotten while a pod was not seen: it may be that one": func() scene {
			w, _ := reborn("demo-4", 4)
			return scene{w.Hide("demo-5", true), threeByOne, nil, attaching(w, "demo-4", "demo-0")}
		},
		"nobody is forgotten that a node has not given up": func() scene {
			w, old := reborn("demo-4", 4)
			return scene{w, threeByOne, func(v *cluster.View) {
				l := line(v, "demo-3", old)
				l.Connected, l.Awaited, l.Flags = true, true, cluster.Flags{PFail: true}
			}, attaching(w, "demo-4", "demo-0")}
		},
		"a primary that a replica is to succeed is not forgotten": func() scene {
			w, old := reborn("demo-1", 1)
			return scene{w, threeByOne, func(v *cluster.View) {
				for _, m := range v.Members {
					line(v, m.Pod.Name, old).Flags.Fail = true
				}
			}, wait(plan.WaitingForFailover, forming, fmt.Sprintf("waiting for demo-5 to take over slots 5462-10922 from node %s,"+
				" which failed", old.Short()))}
		},
		"a primary that was succeeded is forgotten": func() scene {
			w, old := reborn("demo-1", 1)
			after(w, threeByOne, plan.ForgettingNodes)
			return scene{w, threeByOne, nil, forgetting(old, "demo-0", "demo-1", "demo-2", "demo-3", "demo-4", "demo-5")}
		},
		"a node that is still followed is not forgotten, and its follower finds a new primary first": func() scene {
			w, old := reborn("demo-4", 4)
			return scene{w, threeByOne, func(v *cluster.View) {
				line(v, "demo-3", w.ID("demo-3")).PrimaryID = old
			}, plan.Decision{
				Step: plan.Replicate{Links: []plan.Link{
					{Pod: "demo-3", Node: w.ID("demo-3"), Primary: w.ID("demo-2")},
					{Pod: "demo-4", Node: w.ID("demo-4"), Primary: w.ID("demo-0")},
				}},
				Reason: plan.AttachingReplicas, Requeue: forming,
				Message: "making replicas: demo-3 of demo-2 and demo-4 of demo-0",
			}}
		},
		"a node is not forgotten while an old table has slots for it": func() scene {
			w, old := reborn("demo-4", 4)
			return scene{w, threeByOne, func(v *cluster.View) {
				line(v, "demo-3", old).Slots = slots(7, 7)
			}, wait(plan.WaitingForClusterState, forming, "demo-0, demo-1, demo-2, demo-3 and demo-5: node "+
				old.Short()+" is in no pod, and not given up yet; demo-0: it lacks 1 replica")}
		},
	})
}

// attaching is one node made a replica.
func attaching(w *clustertest.World, replica, primary string) plan.Decision {
	return plan.Decision{
		Step:   plan.Replicate{Links: []plan.Link{{Pod: replica, Node: w.ID(replica), Primary: w.ID(primary)}}},
		Reason: plan.AttachingReplicas, Message: "making replicas: " + replica + " of " + primary, Requeue: forming,
	}
}

func TestNext_Replicas(t *testing.T) {
	t.Parallel()
	play(t, map[string]func() scene{
		"nodes without slots become replicas on other hosts, all at once": func() scene {
			w := born(6)
			after(w, unformed, plan.AttachingReplicas)
			return scene{w, unformed, nil, plan.Decision{
				Step: plan.Replicate{Links: []plan.Link{
					{Pod: "demo-3", Node: w.ID("demo-3"), Primary: w.ID("demo-2")},
					{Pod: "demo-4", Node: w.ID("demo-4"), Primary: w.ID("demo-0")},
					{Pod: "demo-5", Node: w.ID("demo-5"), Primary: w.ID("demo-1")},
				}},
				Reason: plan.AttachingReplicas, Requeue: forming,
				Message: "making replicas: demo-3 of demo-2, demo-4 of demo-0 and demo-5 of demo-1",
			}}
		},
		"a shard is repaired while a node of another is away": func() scene {
			w, _ := reborn("demo-4", 4)
			return scene{w.Kill("demo-3").Ticks(1), threeByOne, func(v *cluster.View) {
				// its pod is there again, and cannot be scheduled
				away := cluster.Member{Pod: cluster.Pod{Name: "demo-3", Ordinal: 3, Trouble: "Unschedulable: no memory"}}
				v.Members = append(v.Members, away)
			}, attaching(w, "demo-4", "demo-0")}
		},
		"a place that a node which is away may come back to is kept": func() scene {
			w := clustertest.Cluster(3, 1)
			_ = w.Apply(plan.CreatePods{Ordinals: []int{6}})
			w.Ticks(1)
			_ = w.Apply(plan.Next(threeByOne, w.View()).Step)
			return scene{
				w.Ticks(1).Restart("demo-3"), threeByOne, nil,
				wait(plan.WaitingForNodes, waiting, "demo-3 does not answer: dial tcp 10.0.0.12:6379: connect: connection refused"),
			}
		},
		"nobody follows a primary that it does not know yet": func() scene {
			w, _ := reborn("demo-4", 4)
			_ = w.Apply(plan.Next(threeByOne, w.View()).Step)
			return scene{w, threeByOne, func(v *cluster.View) {
				i := info(v, "demo-4")
				at := i.Table.Index(w.ID("demo-0"))
				i.Table = append(i.Table[:at], i.Table[at+1:]...)
				i.Table = append(i.Table, cluster.Node{ID: "ff", Addr: cluster.Addr{IP: "10.0.0.3"}, Flags: cluster.Flags{Handshake: true}})
			}, wait(plan.WaitingForClusterState, forming, "demo-4: demo-0 is not known yet; demo-0: it lacks 1 replica")}
		},
		"a node with keys is not made a replica": func() scene {
			w, _ := reborn("demo-4", 4)
			_ = w.Apply(plan.Next(threeByOne, w.View()).Step)
			return scene{w.Fill("demo-4", 12), threeByOne, nil, wait(plan.StrayKeys, waiting,
				"demo-4 owns no slots but holds 12 keys: making it a replica would delete them")}
		},
		"a node that an old table has slots for is not made a replica": func() scene {
			w, _ := reborn("demo-4", 4)
			_ = w.Apply(plan.Next(threeByOne, w.View()).Step)
			id := w.ID("demo-4")
			return scene{
				w, threeByOne, func(v *cluster.View) { line(v, "demo-0", id).Slots = slots(7, 7) },
				wait(plan.WaitingForClusterState, forming, "demo-0: it is not agreed yet what node "+w.ID("demo-4").Short()+" owns; demo-0: it lacks 1 replica"),
			}
		},
		"a replica of a primary without slots follows one with slots": func() scene {
			w, _ := reborn("demo-4", 4)
			_ = w.Apply(plan.Next(threeByOne, w.View()).Step)
			_ = w.Apply(plan.Replicate{Links: []plan.Link{{Pod: "demo-3", Node: w.ID("demo-3"), Primary: w.ID("demo-4")}}})
			return scene{w.Ticks(1), threeByOne, nil, plan.Decision{
				Step: plan.Replicate{Links: []plan.Link{
					{Pod: "demo-3", Node: w.ID("demo-3"), Primary: w.ID("demo-2")},
					{Pod: "demo-4", Node: w.ID("demo-4"), Primary: w.ID("demo-0")},
				}},
				Reason: plan.AttachingReplicas, Requeue: forming,
				Message: "making replicas: demo-3 of demo-2 and demo-4 of demo-0",
			}}
		},
		"a copy too many goes to a shard that has none": func() scene {
			w := clustertest.Cluster(3, 1)
			_ = w.Apply(plan.Replicate{Links: []plan.Link{{Pod: "demo-4", Node: w.ID("demo-4"), Primary: w.ID("demo-1")}}})
			return scene{w.Ticks(4), threeByOne, nil, attaching(w, "demo-5", "demo-0")}
		},
		"a copy too many stays while a node is away": func() scene {
			w := clustertest.Cluster(3, 1)
			_ = w.Apply(plan.Replicate{Links: []plan.Link{{Pod: "demo-4", Node: w.ID("demo-4"), Primary: w.ID("demo-1")}}})
			return scene{
				w.Ticks(4).Hide("demo-3", true), threeByOne, nil,
				wait(plan.WaitingForNodes, waiting, "demo-3 does not answer: dial tcp 10.0.0.12:6379: i/o timeout"),
			}
		},
	})
}

func TestNext_State(t *testing.T) {
	t.Parallel()
	play(t, map[string]func() scene{
		"all is well": func() scene {
			return scene{
				clustertest.Cluster(3, 2),
				plan.Wanted{Primaries: 3, Replicas: 2, Bootstrapped: true},
				nil,
				wait(plan.Converged, idle, "3 primaries with 2 replicas each, all in sync"),
			}
		},
		"a replica copies its primary": func() scene {
			return scene{
				clustertest.Cluster(3, 1).Restart("demo-5").Ticks(1), threeByOne, nil,
				wait(plan.WaitingForSync, forming, "demo-5 copies the data of its primary"),
			}
		},
		"a large copy is looked at less often": func() scene {
			return scene{
				clustertest.Cluster(3, 1).Restart("demo-5").Ticks(1), threeByOne,
				func(v *cluster.View) { info(v, "demo-1").UsedBytes = 1 << 30 },
				wait(plan.WaitingForSync, waiting, "demo-5 copies the data of its primary"),
			}
		},
		"a node finds the cluster not in order": func() scene {
			return scene{
				clustertest.Cluster(3, 1), threeByOne, func(v *cluster.View) { info(v, "demo-2").StateOK = false },
				wait(plan.WaitingForClusterState, forming, "demo-2: cluster_state is not ok"),
			}
		},
		"a pod is not ready": func() scene {
			return scene{
				clustertest.Cluster(3, 1), threeByOne, func(v *cluster.View) { member(v, "demo-2").Pod.Ready = false },
				wait(plan.WaitingForPods, forming, "demo-2 is not ready"),
			}
		},
		"one node is late to learn who owns what": func() scene {
			w := clustertest.Cluster(3, 1)
			return scene{
				w, threeByOne, func(v *cluster.View) { line(v, "demo-5", w.ID("demo-0")).Slots = slots(0, 100) },
				wait(plan.WaitingForClusterState, forming, "demo-5: it is not agreed yet what node "+w.ID("demo-0").Short()+" owns"),
			}
		},
		"status lags behind: what is formed is formed": func() scene {
			return scene{clustertest.Cluster(3, 1), unformed, nil, wait(plan.Converged, idle, "3 primaries with 1 replica each, all in sync")}
		},
	})
}
