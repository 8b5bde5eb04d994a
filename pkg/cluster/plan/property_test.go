package plan_test

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// TestMain has rapid play 1,000 histories in each of four tests, and look at 6 clusters 1,000 times in the fifth:
// 10,000 random clusters, unless the command line says otherwise. They are the same ones every time, so that a change is
// blamed for what it breaks and not for its luck: -rapid.seed=0 draws others, as `make test-long` does.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.checks": "1000", "rapid.seed": "3"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	flag.Parse()
	debug.SetGCPercent(400) // views are many and short-lived
	os.Exit(m.Run())
}

const (
	faultTicks  = 8   // while things go wrong
	mostLooks   = 400 // until it must be well
	momentsEach = 6
)

// TestInvariants_AnyMoment looks at clusters in the middle of whatever happens to them, and takes one step.
func TestInvariants_AnyMoment(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		for range momentsEach {
			r := newRun(t, rapid.IntRange(0, 4).Draw(t, "whole") > 0)
			for range rapid.IntRange(1, 4).Draw(t, "troubles") {
				r.trouble()
				r.world.Ticks(rapid.IntRange(0, 2).Draw(t, "ticks"))
			}
			view := r.world.View().Studied()
			d := r.next(view)
			r.note("%s %+v: %s", d.Reason, d.Step, d.Message)
			r.check(view, d, true)
		}
	})
}

// TestInvariants_Birth lets clusters come to be while things go wrong.
func TestInvariants_Birth(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { newRun(t, false).toTheEnd(0) })
}

// TestInvariants_Life lets things go wrong with clusters that are whole.
func TestInvariants_Life(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { newRun(t, true).toTheEnd(0) })
}

// TestInvariants_StaleBirth and StaleLife carry out steps that were decided on views that are past.
func TestInvariants_StaleBirth(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { newRun(t, false).toTheEnd(3) })
}

func TestInvariants_StaleLife(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { newRun(t, true).toTheEnd(3) })
}

// run is one history.
type run struct {
	t        *rapid.T
	world    *clustertest.World
	wanted   plan.Wanted
	settings clustertest.Settings
	past     []cluster.View
	log      []string
	edited   bool
	knob     int // that the spec wants
	size     int // of pods
	class    string
	least    int // primaries, when the number is changed
}

func newRun(t *rapid.T, whole bool) *run {
	hosts := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 4).Draw(t, "zones of hosts")
	s := clustertest.Settings{
		Seed:      rapid.Uint64().Draw(t, "seed"),
		Scatter:   rapid.Bool().Draw(t, "scatter"),
		Ephemeral: rapid.Bool().Draw(t, "ephemeral"),
		Join:      rapid.Bool().Draw(t, "join"),
		Loss:      rapid.SampledFrom([]float64{0, 0, 0.3}).Draw(t, "loss"),
		StartTime: rapid.IntRange(1, 3).Draw(t, "start time"),
		Pace:      rapid.SampledFrom([]int{0, 700, 3000}).Draw(t, "pace"),
		Cuts:      rapid.SampledFrom([]float64{0, 0.3, 0.7}).Draw(t, "cuts"),
		CopyMarks: rapid.IntRange(0, 3).Draw(t, "copy marks") == 0,
		Atomic:    rapid.IntRange(0, 4).Draw(t, "atomic") == 0,
	}
	for i, zone := range hosts {
		s.Hosts = append(s.Hosts, cluster.Host{Name: fmt.Sprintf("node%d", i+1), Zone: zone})
	}
	size := rapid.SampledFrom([][2]int{
		{1, 0}, {1, 1}, {1, 2}, {2, 0}, {2, 1}, {2, 2}, {3, 0}, {3, 0}, {3, 0}, {3, 1}, {3, 1}, {3, 2}, {4, 1},
	}).Draw(t, "size")
	r := &run{t: t, settings: s, wanted: plan.Wanted{Primaries: size[0], Replicas: size[1], ZoneAware: rapid.IntRange(0, 3).Draw(t, "zone aware") > 0}}
	r.wanted.NodeTimeout, r.wanted.Failback = nodeTimeout, rapid.Bool().Draw(t, "failback")
	if rapid.Bool().Draw(t, "give up") {
		r.wanted.GiveUp = cluster.AllSlots()
	}
	if whole {
		r.world, r.wanted.Bootstrapped = clustertest.ClusterIn(s, size[0], size[1]), true
	} else {
		r.world = clustertest.New(s)
	}
	return r
}

