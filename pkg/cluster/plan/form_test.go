package plan_test

import (
	"fmt"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

func TestNext_View(t *testing.T) {
	t.Parallel()
	play(t, map[string]func() scene{
		"until all nodes are seen nobody gets slots": func() scene {
			return scene{
				born(6).Hide("demo-4", true), unformed, nil,
				wait(plan.WaitingForNodes, forming, "demo-4 does not answer: dial tcp 10.0.0.16:6379: i/o timeout"),
			}
		},
		"a pod that cannot be scheduled is named with what is wrong": func() scene {
			w := clustertest.New(clustertest.Settings{})
			_ = w.Apply(plan.CreatePods{Ordinals: []int{0, 1, 2, 3, 4, 5}})
			return scene{w.Stuck("demo-3", true).Ticks(1), unformed, nil, wait(plan.WaitingForPods, waiting,
				"demo-3 has not started: Unschedulable: 0/3 nodes are available: insufficient memory")}
		},
		"a node that loads its data is waited for": func() scene {
			return scene{
				clustertest.Cluster(3, 1), threeByOne, func(v *cluster.View) { info(v, "demo-4").Loading = true },
				wait(plan.WaitingForNodes, waiting, "demo-4 loads its data"),
			}
		},
		"many are named few": func() scene {
			w := clustertest.New(clustertest.Settings{})
			_ = w.Apply(plan.CreatePods{Ordinals: []int{0, 1, 2, 3, 4, 5}})
			return scene{w, unformed, nil, wait(plan.WaitingForPods, waiting, "demo-0 has not started, demo-1 has not started,"+
				" demo-2 has not started, demo-3 has not started and 2 more")}
		},
		"two pods with one identity stop everything": func() scene {
			w := clustertest.Cluster(3, 1)
			return scene{
				w, threeByOne, func(v *cluster.View) { member(v, "demo-5").Info = member(v, "demo-2").Info },
				wait(plan.TwinNodes, waiting, fmt.Sprintf("demo-2 and demo-5 are the same node %s:"+
					" one has the other's volume, or a copy", w.ID("demo-2").Short())),
			}
		},
		"a stranger stops everything": func() scene {
			w := clustertest.Cluster(3, 1).Stranger("192.168.0.9").Ticks(3)
			id := stranger(w.View())
			return scene{w, threeByOne, nil, wait(plan.ForeignNodes, waiting, fmt.Sprintf("demo-0, demo-1, demo-2, demo-3 and 2 more"+
				" know %s at 192.168.0.9, in no pod of this cluster: nothing is met or changed while it is alive", id.Short()))}
		},
		"a stranger is not forgotten while it lives": func() scene {
			w := clustertest.Cluster(3, 1).Stranger("192.168.0.9").Ticks(3)
			id := stranger(w.View())
			return scene{w, threeByOne, func(v *cluster.View) {
				for _, m := range v.Members[1:] {
					line(v, m.Pod.Name, id).Flags.Fail = true
				}
			}, wait(plan.ForeignNodes, waiting, fmt.Sprintf("demo-0, demo-1, demo-2, demo-3 and 2 more"+
				" know %s at 192.168.0.9, in no pod of this cluster: nothing is met or changed while it is alive", id.Short()))}
		},
		"a node at the address of a pod that was not seen is that pod's": func() scene {
			return scene{
				clustertest.Cluster(3, 1).Hide("demo-5", true), threeByOne, nil,
				wait(plan.WaitingForNodes, waiting, "demo-5 does not answer: dial tcp 10.0.0.18:6379: i/o timeout"),
			}
		},
		"a node that was never heard is no stranger": func() scene {
			w := clustertest.Cluster(3, 1).Stranger("192.168.0.9").Ticks(3)
			id := stranger(w.View())
			return scene{w, threeByOne, func(v *cluster.View) {
				for _, m := range v.Members {
					line(v, m.Pod.Name, id).Awaited = true
				}
			}, wait(plan.WaitingForClusterState, forming, settling(id))}
		},
	})
}

// stranger is the node that is in no pod.
func stranger(v cluster.View) cluster.NodeID { return v.Ghosts()[0].ID }

// settling is what is said while nobody has given up a node that is in no pod.
func settling(id cluster.NodeID) string {
	return "demo-0, demo-1, demo-2, demo-3 and 2 more: node " + id.Short() + " is in no pod, and not given up yet"
}

func TestNext_Slots(t *testing.T) {
	t.Parallel()
	first, second, third := slots(0, 5461), slots(5462, 10922), slots(10923, 16383)
	play(t, map[string]func() scene{
		"slots are given in contiguous ranges, each primary with an epoch of its own": func() scene {
			w := born(6)
			return scene{w, unformed, nil, plan.Decision{
				Step: plan.AddSlots{Grants: []plan.Grant{
					{Pod: "demo-0", Node: w.ID("demo-0"), Epoch: 1, Slots: first},
					{Pod: "demo-1", Node: w.ID("demo-1"), Epoch: 2, Slots: second},
					{Pod: "demo-2", Node: w.ID("demo-2"), Epoch: 3, Slots: third},
				}},
				Reason: plan.AddingSlots, Message: "giving 16384 slots to 3 primaries", Requeue: now,
			}}
		},
		"a bootstrap that was cut is finished as it would have been": func() scene {
			w := born(6)
			_ = w.Apply(plan.AddSlots{Grants: []plan.Grant{{Pod: "demo-1", Node: w.ID("demo-1"), Epoch: 2, Slots: second}}})
			return scene{w, unformed, nil, plan.Decision{
				Step: plan.AddSlots{Grants: []plan.Grant{
					{Pod: "demo-0", Node: w.ID("demo-0"), Epoch: 1, Slots: first},
					{Pod: "demo-2", Node: w.ID("demo-2"), Epoch: 3, Slots: third},
				}},
				Reason: plan.AddingSlots, Message: "giving 10923 slots to 2 primaries", Requeue: now,
			}}
		},
		"an epoch that was set before the cut is not set again": func() scene {
			w := born(6)
			_ = w.Apply(plan.AddSlots{Grants: []plan.Grant{{Pod: "demo-1", Node: w.ID("demo-1"), Epoch: 2}}})
			return scene{w, unformed, nil, plan.Decision{
				Step: plan.AddSlots{Grants: []plan.Grant{
					{Pod: "demo-0", Node: w.ID("demo-0"), Epoch: 1, Slots: first},
					{Pod: "demo-1", Node: w.ID("demo-1"), Slots: second},
					{Pod: "demo-2", Node: w.ID("demo-2"), Epoch: 3, Slots: third},
				}},
				Reason: plan.AddingSlots, Message: "giving 16384 slots to 3 primaries", Requeue: now,
			}}
		},
		"a node that knows another keeps its epoch": func() scene {
			w := born(6).Meet("demo-0", "demo-3").Ticks(1)
			return scene{w, unformed, nil, plan.Decision{
				Step: plan.AddSlots{Grants: []plan.Grant{
					{Pod: "demo-0", Node: w.ID("demo-0"), Slots: first},
					{Pod: "demo-1", Node: w.ID("demo-1"), Epoch: freeEpoch(w, 0), Slots: second},
					{Pod: "demo-2", Node: w.ID("demo-2"), Epoch: freeEpoch(w, 1), Slots: third},
				}},
				Reason: plan.AddingSlots, Message: "giving 16384 slots to 3 primaries", Requeue: now,
			}}
		},
		"the spec was changed in the middle: what nodes own stays, the rest is shared": func() scene {
			w := born(4)
			_ = w.Apply(plan.AddSlots{Grants: []plan.Grant{{Pod: "demo-0", Node: w.ID("demo-0"), Epoch: 1, Slots: first}}})
			return scene{w, plan.Wanted{Primaries: 4, ZoneAware: true}, nil, plan.Decision{
				Step: plan.AddSlots{Grants: []plan.Grant{
					{Pod: "demo-1", Node: w.ID("demo-1"), Epoch: 2, Slots: slots(5462, 9557)},
					{Pod: "demo-2", Node: w.ID("demo-2"), Epoch: 3, Slots: slots(9558, 13653)},
					{Pod: "demo-3", Node: w.ID("demo-3"), Epoch: 4, Slots: slots(13654, 16383)},
				}},
				Reason: plan.AddingSlots, Message: "giving 10922 slots to 3 primaries", Requeue: now,
			}}
		},
		"slots that were lost are not given again": func() scene {
			w := clustertest.ClusterIn(clustertest.Settings{Ephemeral: true}, 3, 0)
			wanted := want(3, 0)
			return scene{
				after(w.Kill("demo-1"), wanted, plan.SlotsUncovered).Ticks(5), wanted, nil,
				wait(plan.SlotsUncovered, waiting, "slots 5462-10922 have no owner, and no node has a copy of them: to give up their data and go on,"+
					" run: kubectl annotate --overwrite -n shop rdc/demo redisoperator.io/give-up-slots=5462-10922"),
			}
		},
		"slots that nobody even remembers are not given again": func() scene {
			return scene{born(6).Ticks(1), threeByOne, nil, meetAll(6)}
		},
		"slots of a pod that went before the cluster was formed are given anew": func() scene {
			w := clustertest.New(clustertest.Settings{Ephemeral: true})
			wanted := plan.Wanted{Primaries: 3, ZoneAware: true}
			after(w, wanted, plan.MeetingNodes)
			_ = w.Apply(plan.Next(wanted, w.View()).Step)
			after(w.Ticks(1).Kill("demo-1"), wanted, plan.AddingSlots)
			return scene{w, wanted, nil, plan.Decision{
				Step: plan.AddSlots{Grants: []plan.Grant{{
					Pod: "demo-1", Node: w.ID("demo-1"), Epoch: grantEpoch(w), Slots: second,
				}}},
				Reason: plan.AddingSlots, Message: "giving 5461 slots to 1 primary", Requeue: now,
			}}
		},
	})
}

// freeEpoch is the nth epoch that no node has.
func freeEpoch(w *clustertest.World, n int) uint64 {
	used := map[uint64]bool{}
	for _, m := range w.View().Members {
		for _, l := range m.Info.Table {
			used[l.ConfigEpoch] = true
		}
	}
	for epoch := uint64(1); ; epoch++ {
		if used[epoch] {
			continue
		}
		if n == 0 {
			return epoch
		}
		n--
	}
}

// grantEpoch is the epoch that a new node gets: none once it knows others.
func grantEpoch(w *clustertest.World) uint64 {
	v := w.View()
	if len(member(&v, "demo-1").Info.Table) > 1 {
		return 0
	}
	return freeEpoch(w, 0)
}

// meetAll is a full mesh of strangers.
func meetAll(n int) plan.Decision {
	var step plan.Meet
	for i := range n {
		m := plan.Meeting{Pod: fmt.Sprintf("demo-%d", i)}
		for distance := 1; distance < n; distance++ {
			m.Peers = append(m.Peers, fmt.Sprintf("demo-%d", (i+distance)%n))
		}
		step.Meetings = append(step.Meetings, m)
	}
	return plan.Decision{
		Step: step, Reason: plan.MeetingNodes, Requeue: forming,
		Message: fmt.Sprintf("%d nodes are to learn where another is, first demo-0 of demo-1, demo-2, demo-3, demo-4 and demo-5", n*(n-1)),
	}
}

func TestNext_Meet(t *testing.T) {
	t.Parallel()
	play(t, map[string]func() scene{
		"nodes that know nobody meet in a full mesh": func() scene {
			w := born(6)
			_ = w.Apply(plan.Next(unformed, w.View()).Step)
			return scene{w, unformed, nil, meetAll(6)}
		},
		"nobody is met twice while hands are shaken": func() scene {
			w := born(6)
			_ = w.Apply(plan.Next(unformed, w.View()).Step)
			_ = w.Apply(meetAll(6).Step)
			return scene{w, unformed, nil, wait(plan.WaitingForClusterState, forming, "demo-0: demo-1 is not known yet;"+
				" demo-1, demo-2, demo-3, demo-4 and demo-5: demo-0 is not known yet; demo-0, demo-1 and demo-2: it lacks 1 replica")}
		},
		"a node that came back elsewhere is introduced anew": func() scene {
			w := clustertest.Cluster(3, 0)
			wanted := want(3, 0)
			w.Kill("demo-2")
			_ = w.Apply(plan.CreatePods{Ordinals: []int{2}})
			return scene{w.Ticks(1), wanted, func(v *cluster.View) {
				for _, name := range []string{"demo-0", "demo-1"} {
					line(v, name, w.ID("demo-2")).Addr.IP = "10.0.0.9"
				}
			}, plan.Decision{
				Step:   plan.Meet{Meetings: []plan.Meeting{{Pod: "demo-0", Peers: []string{"demo-2"}}, {Pod: "demo-1", Peers: []string{"demo-2"}}}},
				Reason: plan.MeetingNodes, Requeue: forming,
				Message: "2 nodes are to learn where another is, first demo-0 of demo-2",
			}}
		},
		"a node without an address is introduced anew": func() scene {
			w := clustertest.Cluster(1, 1)
			return scene{w, plan.Wanted{Primaries: 1, Replicas: 1, Bootstrapped: true, ZoneAware: true}, func(v *cluster.View) {
				l := line(v, "demo-0", w.ID("demo-1"))
				l.Addr, l.Flags.NoAddr = cluster.Addr{}, true
			}, plan.Decision{
				Step:   plan.Meet{Meetings: []plan.Meeting{{Pod: "demo-0", Peers: []string{"demo-1"}}}},
				Reason: plan.MeetingNodes, Requeue: forming,
				Message: "1 node is to learn where another is, first demo-0 of demo-1",
			}}
		},
		"nobody meets a node whose pod is stopping": func() scene {
			w := clustertest.Cluster(1, 1).Stop("demo-1")
			return scene{w, plan.Wanted{Primaries: 1, Replicas: 1, Bootstrapped: true, ZoneAware: true}, func(v *cluster.View) {
				line(v, "demo-0", w.ID("demo-1")).Addr.IP = "10.0.0.99"
			}, wait(plan.WaitingForPods, waiting, "demo-1 is stopping")}
		},
	})
}

func TestNext_LargeMesh(t *testing.T) {
	t.Parallel()
	const n = 50
	w := born(n)
	wanted := plan.Wanted{Primaries: n}
	most := 0
	for range 20 {
		d := plan.Next(wanted, w.View())
		if meet, ok := d.Step.(plan.Meet); ok {
			for _, m := range meet.Meetings {
				most = max(most, len(m.Peers))
			}
		}
		if d.Reason == plan.Converged {
			break
		}
		if err := w.Apply(d.Step); err != nil {
			t.Fatal(err)
		}
		w.Tick()
	}
	if d := plan.Next(wanted, w.View()); d.Reason != plan.Converged || most == 0 || most > 14 {
		t.Errorf("a node met %d others at once, and at the end: %s: %s", most, d.Reason, d.Message)
	}
	w.Kill(w.Pods()...) // all come back elsewhere
	for range 60 {
		d := plan.Next(wanted, w.View())
		if err := w.Apply(d.Step); err != nil {
			t.Fatal(err)
		}
		if w.Tick(); d.Reason == plan.Converged {
			return
		}
	}
	t.Error("with new addresses it never converges")
}
