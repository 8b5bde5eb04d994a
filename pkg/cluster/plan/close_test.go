package plan_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

func closing(message string, step plan.CloseSlots) plan.Decision {
	return plan.Decision{Step: step, Reason: plan.ClosingSlots, Message: message, Requeue: now}
}

// opened is a cluster whose slot 42 is open from demo-0 to demo-1 at a stage.
func opened(at string) *clustertest.World { return clustertest.Cluster(3, 1).Open(42, at) }

// finishing is the move of slot 42 that goes on.
func finishing(w *clustertest.World, from, to string, failedOver bool) plan.Decision {
	m := move(w, from, to, slots(42, 42))
	m.FailedOver = failedOver
	return closing("finishing the move of 1 slot from "+from+" to "+to, plan.CloseSlots{Finish: []plan.Move{m}})
}

// undoing is the move of slot 42 that is taken back.
func undoing(w *clustertest.World, from, to string) plan.Decision {
	return closing("taking back the move of 1 slot from "+from+" to "+to,
		plan.CloseSlots{Undo: []plan.Move{move(w, from, to, slots(42, 42))}})
}

// clearing is the mark of slot 42 taken away.
func clearing(w *clustertest.World, at, owner string) plan.Decision {
	return closing("closing 1 slot at "+at, plan.CloseSlots{Clear: []plan.Mark{{
		End: plan.End{Pod: at, Node: w.ID(at)}, Slots: slots(42, 42), Owner: w.ID(owner),
	}}})
}

// mark gives a node a mark, in a view.
func mark(v *cluster.View, name string, open cluster.OpenSlot) {
	l := line(v, name, member(v, name).ID())
	l.Open = append(slices.Clone(l.Open), open)
}

// crowded has demo-1 leave rather than demo-2: its replica is in its zone.
func crowded(v *cluster.View) {
	member(v, "demo-5").Pod.Zone = member(v, "demo-1").Pod.Zone
}

const back = "slots 42 are half way from demo-0 to demo-1, and one of them has just come back: it does not serve yet"