// toTheEnd goes on until nothing is left to do. Steps may come from views that are up to so many looks old.
func (r *run) toTheEnd(stale int) {
	last, before, quiet := plan.Decision{}, "", 0
	// Two old views of nodes that know nothing of each other can each be a reason to give slots, to different
	// nodes: epochs settle that, nothing is lost, but there may be fewer shards than were wanted.
	r.edited = stale > 0 && !r.wanted.Bootstrapped
	for look := range mostLooks {
		troubled := look < faultTicks
		if troubled && rapid.IntRange(0, 2).Draw(r.t, "trouble?") == 0 {
			r.trouble()
		}
		if look == faultTicks {
			r.calm()
		}
		view := r.world.View().Studied()
		r.past = append(r.past, view)
		last = r.next(view)
		fresh := true
		decision := last
		if troubled && stale > 0 {
			age := rapid.IntRange(0, min(stale, len(r.past)-1)).Draw(r.t, "age")
			decision, fresh = r.next(r.past[len(r.past)-1-age]), age == 0
		}
		r.note("%d: %s %+v: %s", look, decision.Reason, decision.Step, decision.Message)
		r.check(view, decision, fresh)
		if quiet++; last.Reason != before {
			before, quiet = last.Reason, 0
		}
		if !troubled && r.ended(view, last, quiet) {
			r.stays()
			return
		}
		r.remember(view, last)
		r.world.Tick()
	}
	r.fail("nothing is decided after %d looks: %+v", mostLooks, last)
}

// remember is what the controller writes into the status.
func (r *run) remember(view cluster.View, d plan.Decision) {
	if view.Served() {
		r.wanted.Bootstrapped = true
	}
	r.wanted.Hibernating = d.Reason == plan.Hibernating || d.Reason == plan.Hibernated
	switch d.Reason {
	case plan.MovingSlots, plan.DrainingShards:
		r.wanted.Moving = true
	case plan.Converged:
		r.wanted.Moving = false
	}
}

// next asks, and every fourth time once more, as an operator that was restarted in between would, with everything
// in another order.
func (r *run) next(view cluster.View) plan.Decision {
	decision := plan.Next(r.wanted, view)
	if len(r.past)%4 != 0 {
		return decision
	}
	shuffled := cluster.View{Hosts: view.Hosts, Volumes: view.Volumes, Aside: view.Aside, Unwritten: view.Unwritten}
	shuffled.Members = slices.Clone(view.Members)
	slices.Reverse(shuffled.Members)
	for i, m := range shuffled.Members {
		if m.Info != nil {
			info := *m.Info
			info.Table = slices.Clone(info.Table)
			slices.Reverse(info.Table)
			shuffled.Members[i].Info = &info
		}
	}
	if again := plan.Next(r.wanted, shuffled); !reflect.DeepEqual(decision, again) {
		r.fail("the same view in another order gives %+v, not %+v", again, decision)
	}
	return decision
}

// check applies the step and holds it against the invariants.
func (r *run) check(view cluster.View, d plan.Decision, fresh bool) {
	if d.Reason == "" || d.Message == "" || d.Requeue <= 0 {
		r.fail("a decision has a reason, a message, and a time to look again: %+v", d)
	}
	if _, waits := d.Step.(plan.Wait); waits {
		return
	}
	if fresh {
		r.proper(view, d)
	}
	owned, held := r.world.Owned(), r.world.Held()
	err := r.world.Apply(d.Step)
	if err != nil && fresh {
		r.fail("a step decided on the present is refused: %v", err)
	}
	if lost := owned.Minus(r.world.Owned()); !lost.IsEmpty() {
		r.fail("slots %s had an owner, and have none by %+v", lost, d.Step)
	}
	if _, written := r.world.Knobs(); written == clustertest.BadKnob {
		r.fail("nodes would start with what they refuse by %+v", d.Step)
	}
	if lost := held.Minus(r.world.Held()); !lost.IsEmpty() {
		r.fail("the last copy of slots %s is lost by %+v", lost, d.Step)
	}
	_, moves := d.Step.(plan.MoveSlots)
	_, closes := d.Step.(plan.CloseSlots)
	if fresh && !moves && !closes { // those go on from where they were cut
		once := r.world.View()
		_ = r.world.Apply(d.Step) // deleting a pod twice is refused, and rightly
		if twice := r.world.View(); !sameView(once, twice) {
			r.fail("the step %+v changes something when repeated:\n%s", d.Step, clustertest.Describe(once))
		}
	}
}

// sameView compares what can be seen, and faster than reflection.
func sameView(a, b cluster.View) bool {
	return slices.EqualFunc(a.Members, b.Members, func(a, b cluster.Member) bool {
		if a.Pod != b.Pod || (a.Info == nil) != (b.Info == nil) {
			return false
		}
		return a.Info == nil || slices.EqualFunc(a.Info.Table, b.Info.Table, func(a, b cluster.Node) bool {
			return a.ID == b.ID && a.Addr == b.Addr && a.Role == b.Role && a.Flags == b.Flags && a.PrimaryID == b.PrimaryID &&
				a.ConfigEpoch == b.ConfigEpoch && a.Slots == b.Slots && slices.Equal(a.Open, b.Open)
		})
	})
}

