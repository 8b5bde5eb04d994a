package clustertest_test

import (
	"errors"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

func TestWorld(t *testing.T) {
	t.Parallel()
	for sentence, test := range map[string]func(t *testing.T){
		"a cluster is whole from the start": func(t *testing.T) {
			for _, m := range clustertest.Cluster(3, 2).View().Members {
				if !m.Live() || !m.Info.StateOK || !m.Info.LinkUp || len(m.Info.Table) != 9 {
					t.Errorf("%s: %+v", m.Pod.Name, m.Info)
				}
			}
		},
		"a replica takes over from a primary that stays away": func(t *testing.T) {
			w := clustertest.Cluster(3, 1).Kill("demo-0")
			if w.Owned() == cluster.AllSlots() || w.Ticks(6).Owned() != cluster.AllSlots() {
				t.Error(w)
			}
		},
		"without a majority nobody takes over": func(t *testing.T) {
			if w := clustertest.Cluster(3, 1).Kill("demo-0", "demo-1").Ticks(20); w.Owned().Len() > 5462 {
				t.Error(w)
			}
		},
		"of two replicas the one takes over that has received most, and not the one that still has what has gone": func(t *testing.T) {
			w := clustertest.Cluster(3, 2).Kill("demo-4")
			end := func(pod string) plan.End { return plan.End{Pod: pod, Node: w.ID(pod)} }
			gone := plan.Move{From: end("demo-0"), To: end("demo-1"), Slots: cluster.SlotSet{}.Add(42)}
			_ = w.Apply(plan.MoveSlots{Moves: []plan.Move{gone}})
			_ = w.Apply(plan.CreatePods{Ordinals: []int{4}})
			w.Ticks(1).Kill("demo-0").Ticks(8)
			m, _ := w.View().Member(w.ID("demo-8"))
			if m.Role() != cluster.Primary || !w.Stray().IsEmpty() {
				t.Errorf("slots %s are with somebody else\n%s", w.Stray(), w)
			}
		},
		"a primary that comes back follows who took over": func(t *testing.T) {
			w := clustertest.Cluster(3, 1).Kill("demo-0").Ticks(6)
			_ = w.Apply(plan.CreatePods{Ordinals: []int{0}})
			_ = w.Ticks(1).Apply(plan.Meet{Meetings: []plan.Meeting{{Pod: "demo-0", Peers: []string{"demo-4"}}}})
			m, _ := w.Ticks(4).View().Member(w.ID("demo-0"))
			if m.Follows() != w.ID("demo-4") {
				t.Error(w)
			}
		},
		"who is left out of a FORGET tells the others again, but for a while they do not listen": func(t *testing.T) {
			w := clustertest.Cluster(3, 1).Kill("demo-3").Ticks(5)
			id := w.View().Ghosts()[0].ID
			_ = w.Apply(plan.Forget{Bans: []plan.Ban{{Pod: "demo-0", Nodes: []cluster.NodeID{id}}}})
			if known := len(w.Ticks(5).View().Ghosts()[0].KnownBy); known != 4 {
				t.Errorf("%d know it", known)
			}
		},
		"a node with slots becomes no replica": func(t *testing.T) {
			w := clustertest.Cluster(3, 1)
			link := plan.Link{Pod: "demo-0", Node: w.ID("demo-0"), Primary: w.ID("demo-1")}
			if err := w.Apply(plan.Replicate{Links: []plan.Link{link}}); !errors.Is(err, clustertest.ErrRefused) {
				t.Error(err)
			}
		},
		"slots that have an owner are not added": func(t *testing.T) {
			w := clustertest.Cluster(3, 1)
			grant := plan.Grant{Pod: "demo-0", Node: w.ID("demo-0"), Slots: cluster.AllSlots()}
			if err := w.Apply(plan.AddSlots{Grants: []plan.Grant{grant}}); !errors.Is(err, clustertest.ErrRefused) {
				t.Error(err)
			}
		},
		"a pod that owns slots is not deleted, nor one that is another now": func(t *testing.T) {
			w := clustertest.Cluster(3, 1)
			for _, step := range []plan.DeletePod{{Pod: "demo-0", UID: w.View().Members[0].Pod.UID}, {Pod: "demo-5", UID: "old"}} {
				if err := w.Apply(step); !errors.Is(err, clustertest.ErrRefused) {
					t.Error(err)
				}
			}
		},
		"the higher epoch wins when two clusters are mixed": func(t *testing.T) {
			w := clustertest.New(clustertest.Settings{})
			_ = w.Apply(plan.CreatePods{Ordinals: []int{0, 1}})
			w.Ticks(1)
			_ = w.Apply(plan.AddSlots{Grants: []plan.Grant{
				{Pod: "demo-0", Node: w.ID("demo-0"), Epoch: 1, Slots: cluster.AllSlots()},
				{Pod: "demo-1", Node: w.ID("demo-1"), Epoch: 2, Slots: cluster.AllSlots()},
			}})
			m, _ := w.Meet("demo-0", "demo-1").Ticks(3).View().Member(w.ID("demo-0"))
			if m.Role() != cluster.Replica || m.Follows() != w.ID("demo-1") {
				t.Error(w)
			}
		},
		"one seed, one history": func(t *testing.T) {
			s := clustertest.Settings{Seed: 7, Scatter: true, Loss: 0.5, StartTime: 3, Join: true}
			a, b := clustertest.ClusterIn(s, 3, 1).Kill("demo-2").Ticks(9), clustertest.ClusterIn(s, 3, 1).Kill("demo-2").Ticks(9)
			if a.String() != b.String() {
				t.Errorf("%s\n%s", a, b)
			}
		},
		"an open slot is seen at both ends": func(t *testing.T) {
			open := 0
			for _, m := range clustertest.Cluster(3, 1).Open(42, "half").View().Members {
				open += len(m.Info.Self().Open)
			}
			if open != 2 {
				t.Errorf("%d ends", open)
			}
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}