func TestNext_Close(t *testing.T) {
	t.Parallel()
	scenes := map[string]func() scene{
		"taken by the target, and the source has only its mark: that goes": func() scene {
			w := opened("taken")
			return scene{w, threeByOne, nil, clearing(w, "demo-0", "demo-1")}
		},
		"taken by the target, and the source has not heard of it: its claim is older": func() scene {
			w := opened("taken")
			return scene{w, threeByOne, func(v *cluster.View) {
				line(v, "demo-0", w.ID("demo-0")).Slots = slots(0, 5461)
			}, clearing(w, "demo-0", "demo-1")}
		},
		"the target is to leave: it is taken back": func() scene {
			w := opened("half")
			return scene{w, want(2, 1), crowded, undoing(w, "demo-0", "demo-1")}
		},
		"the target is to leave, and nothing has gone: the mark goes with the undoing": func() scene {
			w := opened("import")
			return scene{w, want(2, 1), crowded, undoing(w, "demo-0", "demo-1")}
		},
		"a new shard that is not wanted any more": func() scene {
			w := after(clustertest.Cluster(3, 1), want(4, 1), plan.MovingSlots).Cut("half")
			_ = w.Apply(plan.Next(want(4, 1), w.View()).Step)
			m := move(w, "demo-0", "demo-6", slots(4096, 4096))
			return scene{w, threeByOne, nil, closing("taking back the move of 1 slot from demo-0 to demo-6", plan.CloseSlots{Undo: []plan.Move{m}})}
		},
		"the source has failed over: keys may be at both ends, and which is newer is not known": func() scene {
			w := clustertest.ClusterIn(clustertest.Settings{Ephemeral: true}, 3, 1).Open(42, "half").Kill("demo-0")
			after(w, threeByOne, plan.ClosingSlots)
			return scene{w, threeByOne, nil, finishing(w, "demo-4", "demo-1", true)}
		},
		"the source has failed over, and its replica knew of it (Valkey): the same": func() scene {
			w := clustertest.ClusterIn(clustertest.Settings{CopyMarks: true}, 3, 1).Open(42, "half").Ticks(1).Kill("demo-0").Wipe(0)
			after(w, threeByOne, plan.ClosingSlots)
			return scene{w, threeByOne, nil, finishing(w, "demo-4", "demo-1", true)}
		},
		"the source has failed over, and the target is to leave": func() scene {
			w := clustertest.ClusterIn(clustertest.Settings{Ephemeral: true}, 3, 1).Open(42, "half").Kill("demo-0")
			after(w, threeByOne, plan.ClosingSlots)
			d := undoing(w, "demo-4", "demo-1")
			d.Step.(plan.CloseSlots).Undo[0].FailedOver = true
			return scene{w, want(2, 1), crowded, d}
		},
		"the target has failed over and is back: it goes on to who took its place": func() scene {
			w := opened("half").Kill("demo-1").Ticks(6)
			after(w, threeByOne, plan.ClosingSlots)
			return scene{w, threeByOne, nil, finishing(w, "demo-0", "demo-5", false)}
		},
		"the target has failed over and is gone: all who may have taken its place give back what they have": func() scene {
			w := clustertest.ClusterIn(clustertest.Settings{Ephemeral: true}, 3, 1).Open(42, "half")
			id := w.ID("demo-1")
			after(w.Kill("demo-1"), threeByOne, plan.ClosingSlots)
			return scene{w, threeByOne, nil, closing(
				"taking back 1 slot from whoever has some of their keys, but for those that only node "+id.Short()+" had",
				plan.CloseSlots{Undo: []plan.Move{move(w, "demo-0", "demo-2", slots(42, 42)), move(w, "demo-0", "demo-5", slots(42, 42))}})}
		},
		"the target has just come back: it may have been replaced, and take slots with a newer epoch than who replaced it": func() scene {
			return scene{opened("half"), threeByOne, func(v *cluster.View) {
				member(v, "demo-1").Info.StateOK = false
			}, wait(plan.WaitingForClusterState, forming, back)}
		},
		"the source has just come back: so may it": func() scene {
			return scene{opened("half"), threeByOne, func(v *cluster.View) {
				member(v, "demo-0").Info.StateOK = false
			}, wait(plan.WaitingForClusterState, forming, back)}
		},
		"the target does not serve, because others are down: that is no reason": func() scene {
			w := opened("half")
			return scene{w, threeByOne, func(v *cluster.View) {
				member(v, "demo-1").Info.StateOK = false
				line(v, "demo-1", w.ID("demo-2")).Flags.PFail = true
			}, finishing(w, "demo-0", "demo-1", false)}
		},
		"the target is away: it is waited for": func() scene {
			w := opened("half").Restart("demo-1")
			return scene{w, threeByOne, nil, wait(plan.WaitingForNodes, waiting,
				"demo-1 does not answer: dial tcp 10.0.0.6:6379: connect: connection refused")}
		},
		"the target may be on a volume without a pod: that gets one": func() scene {
			w := after(clustertest.Cluster(3, 1), want(4, 1), plan.MovingSlots).Cut("half")
			_ = w.Apply(plan.Next(want(4, 1), w.View()).Step)
			return scene{w.Kill("demo-6").Ticks(1), threeByOne, nil, plan.Decision{
				Step: plan.CreatePods{Ordinals: []int{6}}, Reason: plan.CreatingPods, Requeue: forming,
				Message: "creating 1 pod, whose volumes may have slots that nobody has: 6 pods are wanted",
			}}
		},
		"the target is a replica of the source: nothing is half way any more": func() scene {
			w := opened("marked")
			return scene{w, want(2, 2), func(v *cluster.View) {
				self := line(v, "demo-1", w.ID("demo-1"))
				self.Role, self.PrimaryID, self.Slots, self.Open = cluster.Replica, w.ID("demo-0"), cluster.SlotSet{}, nil
				line(v, "demo-2", w.ID("demo-2")).Slots = slots(5462, 16383)
				line(v, "demo-5", w.ID("demo-5")).PrimaryID = w.ID("demo-2")
			}, clearing(w, "demo-0", "demo-0")}
		},
		"the source loads its data: later": func() scene {
			w := opened("half")
			return scene{
				w, threeByOne, func(v *cluster.View) { info(v, "demo-0").Loading = true },
				wait(plan.WaitingForNodes, waiting, "demo-0 loads its data"),
			}
		},
		"the target has not heard of the source's epoch: later": func() scene {
			w := opened("half")
			return scene{
				w, threeByOne, func(v *cluster.View) { info(v, "demo-1").CurrentEpoch = 0 },
				wait(plan.WaitingForClusterState, forming, "slots 42 are half way from demo-0 to demo-1, which have yet to hear of each other"),
			}
		},
		"the owner imports its own slot: the mark goes": func() scene {
			w := clustertest.Cluster(3, 1)
			return scene{w, threeByOne, func(v *cluster.View) {
				mark(v, "demo-0", cluster.OpenSlot{Slot: 42, Importing: true, Peer: w.ID("demo-2")})
			}, clearing(w, "demo-0", "demo-0")}
		},
		"two import what one gives: first it gets to where its owner sends it": func() scene {
			w := opened("half")
			return scene{w, threeByOne, func(v *cluster.View) {
				mark(v, "demo-2", cluster.OpenSlot{Slot: 42, Importing: true, Peer: w.ID("demo-0")})
			}, finishing(w, "demo-0", "demo-1", false)}
		},
		"marks of replicas mean nothing": func() scene {
			w := clustertest.Cluster(3, 1)
			return scene{w, threeByOne, func(v *cluster.View) {
				mark(v, "demo-4", cluster.OpenSlot{Slot: 42, Importing: true, Peer: w.ID("demo-1")})
			}, wait(plan.Converged, idle, "3 primaries with 1 replica each, all in sync")}
		},
		"slots of several moves are closed in one step": func() scene {
			w := clustertest.Cluster(3, 1).Open(42, "half").Open(43, "taken").Open(6000, "marked")
			both := closing("finishing the move of 2 slots from 2 shards to 2 shards and closing 1 slot at demo-0", plan.CloseSlots{
				Finish: []plan.Move{move(w, "demo-0", "demo-1", slots(42, 42)), move(w, "demo-1", "demo-0", slots(6000, 6000))},
				Clear:  []plan.Mark{{End: plan.End{Pod: "demo-0", Node: w.ID("demo-0")}, Slots: slots(43, 43), Owner: w.ID("demo-1")}},
			})
			return scene{w, threeByOne, nil, both}
		},
		"a pod with part of a slot is not deleted, nor who copies it": func() scene {
			w := after(clustertest.Cluster(3, 1), want(4, 1), plan.MovingSlots).Cut("half")
			_ = w.Apply(plan.Next(want(4, 1), w.View()).Step)
			return scene{w, threeByOne, func(v *cluster.View) {
				info(v, "demo-6").CurrentEpoch = 0 // so that it cannot be closed now
			}, wait(plan.WaitingForClusterState, forming, "slots 4096 are half way from demo-0 to demo-6, which have yet to hear of each other")}
		},
		"who has part of a slot is not forgotten": func() scene {
			w := clustertest.ClusterIn(clustertest.Settings{Ephemeral: true}, 3, 1)
			after(w, want(4, 1), plan.MovingSlots).Cut("half")
			_ = w.Apply(plan.Next(want(4, 1), w.View()).Step)
			w.Kill("demo-6")
			after(w, want(4, 1), plan.PromotingReplica)
			return scene{w, want(4, 1), nil, plan.Decision{
				Step: plan.Failover{Pod: "demo-7", Node: w.ID("demo-7"), Primary: gone(w)}, Reason: plan.PromotingReplica, Requeue: now,
				Message: fmt.Sprintf("demo-7 takes the place of node %s, which is gone", gone(w).Short()),
			}}
		},
	}
	for _, at := range []string{"import", "marked", "half", "twice", "emptied"} {
		scenes["cut when "+at+": it goes on"] = func() scene {
			w := opened(at)
			return scene{w, threeByOne, nil, finishing(w, "demo-0", "demo-1", false)}
		}
	}
	play(t, scenes)
}

