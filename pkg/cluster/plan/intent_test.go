package plan_test

import (
	"maps"
	"slices"
	"strings"
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
// once it takes no writes any more: the operator leaves it to them, however long that takes, though it would not if they
// could not.
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
					i.LinkUp, i.LinkDown = false, 10*nodeTimeout
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

// A NetworkPolicy forbids the port of the cluster bus: no cluster comes into being, which is said within half a minute,
// with the port; once it is allowed all goes on by itself.
func TestFault48_BusPortForbidden(t *testing.T) {
	t.Parallel()
	w := clustertest.New(clustertest.Settings{}).CutBus(true)
	wanted := plan.Wanted{Primaries: 3, Replicas: 1, ZoneAware: true}
	said := 0
	for look := range 120 {
		d := plan.Next(wanted, w.View())
		if d.Reason == plan.BusBlocked && strings.Contains(d.Message, "port 16379") {
			said++
		} else if look > 30 {
			t.Fatalf("look %d: %s: %s\n%s", look, d.Reason, d.Message, w)
		}
		if err := w.Apply(d.Step); err != nil {
			t.Fatalf("%s: %v", d.Message, err)
		}
		w.Tick()
	}
	if said < 90 {
		t.Errorf("said %d times", said)
	}
	for _, d := range goOn(t, w.CutBus(false), wanted, plan.Converged)[1:] {
		if d.Reason == plan.BusBlocked {
			t.Errorf("still %s: %s", d.Reason, d.Message)
		}
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

// The operator was killed when a primary had handed over to be replaced, and before its pod was deleted: whoever comes
// after it deletes nobody who is a primary by now, and has nobody hand over twice.
func TestFault09_KilledBetweenFailoverAndDelete(t *testing.T) {
	t.Parallel()
	w := clustertest.Cluster(3, 1).Update("")
	over := map[string]int{} // how often who has handed over
	for range mostLooks {
		v := w.View()
		d := plan.Next(threeByOne, v) // with no memory of the look before: each is another operator
		if s, fails := d.Step.(plan.Failover); fails {
			primary, _ := v.Member(s.Primary)
			over[primary.Pod.Name]++
		}
		if s, deletes := d.Step.(plan.DeletePod); deletes && member(&v, s.Pod).Role() == cluster.Primary {
			t.Errorf("%s, which is a primary: %s", s.Pod, d.Message)
		}
		if d.Reason == plan.Converged {
			break
		}
		if err := w.Apply(d.Step); err != nil {
			t.Fatalf("%s: %v\n%s", d.Message, err, w)
		}
		w.Tick()
	}
	if want := map[string]int{"demo-0": 1, "demo-1": 1, "demo-2": 1}; !maps.Equal(over, want) {
		t.Errorf("handed over: %v", over)
	}
	whole(t, w, 3, 6)
}

// whole fails unless so many shards with a replica each have all keys, in pods that are as the spec says.
func whole(t *testing.T, w *clustertest.World, shards, pods int) {
	t.Helper()
	keeps(t, w)
	v := w.View()
	if len(v.Shards()) != shards || len(v.Members) != pods {
		t.Errorf("%d shards in %d pods\n%s", len(v.Shards()), len(v.Members), w)
	}
	for _, m := range v.Members {
		if m.Pod.Outdated || !m.Info.LinkUp {
			t.Errorf("%s is outdated, or no copy\n%s", m.Pod.Name, w)
		}
	}
}

// Fewer masters are wanted while pods are replaced, whichever it is at that moment: a pod goes when its slots have
// gone, and not because of its number.
func TestFault56_ScaleInWhileRolling(t *testing.T) {
	t.Parallel()
	for looks := range 60 {
		w := clustertest.Cluster(4, 1).Update("")
		for range looks {
			apply(t, w, want(4, 1))
		}
		for _, d := range goOn(t, w, want(3, 1), plan.Converged) { // the world refuses to delete who owns slots
			if s, deletes := d.Step.(plan.DeletePod); deletes && s.NeverStarted && len(w.View().Members) > 8 {
				t.Errorf("after %d looks: %s", looks, d.Message)
			}
		}
		if whole(t, w, 3, 6); t.Failed() {
			t.Fatalf("asked after %d looks", looks)
		}
	}
}

// The image, a setting and the number of masters are changed at once, and the number once more in the middle: one thing
// is done after the other, and every shard has its copy whenever a pod of another one is replaced.
func TestFault58_AllChangedAtOnce(t *testing.T) {
	t.Parallel()
	w := clustertest.Cluster(3, 1).Update("").Turn(7)
	var order []string
	calm := func(d plan.Decision, v cluster.View) {
		if len(order) == 0 || order[len(order)-1] != d.Reason {
			order = append(order, d.Reason)
		}
		replaced, _ := d.Step.(plan.DeletePod)
		for _, s := range v.Shards() {
			if d.Reason == plan.RollingUpdate && len(s.Synced()) == 0 && s.ID != replaced.Primary {
				t.Errorf("%s, while %s has no copy in sync\n%s", d.Message, s.Primary.Pod.Name, w)
			}
		}
	}
	wanted := want(5, 1)
	for look := range mostLooks {
		if look == 40 {
			wanted = want(4, 1)
		}
		v := w.View()
		d := plan.Next(wanted, v)
		if calm(d, v); d.Reason == plan.Converged && look > 40 {
			break
		}
		apply(t, w, wanted)
	}
	var begun []int
	for _, reason := range []string{plan.CreatingPods, plan.ApplyingSettings, plan.MovingSlots, plan.RollingUpdate} {
		begun = append(begun, slices.Index(order, reason))
	}
	if begun[0] < 0 || !slices.IsSorted(begun) {
		t.Errorf("the order is %q", order)
	}
	whole(t, w, 4, 8)
	if live, written := w.Knobs(); written != 7 || slices.ContainsFunc(slices.Collect(maps.Values(live)), func(v int) bool { return v != 7 }) {
		t.Errorf("they run with %v, and start with %d", live, written)
	}
}

// What a person does to roles and slots is taken over, or put right once: it is never fought.
func TestFault22_ByHand(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		step     func(*clustertest.World) plan.Step
		failback bool
		steps    int // that answer it, at most
	}{
		"CLUSTER FAILOVER": {step: failoverTo("demo-4")},
		"CLUSTER FAILOVER to where two primaries share a host": {step: failoverTo("demo-4"), failback: true, steps: 1},
		"redis-cli --cluster reshard": {step: func(w *clustertest.World) plan.Step {
			return plan.MoveSlots{Moves: []plan.Move{{
				From: plan.End{Pod: "demo-0", Node: w.ID("demo-0")}, To: plan.End{Pod: "demo-1", Node: w.ID("demo-1")},
				Slots: slots(0, 999),
			}}}
		}, steps: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := clustertest.Cluster(3, 1)
			if err := w.Apply(tc.step(w)); err != nil {
				t.Fatal(err)
			}
			w.Ticks(3)
			wanted := threeByOne
			wanted.Failback = tc.failback
			taken := slices.DeleteFunc(goOn(t, w, wanted, plan.Converged), func(d plan.Decision) bool {
				_, waits := d.Step.(plan.Wait)
				return waits
			})
			if len(taken) > tc.steps {
				t.Errorf("%+v", taken)
			}
			keeps(t, w)
			rests(t, w, wanted, 50)
		})
	}
}

func failoverTo(pod string) func(*clustertest.World) plan.Step {
	return func(w *clustertest.World) plan.Step {
		v := w.View()
		m := member(&v, pod)
		return plan.Failover{Pod: pod, Node: m.ID(), Primary: m.Follows(), Mode: plan.HandOver}
	}
}
