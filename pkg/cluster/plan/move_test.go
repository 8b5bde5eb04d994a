package plan_test

import (
	"fmt"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// want is a formed cluster of another size.
func want(primaries, replicas int) plan.Wanted {
	w := threeByOne
	w.Primaries, w.Replicas = primaries, replicas
	return w
}

// move is slots from one pod's node to another's.
func move(w *clustertest.World, from, to string, slots cluster.SlotSet) plan.Move {
	return plan.Move{From: plan.End{Pod: from, Node: w.ID(from)}, To: plan.End{Pod: to, Node: w.ID(to)}, Slots: slots}
}

func moving(reason, message string, moves ...plan.Move) plan.Decision {
	return plan.Decision{Step: plan.MoveSlots{Moves: moves}, Reason: reason, Message: message, Requeue: now}
}

// shifted is a cluster in which so many slots have gone from demo-0 to demo-1 by hand.
func shifted(n int) *clustertest.World {
	w := clustertest.Cluster(3, 1)
	step := plan.MoveSlots{Moves: []plan.Move{move(w, "demo-0", "demo-1", slots(0, cluster.Slot(n-1)))}}
	if err := w.Apply(step); err != nil {
		panic(err)
	}
	return w.Ticks(2)
}

func TestNext_ScaleOut(t *testing.T) {
	t.Parallel()
	play(t, map[string]func() scene{
		"the pods of new shards are created one at a time, beside nodes that serve": func() scene {
			return scene{clustertest.Cluster(3, 1), want(5, 1), nil, plan.Decision{
				Step: plan.CreatePods{Ordinals: []int{6}}, Reason: plan.CreatingPods,
				Message: "creating 1 pod of 4 that are missing: 10 pods are wanted", Requeue: forming,
			}}
		},
		"while one starts, no more are created": func() scene {
			w := clustertest.Cluster(3, 1)
			_ = w.Apply(plan.CreatePods{Ordinals: []int{6}})
			return scene{w, want(5, 1), nil, wait(plan.WaitingForPods, waiting, "demo-6 has not started")}
		},
		"as it answers, the next is created": func() scene {
			w := clustertest.Cluster(3, 1)
			_ = w.Apply(plan.CreatePods{Ordinals: []int{6}})
			w.Ticks(1)
			return scene{w, want(5, 1), nil, plan.Decision{
				Step: plan.CreatePods{Ordinals: []int{7}}, Reason: plan.CreatingPods,
				Message: "creating 1 pod of 3 that are missing: 10 pods are wanted", Requeue: forming,
			}}
		},
		"those that cannot start keep none of the others waiting": func() scene {
			w := clustertest.Cluster(3, 1)
			_ = w.Apply(plan.CreatePods{Ordinals: []int{6, 7}})
			w.Stuck("demo-6", true).Stuck("demo-7", true)
			return scene{w, want(5, 1), nil, plan.Decision{
				Step: plan.CreatePods{Ordinals: []int{8}}, Reason: plan.CreatingPods,
				Message: "creating 1 pod of 2 that are missing: 10 pods are wanted", Requeue: forming,
			}}
		},
		"a shard without a copy is in a hurry: all pods are created": func() scene {
			return scene{clustertest.Cluster(3, 1).Kill("demo-5"), want(5, 1), nil, plan.Decision{
				Step: plan.CreatePods{Ordinals: []int{5, 6, 7, 8, 9}}, Reason: plan.CreatingPods,
				Message: "creating 5 pods: 10 pods are wanted", Requeue: forming,
			}}
		},
		"a shard that lacks a replica is repaired while the pods of new ones cannot start": func() scene {
			w, old := reborn("demo-4", 4)
			_ = w.Apply(forgetting(old, "demo-0", "demo-1", "demo-2", "demo-3", "demo-5").Step)
			_ = w.Apply(plan.CreatePods{Ordinals: []int{6, 7}})
			w.Stuck("demo-6", true).Stuck("demo-7", true)
			return scene{w, want(4, 1), nil, attaching(w, "demo-4", "demo-0")}
		},
		"a new shard gets its replicas first": func() scene {
			w := after(clustertest.Cluster(3, 1), want(4, 1), plan.AttachingReplicas)
			return scene{w, want(4, 1), nil, attaching(w, "demo-7", "demo-6")}
		},
		"it gets no slots before they are in sync": func() scene {
			w := after(clustertest.Cluster(3, 1), want(4, 1), plan.AttachingReplicas)
			_ = w.Apply(attaching(w, "demo-7", "demo-6").Step)
			return scene{w, want(4, 1), nil, wait(plan.WaitingForSync, forming, "demo-7 copies the data of its primary")}
		},
		"one slot goes first, so that there is somebody to be elected for": func() scene {
			w := after(clustertest.Cluster(3, 1), want(4, 1), plan.MovingSlots)
			return scene{
				w, want(4, 1), nil,
				moving(plan.MovingSlots, "moving 1 slot from demo-0 to demo-6 (4096 left)", move(w, "demo-0", "demo-6", slots(4096, 4096))),
			}
		},
		"then all pairs move at the same time": func() scene {
			w := after(clustertest.Cluster(3, 1), want(4, 1), plan.MovingSlots)
			_ = w.Apply(plan.Next(want(4, 1), w.View()).Step)
			return scene{w.Ticks(1), want(4, 1), nil, moving(plan.MovingSlots, "moving 4095 slots from 3 shards to demo-6 (4095 left)",
				move(w, "demo-0", "demo-6", slots(4097, 5461)), move(w, "demo-1", "demo-6", slots(9558, 10922)),
				move(w, "demo-2", "demo-6", slots(15019, 16383)))}
		},
		"a new shard that is ready does not wait for one that is not": func() scene {
			w := after(clustertest.Cluster(3, 1), want(5, 1), plan.MovingSlots)
			return scene{
				w, want(5, 1), func(v *cluster.View) { info(v, "demo-8").LinkUp = false },
				moving(plan.MovingSlots, "moving 1 slot from demo-2 to demo-7 (6553 left)", move(w, "demo-2", "demo-7", slots(15292, 15292))),
			}
		},
		"who was chosen to be a new shard stays it, though another is placed better by now": func() scene {
			w := after(clustertest.Cluster(3, 1), want(4, 1), plan.MovingSlots)
			return scene{w, want(4, 1), func(v *cluster.View) {
				for _, m := range []string{"demo-0", "demo-6"} {
					member(v, m).Pod.Host, member(v, m).Pod.Zone = "node1", "a"
				}
			}, moving(plan.MovingSlots, "moving 1 slot from demo-0 to demo-6 (4096 left)", move(w, "demo-0", "demo-6", slots(4096, 4096)))}
		},
		"nothing moves while a node is not seen": func() scene {
			w := after(clustertest.Cluster(3, 1), want(4, 1), plan.MovingSlots)
			return scene{
				w.Hide("demo-4", true), want(4, 1), nil,
				wait(plan.WaitingForNodes, waiting, "demo-4 does not answer: dial tcp 10.0.0.15:6379: i/o timeout"),
			}
		},
		"nothing moves while a node is held for failed": func() scene {
			w := after(clustertest.Cluster(3, 1), want(4, 1), plan.MovingSlots)
			return scene{
				w, want(4, 1), func(v *cluster.View) { line(v, "demo-5", w.ID("demo-1")).Flags.Fail = true },
				wait(plan.WaitingForClusterState, forming, "demo-5: demo-1 is still held for failed"),
			}
		},
		"nothing moves to a node that the source does not know": func() scene {
			w := after(clustertest.Cluster(3, 1), want(4, 1), plan.MovingSlots)
			return scene{w, want(4, 1), func(v *cluster.View) {
				line(v, "demo-0", w.ID("demo-6")).Flags.Handshake = true
				info(v, "demo-0").Table[0].Addr.IP = member(v, "demo-6").Pod.IP // as it is while hands are shaken
			}, plan.Next(want(4, 1), undecided(w))}
		},
		"nothing moves to a node that has not heard of the newest epoch: it would not keep it": func() scene {
			w := after(clustertest.Cluster(3, 1), want(4, 1), plan.MovingSlots)
			return scene{
				w, want(4, 1), func(v *cluster.View) { info(v, "demo-6").CurrentEpoch = 0 },
				wait(plan.WaitingForClusterState, forming, "slots are to move once their nodes have heard of each other's epochs"),
			}
		},
		"a node that does not find the cluster in order gives nothing; others do": func() scene {
			w := after(clustertest.Cluster(3, 1), want(4, 1), plan.MovingSlots)
			return scene{
				w, want(4, 1), func(v *cluster.View) { info(v, "demo-0").StateOK = false },
				moving(plan.MovingSlots, "moving 1 slot from demo-2 to demo-6 (4096 left)", move(w, "demo-2", "demo-6", slots(15019, 15019))),
			}
		},
		"a new shard that does not find it in order gets nothing": func() scene {
			w := after(clustertest.Cluster(3, 1), want(4, 1), plan.MovingSlots)
			return scene{
				w, want(4, 1), func(v *cluster.View) { info(v, "demo-6").StateOK = false },
				wait(plan.WaitingForClusterState, forming, "demo-6: cluster_state is not ok"),
			}
		},
		"a new shard with keys of its own gets nothing: they would mix": func() scene {
			w := after(clustertest.Cluster(3, 1), want(4, 1), plan.MovingSlots)
			return scene{
				w.Fill("demo-6", 3), want(4, 1), nil,
				wait(plan.StrayKeys, waiting, "demo-6 owns no slots but holds 3 keys: making it a replica would delete them"),
			}
		},
		"nothing moves before all new shards are there, or slots would move twice": func() scene {
			w := after(clustertest.Cluster(3, 0), want(5, 0), plan.MovingSlots)
			return scene{
				w.Fill("demo-4", 3), want(5, 0), nil,
				wait(plan.StrayKeys, waiting, "demo-4 owns no slots but holds 3 keys: making it a replica would delete them"),
			}
		},
		"a node for a new shard is kept, though a shard lacks a replica: another has one too many": func() scene {
			w := clustertest.Cluster(3, 2).Kill("demo-4", "demo-8").Wipe(4, 8)
			_ = w.Apply(plan.CreatePods{Ordinals: []int{4}})
			after(w.Ticks(1), want(4, 1), plan.AttachingReplicas)
			return scene{
				w, want(4, 1), func(v *cluster.View) { info(v, "demo-7").Loading = true },
				attaching(w, "demo-6", "demo-0"),
			}
		},
		"tables that do not agree yet do not stop the next slots": func() scene {
			w := after(clustertest.Cluster(3, 1), want(4, 1), plan.MovingSlots)
			_ = w.Apply(plan.Next(want(4, 1), w.View()).Step)
			return scene{w.Ticks(1), want(4, 1), func(v *cluster.View) {
				line(v, "demo-5", w.ID("demo-0")).Slots = slots(0, 5461)
				line(v, "demo-5", w.ID("demo-6")).Slots = cluster.SlotSet{}
			}, moving(plan.MovingSlots, "moving 4095 slots from 3 shards to demo-6 (4095 left)",
				move(w, "demo-0", "demo-6", slots(4097, 5461)), move(w, "demo-1", "demo-6", slots(9558, 10922)),
				move(w, "demo-2", "demo-6", slots(15019, 16383)))}
		},
		"replicas that are too many make no new shard: pods are created": func() scene {
			return scene{clustertest.Cluster(3, 2), want(5, 0), nil, plan.Decision{
				Step: plan.CreatePods{Ordinals: []int{9}}, Reason: plan.CreatingPods,
				Message: "creating 1 pod of 2 that are missing: 5 pods are wanted", Requeue: forming,
			}}
		},
		"they make room for the new pods, which are not surplus": func() scene {
			w := clustertest.Cluster(3, 2)
			_ = w.Apply(plan.CreatePods{Ordinals: []int{9, 10}})
			w.Stuck("demo-9", true).Stuck("demo-10", true)
			v := w.View()
			return scene{w, want(5, 0), nil, plan.Decision{
				Step: plan.DeletePod{Pod: "demo-8", UID: member(&v, "demo-8").Pod.UID}, Reason: plan.DeletingSurplusPod,
				Message: "demo-8 goes: 5 pods are wanted, and it holds nothing that is needed", Requeue: forming,
			}}
		},
		"slots that nobody owns come first": func() scene {
			w := clustertest.ClusterIn(clustertest.Settings{Ephemeral: true}, 3, 0)
			return scene{
				after(w.Kill("demo-1"), want(4, 0), plan.SlotsUncovered).Ticks(5), want(4, 0), nil,
				wait(plan.SlotsUncovered, waiting, "slots 5462-10922 have no owner, and no node has a copy of them: to give up their data and go on,"+
					" run: kubectl annotate --overwrite -n shop rdc/demo redisoperator.io/give-up-slots=5462-10922"),
			}
		},
	})
}

// undecided is the view of "nothing moves to a node that the source does not know".
func undecided(w *clustertest.World) cluster.View {
	v := w.View()
	line(&v, "demo-0", w.ID("demo-6")).Flags.Handshake = true
	info(&v, "demo-0").Table[0].Addr.IP = member(&v, "demo-6").Pod.IP
	return v
}

func TestNext_Balance(t *testing.T) {
	t.Parallel()
	moved := func(w *clustertest.World, first, last cluster.Slot) plan.Move {
		return move(w, "demo-1", "demo-0", slots(first, last))
	}
	play(t, map[string]func() scene{
		"what was moved by hand is evened out": func() scene {
			w := shifted(3)
			return scene{
				w, threeByOne, nil,
				moving(plan.MovingSlots, "moving 2 slots from demo-1 to demo-0 (2 left)", moved(w, 10921, 10922)),
			}
		},
		"by weight, shares are equal that have the same weight": func() scene {
			return scene{shifted(200), threeByOne, func(v *cluster.View) {
				v.Weights = &cluster.Weights{}
				for slot := range v.Weights {
					v.Weights[slot] = 1
				}
			}, wait(plan.Converged, idle, "3 primaries with 1 replica each, all in sync")}
		},
	})
}

func TestNext_ScaleIn(t *testing.T) {
	t.Parallel()
	drained := func() *clustertest.World {
		return after(clustertest.Cluster(4, 1), want(3, 1), plan.DeletingSurplusPod)
	}
	goes := func(w *clustertest.World, name string) plan.Decision {
		v := w.View()
		return plan.Decision{
			Step: plan.DeletePod{Pod: name, UID: member(&v, name).Pod.UID}, Reason: plan.DeletingSurplusPod, Requeue: forming,
			Message: name + " goes: 6 pods are wanted, and it holds nothing that is needed",
		}
	}
	limited := func(v *cluster.View, megabytes int64) {
		for _, m := range v.Members {
			i := info(v, m.Pod.Name)
			i.DataBytes, i.UsedBytes, i.MaxBytes = 30<<20, 40<<20, megabytes<<20
		}
	}
	draining := func(w *clustertest.World) plan.Decision {
		return moving(plan.DrainingShards, "moving 4096 slots from demo-3 to 3 shards (4096 left)",
			move(w, "demo-3", "demo-0", slots(12288, 13653)), move(w, "demo-3", "demo-1", slots(15019, 16383)),
			move(w, "demo-3", "demo-2", slots(13654, 15018)))
	}
	play(t, map[string]func() scene{
		"slots go straight to where they belong in the end": func() scene {
			w := clustertest.Cluster(4, 1)
			return scene{w, want(3, 1), nil, draining(w)}
		},
		"no pod goes before, though there are replicas too many": func() scene {
			w := clustertest.Cluster(4, 1)
			return scene{w, want(3, 0), nil, draining(w)}
		},
		"a target without its replica waits for it": func() scene {
			w := clustertest.Cluster(4, 1)
			return scene{
				w, want(3, 1), func(v *cluster.View) { info(v, "demo-5").LinkUp = false },
				moving(plan.DrainingShards, "moving 2730 slots from demo-3 to 2 shards (4096 left)",
					move(w, "demo-3", "demo-1", slots(15019, 16383)), move(w, "demo-3", "demo-2", slots(13654, 15018))),
			}
		},
		"a lost replica of a shard that leaves is made again: it is whole until it is empty": func() scene {
			return scene{clustertest.Cluster(4, 1).Kill("demo-4"), want(3, 1), nil, plan.Decision{
				Step: plan.CreatePods{Ordinals: []int{4}}, Reason: plan.CreatingPods,
				Message: "creating 1 pod: 8 pods are wanted", Requeue: forming,
			}}
		},
		"more replicas wait for those that are set free": func() scene {
			w := clustertest.Cluster(4, 1)
			return scene{w, want(3, 2), nil, draining(w)}
		},
		"the replica of an empty shard goes first, and copies nothing before": func() scene {
			w := drained()
			return scene{w, want(3, 1), nil, goes(w, "demo-4")}
		},
		"the empty primary stays while it is followed": func() scene {
			w := drained()
			return scene{
				w, want(3, 1), func(v *cluster.View) { info(v, "demo-4").LinkUp = false },
				wait(plan.WaitingForSync, forming, "demo-4 copies the data of its primary"),
			}
		},
		"then it goes": func() scene {
			w := drained()
			_ = w.Apply(goes(w, "demo-4").Step)
			after(w.Ticks(3), want(3, 1), plan.DeletingSurplusPod)
			return scene{w, want(3, 1), nil, goes(w, "demo-3")}
		},
		"what is set free is used again where replicas are wanted": func() scene {
			w := after(clustertest.Cluster(4, 1), want(3, 2), plan.AttachingReplicas)
			return scene{w, want(3, 2), func(v *cluster.View) {
				v.Members = v.Members[:7] // one replica has gone in the meantime
			}, plan.Decision{
				Step: plan.CreatePods{Ordinals: []int{7, 8}}, Reason: plan.CreatingPods,
				Message: "creating 2 pods: 9 pods are wanted", Requeue: forming,
			}}
		},
		"a primary that was emptied and whose replica lost it finds another": func() scene {
			w := drained().Kill("demo-3").Wipe(3).Ticks(5)
			after(w, want(3, 1), plan.AttachingReplicas)
			return scene{w, want(3, 1), nil, attaching(w, "demo-4", "demo-0")}
		},
		"asked back, an empty shard gets slots again, with the replica that it has": func() scene {
			w := drained()
			return scene{
				w, want(4, 1), nil,
				moving(plan.MovingSlots, "moving 1 slot from demo-0 to demo-3 (4096 left)", move(w, "demo-0", "demo-3", slots(12288, 12288))),
			}
		},
		"what does not fit stays": func() scene {
			return scene{
				clustertest.Cluster(4, 1), want(2, 1), func(v *cluster.View) { limited(v, 64) },
				wait(plan.DataDoesNotFit, waiting, "the data does not fit into 2 primaries:"+
					" demo-0 would need 70.0 MiB (maxmemory 64.0 MiB) and demo-1 would need 70.0 MiB (maxmemory 64.0 MiB)"),
			}
		},
		"what just fits goes": func() scene {
			w := clustertest.Cluster(4, 1)
			return scene{w, want(3, 1), func(v *cluster.View) { limited(v, 51) }, draining(w)}
		},
		"what is dropped need not fit": func() scene {
			w, wanted := clustertest.Cluster(4, 1), want(3, 1)
			wanted.Overfill = true
			return scene{w, wanted, func(v *cluster.View) { limited(v, 41) }, draining(w)}
		},
		"what weighs too much does not fit": func() scene {
			return scene{
				clustertest.Cluster(4, 1), want(3, 1), func(v *cluster.View) {
					limited(v, 51)
					v.Weights = &cluster.Weights{}
					for slot := range v.Weights {
						v.Weights[slot] = 10 << 10
					}
				},
				wait(plan.DataDoesNotFit, waiting, "the data does not fit into 3 primaries: demo-0 would need 53.3 MiB"+
					" (maxmemory 51.0 MiB), demo-1 would need 53.3 MiB (maxmemory 51.0 MiB) and demo-2 would need 53.3 MiB (maxmemory 51.0 MiB)"),
			}
		},
	})
}

func TestNext_Paused(t *testing.T) {
	t.Parallel()
	paused := want(4, 1)
	paused.Paused = true
	rests := wait(plan.Paused, idle, "spec.paused is true: nothing is begun and nothing is repaired until it is false again")
	play(t, map[string]func() scene{
		"nothing is begun": func() scene { return scene{clustertest.Cluster(3, 1), paused, nil, rests} },
		"no slot is moved": func() scene {
			return scene{after(clustertest.Cluster(3, 1), want(4, 1), plan.MovingSlots), paused, nil, rests}
		},
		"no pod is created": func() scene { return scene{clustertest.Cluster(3, 1).Kill("demo-1").Ticks(6), paused, nil, rests} },
		"a slot that is half way is brought to its end": func() scene {
			w := clustertest.Cluster(3, 1).Open(42, "half")
			return scene{w, paused, nil, closing("finishing the move of 1 slot from demo-0 to demo-1",
				plan.CloseSlots{Finish: []plan.Move{move(w, "demo-0", "demo-1", slots(42, 42))}})}
		},
		"a slot of which nothing has gone stays": func() scene {
			w := clustertest.Cluster(3, 1).Open(42, "import")
			return scene{w, paused, nil, closing("taking back the move of 1 slot from demo-0 to demo-1",
				plan.CloseSlots{Undo: []plan.Move{move(w, "demo-0", "demo-1", slots(42, 42))}})}
		},
		"a slot that is half way to a node that is not there is not forgotten": func() scene {
			w := clustertest.Cluster(3, 1).Open(42, "half")
			id := w.ID("demo-1").Short()
			return scene{w.Restart("demo-1"), paused, nil, wait(plan.SlotsHalfMoved, waiting,
				fmt.Sprintf("slots 42 are open at demo-0, and node %s is not there", id))}
		},
		"nothing is closed while a stranger is there": func() scene {
			w := clustertest.Cluster(3, 1).Open(42, "half").Stranger("192.168.0.9").Ticks(3)
			id := stranger(w.View())
			return scene{w, paused, nil, wait(plan.ForeignNodes, waiting, fmt.Sprintf("demo-0, demo-1, demo-2, demo-3 and 2 more"+
				" know %s at 192.168.0.9, in no pod of this cluster: nothing is met or changed while it is alive", id.Short()))}
		},
		"migrations of the servers go on": func() scene {
			w := after(clustertest.ClusterIn(clustertest.Settings{Atomic: true}, 3, 1), want(4, 1), plan.MovingSlots)
			_ = w.Apply(plan.Next(want(4, 1), w.View()).Step)
			return scene{w, paused, nil, rests}
		},
	})
}