// gone is the node that demo-7 follows.
func gone(w *clustertest.World) cluster.NodeID {
	v := w.View()
	return member(&v, "demo-7").Follows()
}

// TestNext_CloseNothingElse has every stage closed, and not one key lost.
func TestNext_CloseNothingElse(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"import", "marked", "half", "twice", "emptied", "taken", "given"} {
		w := after(opened(at), threeByOne, plan.Converged)
		if w.Held() != cluster.AllSlots() || !w.Misplaced().IsEmpty() || !w.Stray().IsEmpty() {
			t.Errorf("%s: misplaced %s, stray %s\n%s", at, w.Misplaced(), w.Stray(), w)
		}
	}
}

func TestNext_Migrations(t *testing.T) {
	t.Parallel()
	// begun is a cluster whose servers move the first slot to a new shard.
	begun := func() *clustertest.World {
		w := after(clustertest.ClusterIn(clustertest.Settings{Atomic: true}, 3, 1), want(4, 1), plan.MovingSlots)
		if err := w.Apply(plan.Next(want(4, 1), w.View()).Step); err != nil {
			panic(err)
		}
		return w
	}
	task := func(source, target cluster.NodeID, slots cluster.SlotSet) cluster.SlotTask {
		return cluster.SlotTask{ID: "by hand", Source: source, Target: target, Slots: slots}
	}
	cancelling := func(w *clustertest.World, id string, pods ...string) plan.Decision {
		var cancels []plan.Cancel
		for _, pod := range pods {
			cancels = append(cancels, plan.Cancel{End: plan.End{Pod: pod, Node: w.ID(pod)}, Tasks: []string{id}})
		}
		return closing(fmt.Sprintf("cancelling %d migrations at %d shards: the slots are to be elsewhere", len(pods), len(pods)),
			plan.CloseSlots{Cancel: cancels})
	}
	play(t, map[string]func() scene{
		"what is wanted goes on: it is joined": func() scene {
			w := begun()
			return scene{
				w, want(4, 1), nil,
				moving(plan.MovingSlots, "moving 1 slot from demo-0 to demo-6 (4096 left)", move(w, "demo-0", "demo-6", slots(4096, 4096))),
			}
		},
		"what is not wanted any more is cancelled at both ends": func() scene {
			w := begun()
			v := w.View()
			return scene{w, threeByOne, nil, cancelling(w, member(&v, "demo-0").Info.Tasks[0].ID, "demo-0", "demo-6")}
		},
		"it is cancelled before pods for yet more shards are created": func() scene {
			w := clustertest.Cluster(3, 1)
			return scene{w, want(5, 1), func(v *cluster.View) {
				info(v, "demo-0").Tasks = []cluster.SlotTask{task(w.ID("demo-0"), w.ID("demo-1"), slots(0, 99))}
				info(v, "demo-1").Tasks = info(v, "demo-0").Tasks
			}, cancelling(w, "by hand", "demo-0", "demo-1")}
		},
		"nothing is cancelled while a stranger is among the nodes": func() scene {
			w := begun().Stranger("192.168.0.7").Ticks(1)
			d := plan.Next(want(4, 1), w.View())
			return scene{w, threeByOne, nil, wait(plan.ForeignNodes, waiting, d.Message)}
		},
		"one that leaves its source with less than its share is cancelled, too": func() scene {
			w := after(clustertest.Cluster(3, 1), want(4, 1), plan.MovingSlots)
			_ = w.Apply(plan.Next(want(4, 1), w.View()).Step)
			return scene{w.Ticks(1), want(8, 1), func(v *cluster.View) {
				info(v, "demo-6").Tasks = []cluster.SlotTask{task(w.ID("demo-6"), w.ID("demo-0"), slots(4096, 4096))}
				info(v, "demo-0").Tasks = info(v, "demo-6").Tasks
			}, cancelling(w, "by hand", "demo-0", "demo-6")}
		},
		"one that fits in any case goes on while pods are created": func() scene {
			w := after(clustertest.Cluster(3, 1), want(4, 1), plan.MovingSlots)
			_ = w.Apply(plan.Next(want(4, 1), w.View()).Step)
			return scene{w.Ticks(1), want(5, 1), func(v *cluster.View) {
				info(v, "demo-0").Tasks = []cluster.SlotTask{task(w.ID("demo-0"), w.ID("demo-6"), slots(4097, 5461))}
				info(v, "demo-6").Tasks = info(v, "demo-0").Tasks
			}, plan.Decision{
				Step: plan.CreatePods{Ordinals: []int{8}}, Reason: plan.CreatingPods,
				Message: "creating 1 pod of 2 that are missing: 10 pods are wanted", Requeue: forming,
			}}
		},
		"nothing is cancelled by an incomplete view": func() scene {
			w := begun()
			return scene{w.Hide("demo-4", true), threeByOne, nil, wait(plan.WaitingForNodes, waiting,
				"demo-4 does not answer: dial tcp 10.0.0.15:6379: i/o timeout")}
		},
	})
}