// ended says that nothing more will happen, and rightly so.
func (r *run) ended(view cluster.View, d plan.Decision, quiet int) bool {
	if d.Reason != plan.Converged && d.Reason != plan.UpdateAwaitsApproval && quiet < 10 {
		return false
	}
	dead, owners := 0, view.Owners()
	for _, c := range owners {
		if c.Hearsay {
			dead++
		}
	}
	switch d.Reason {
	case plan.Converged, plan.UpdateAwaitsApproval:
		r.whole(view)
		return true
	case plan.SlotsUncovered:
		if strings.Contains(d.Message, "may have a copy") {
			return true // and a person is to look whether it is so
		}
		written := slices.ContainsFunc(view.Members, func(m cluster.Member) bool { return m.Seen() && m.Info.Keys > 0 })
		if r.world.Held() == cluster.AllSlots() && 2*dead < len(owners) && written { // a copy of nothing looks like none
			r.fail("slots are said to be lost, but a node has them: %s", d.Message)
		}
		return r.wanted.GiveUp.IsEmpty() || len(view.Aside) > 0 || halfLost(view)
	}
	if r.settings.Ephemeral && !view.Served() && slices.ContainsFunc(view.Members, func(m cluster.Member) bool {
		return m.Down && m.Pod.Outdated && m.Pod.Trouble != ""
	}) {
		return true // what is in a pod that crashes, and nowhere else, is given up by a person
	}
	return len(view.Aside) > 0 && (d.Reason == plan.QuorumLost || d.Reason == plan.WaitingForPods) // nobody proves anything
}

// halfLost says that slots are half way to or from a node that is lost: where their keys are nobody can tell.
func halfLost(view cluster.View) bool {
	for _, m := range view.Members {
		for _, o := range m.Info.Self().Open {
			if _, there := view.Member(o.Peer); !there {
				return true
			}
		}
	}
	return false
}

// whole holds a view that is said to have converged against what is wanted.
func (r *run) whole(view cluster.View) {
	r.turned()
	shards := view.Shards()
	if len(shards) != r.wanted.Primaries || len(view.Members) != r.wanted.Pods() || !view.Served() {
		r.fail("converged is not so: %d shards, %d pods, unserved %s", len(shards), len(view.Members), view.Unserved())
	}
	for _, s := range shards {
		if len(s.Synced()) != r.wanted.Replicas || !s.Primary.Live() {
			r.fail("converged is not so: shard %s has %d replicas", s.ID.Short(), len(s.Synced()))
		}
	}
	if len(view.Ghosts()) > 0 {
		r.fail("converged is not so: there are ghosts %+v", view.Ghosts())
	}
	for _, m := range view.Members {
		held := r.wanted.HoldPrimaries && (m.Role() == cluster.Primary || r.wanted.Replicas == 0)
		if m.Pod.Superseded() && !held || m.Pod.AgentOutdated {
			r.fail("converged is not so: %s is outdated", m.Pod.Name)
		}
	}
	if slots := r.world.Misplaced(); !slots.IsEmpty() {
		r.fail("converged is not so: keys of slots %s are where nobody finds them", slots)
	}
	if slots := r.world.Stray(); !slots.IsEmpty() {
		r.fail("converged is not so: slots %s are open, or have keys elsewhere", slots)
	}
	least, most := cluster.SlotCount, 0
	for _, s := range shards {
		least, most = min(least, s.Slots.Len()), max(most, s.Slots.Len())
	}
	if most-least > 1 {
		r.fail("converged is not so: shards have from %d to %d slots", least, most)
	}
}

// turned says that every node runs with what the spec wants, and would start with it again. What nodes refuse has
// changed nothing.
func (r *run) turned() {
	live, written := r.world.Knobs()
	for pod, value := range live {
		if value == clustertest.BadKnob || r.knob != clustertest.BadKnob && (value != r.knob || written != r.knob) {
			r.fail("%s runs with %d and starts with %d, where %d is wanted", pod, value, written, r.knob)
		}
	}
}

// stays looks a few times more: nothing must happen by itself.
func (r *run) stays() {
	before := plan.Next(r.wanted, r.world.View())
	for range 2 {
		r.world.Tick()
		after := plan.Next(r.wanted, r.world.View())
		if _, waits := after.Step.(plan.Wait); !waits || before.Reason != after.Reason {
			r.fail("it does not stay so: first %+v, then %+v", before, after)
		}
	}
}

// note writes down what happens; what only repeats is left out.
func (r *run) note(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	_, said, _ := strings.Cut(line, ": ")
	if n := len(r.log); n > 0 && said != "" && strings.HasSuffix(r.log[n-1], said) {
		return
	}
	r.log = append(r.log, line)
}

func (r *run) fail(format string, args ...any) {
	r.t.Helper()
	r.t.Fatalf("%s\nwanted %+v\nsettings %+v\n%s\n%s", fmt.Sprintf(format, args...), r.wanted, r.settings,
		strings.Join(r.log, "\n"), r.world)
}
