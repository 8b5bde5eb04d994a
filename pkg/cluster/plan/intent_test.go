package plan_test

import (
	"testing"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// apply carries out what is decided next.
func apply(t *testing.T, w *clustertest.World, wanted plan.Wanted) {
	t.Helper()
	d := plan.Next(wanted, w.View())
	if err := w.Apply(d.Step); err != nil {
		t.Fatalf("%s %+v: %v\n%s", d.Reason, d.Step, err, w)
	}
	w.Tick()
}

// open is whether any slot is half way.
func open(v cluster.View) bool {
	for _, m := range v.Members {
		if m.Info != nil && len(m.Info.Self().Open) > 0 {
			return true
		}
	}
	return false
}

// The operator was killed when it had introduced a new node, and before it made it a replica: whoever comes after it
// makes it one, and gives it no slot.
func TestFault02_KilledBetweenMeetAndReplicate(t *testing.T) {
	t.Parallel()
	w := clustertest.ClusterIn(clustertest.Settings{Ephemeral: true}, 3, 1).Kill("demo-4")
	goOn(t, w, threeByOne, plan.AttachingReplicas)
	v := w.View()
	if m := member(&v, "demo-4"); m.Role() != cluster.Primary || m.OwnsSlots() {
		t.Fatalf("demo-4 is %+v", m.Info.Self())
	}
	decisions := goOn(t, w, threeByOne, plan.Converged)
	for _, reason := range []string{plan.AddingSlots, plan.MovingSlots, plan.DrainingShards} {
		if took := steps(decisions, reason); len(took) > 0 {
			t.Errorf("%+v", took)
		}
	}
	v = w.View()
	if m := member(&v, "demo-4"); m.Role() != cluster.Replica || len(v.Shards()) != 3 {
		t.Errorf("demo-4 is %+v, of %d shards", m.Info.Self(), len(v.Shards()))
	}
	keeps(t, w)
}

// A primary whom neither its peers nor Kubernetes hear may be alone with its clients. The others are a majority and vote
// once it takes no writes any more: the operator leaves it to them, though it would not if they could not.
func TestFault44_PrimaryAloneIsLeftToTheVote(t *testing.T) {
	t.Parallel()
	w := clustertest.ClusterIn(clustertest.Settings{Ephemeral: true, Hosts: sixHosts}, 3, 1)
	v := w.View()
	lose := func(names ...string) {
		for _, name := range names {
			m := member(&v, name)
			m.Info, m.Unseen, m.Pod.HostSilent = nil, "i/o timeout", true
		}
		for _, m := range v.Members {
			for _, name := range names {
				if m.Info == nil {
					continue
				}
				line(&v, m.Pod.Name, w.ID(name)).Flags.PFail = true
				if m.Follows() == w.ID(name) {
					i := info(&v, m.Pod.Name)
					i.LinkUp, i.LinkDown = false, 2*nodeTimeout
				}
			}
		}
	}
	lose("demo-0")
	if d := plan.Next(threeByOne, v); d.Reason != plan.WaitingForFailover {
		t.Errorf("%s: %s", d.Reason, d.Message)
	}
	lose("demo-1")
	if d := plan.Next(threeByOne, v); d.Reason != plan.PromotingReplica {
		t.Errorf("without a majority: %s: %s", d.Reason, d.Message)
	}
}

// More masters are wanted again while one that was to go gives its slots away: it stays, and is one like any other.
func TestFault57_ScaleInTakenBack(t *testing.T) {
	t.Parallel()
	w := clustertest.Cluster(4, 1)
	goOn(t, w, want(3, 1), plan.DrainingShards)
	apply(t, w, want(3, 1))
	leaving := w.ID("demo-3")
	for _, d := range goOn(t, w, want(4, 1), plan.Converged) {
		if _, deletes := d.Step.(plan.DeletePod); deletes {
			t.Errorf("%s", d.Message)
		}
	}
	shards := w.View().Shards()
	if len(shards) != 4 {
		t.Fatalf("%d shards\n%s", len(shards), w)
	}
	for _, s := range shards {
		if s.ID == leaving && s.Slots.Len() < cluster.SlotCount/4-1 {
			t.Errorf("who was to go has %d slots\n%s", s.Slots.Len(), w)
		}
	}
	keeps(t, w)
	rests(t, w, want(4, 1), 5)
}

// Paused in the middle of a move: no slot stays half way, nothing else is touched, and it goes on when that is lifted.
func TestFault59_PausedInTheMiddle(t *testing.T) {
	t.Parallel()
	w := clustertest.Cluster(3, 1)
	goOn(t, w, want(4, 1), plan.MovingSlots)
	apply(t, w, want(4, 1))
	w.Open(42, "half")
	paused := want(4, 1)
	paused.Paused = true
	for _, d := range goOn(t, w, paused, plan.Paused) {
		_, waits := d.Step.(plan.Wait)
		if _, closes := d.Step.(plan.CloseSlots); !waits && !closes {
			t.Errorf("while paused: %s", d.Message)
		}
	}
	if open(w.View()) {
		t.Errorf("a slot is half way\n%s", w)
	}
	rests(t, w, paused, 20)
	goOn(t, w, want(4, 1), plan.Converged)
	if n := len(w.View().Shards()); n != 4 {
		t.Errorf("%d shards", n)
	}
	keeps(t, w)
}
