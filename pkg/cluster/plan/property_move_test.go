package plan_test

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// TestInvariants_Moving changes the number of primaries again and again, cuts moves, and takes away nodes that take
// part in them, one at a time and only where there is a copy: not one key is lost.
func TestInvariants_Moving(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := newMovingRun(t, 3) // of two primaries none can be elected
		troubles := rapid.IntRange(0, 6).Draw(t, "troubles")
		for look := range 3 * mostLooks {
			view := r.world.View().Studied()
			r.past = append(r.past, view)
			d := r.next(view)
			r.note("%d: %s %+v: %s", look, d.Reason, d.Step, d.Message)
			r.check(view, d, true)
			r.remember(view, d)
			if d.Reason == plan.Converged && troubles == 0 {
				r.whole(view)
				r.complete()
				return
			}
			if troubles > 0 && rapid.IntRange(0, 2).Draw(t, "trouble?") == 0 {
				r.disturb(d)
				troubles--
			}
			if r.wanted.Paused && troubles == 0 {
				r.wanted.Paused = false
			}
			r.world.Ticks(rapid.IntRange(0, 2).Draw(t, "ticks"))
			if _, waits := d.Step.(plan.Wait); waits {
				r.world.Tick()
			}
		}
		r.fail("it does not converge")
	})
}

// newMovingRun is a run with a cluster that is whole, keeps what it has, and is to get another size.
func newMovingRun(t *rapid.T, least int) *run {
	primaries, replicas := rapid.IntRange(least, least+2).Draw(t, "primaries"), 1+rapid.IntRange(0, 3).Draw(t, "replicas")/3
	s := clustertest.Settings{
		Seed:      rapid.Uint64().Draw(t, "seed"),
		Ephemeral: rapid.Bool().Draw(t, "ephemeral"),
		Pace:      rapid.SampledFrom([]int{800, 3000, 0}).Draw(t, "pace"),
		Cuts:      rapid.SampledFrom([]float64{0, 0.4, 0.8}).Draw(t, "cuts"),
		CopyMarks: rapid.IntRange(0, 3).Draw(t, "copy marks") == 0,
		Atomic:    rapid.IntRange(0, 3).Draw(t, "atomic") == 0,
		StartTime: rapid.IntRange(1, 3).Draw(t, "start time"),
		Scatter:   rapid.Bool().Draw(t, "scatter"),
	}
	r := &run{
		t: t, world: clustertest.ClusterIn(s, primaries, replicas), settings: s, least: least,
		wanted: plan.Wanted{Primaries: primaries, Replicas: replicas, Bootstrapped: true, ZoneAware: true},
	}
	r.edit()
	return r
}

func (r *run) edit() {
	r.wanted.Primaries = rapid.IntRange(r.least, r.least+3).Draw(r.t, "primaries")
	if rapid.IntRange(0, 3).Draw(r.t, "replicas too?") == 0 {
		r.wanted.Replicas = rapid.IntRange(1, 2).Draw(r.t, "replicas")
	}
	r.note("   want %d+%d", r.wanted.Primaries, r.wanted.Replicas)
}

// disturb changes the spec, or takes a node away, best one that takes part in a move, if every shard can spare one.
func (r *run) disturb(d plan.Decision) {
	switch rapid.IntRange(0, 4).Draw(r.t, "what") {
	case 0:
		r.edit()
		return
	case 1:
		r.wanted.Paused = !r.wanted.Paused
		r.note("   paused: %v", r.wanted.Paused)
		return
	}
	for _, m := range r.world.View().Members {
		if !m.Live() || m.Role() == cluster.Replica && !m.Info.LinkUp {
			return
		}
	}
	pods := busy(d.Step)
	if len(pods) == 0 || rapid.IntRange(0, 4).Draw(r.t, "anybody?") == 0 {
		pods = r.world.Pods()
	}
	name := rapid.SampledFrom(pods).Draw(r.t, "pod")
	if !r.spares(name) {
		return
	}
	switch rapid.IntRange(0, 2).Draw(r.t, "how") {
	case 0:
		r.note("   restart %s", name)
		r.world.Restart(name)
	case 1:
		r.note("   kill %s", name)
		r.world.Kill(name)
	case 2:
		r.note("   kill and wipe %s", name)
		r.world.Kill(name).Wipe(ordinal(name))
	}
}

// busy is the pods at the ends of moves.
func busy(step plan.Step) []string {
	var moves []plan.Move
	if s, ok := step.(plan.MoveSlots); ok {
		moves = s.Moves
	}
	if s, ok := step.(plan.CloseSlots); ok {
		moves = slices.Concat(s.Finish, s.Undo)
	}
	var pods []string
	for _, m := range moves {
		pods = append(pods, m.From.Pod, m.To.Pod)
	}
	return pods
}

// spares says that a node has a copy elsewhere, or nothing that could be lost. That the link of a replica is up is no
// proof that its primary is there: it may have gone a moment ago.
func (r *run) spares(name string) bool {
	view := r.world.View()
	m := member(&view, name)
	if m.Info.Keys == 0 {
		return true
	}
	return slices.ContainsFunc(view.Members, func(c cluster.Member) bool {
		return m.Follows() != "" && c.ID() == m.Follows() ||
			c.Role() == cluster.Replica && c.Info.LinkUp && c.Follows() == m.ID()
	})
}

// complete says that every key that there was at the beginning is with the owner of its slot.
func (r *run) complete() {
	if missing := cluster.AllSlots().Minus(r.world.Held()).Minus(r.world.Forgotten()); !missing.IsEmpty() {
		r.fail("keys of slots %s are lost", missing)
	}
}

// TestInvariants_LeastMoves changes the number of primaries while moves are cut, and nothing else happens: since the
// last change as few slots have moved as could be, and none of them twice.
func TestInvariants_LeastMoves(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := newMovingRun(t, 1)
		edits := rapid.IntRange(0, 3).Draw(t, "edits")
		least, slack, counted := 0, 0, false
		for look := range 3 * mostLooks {
			view := r.world.View().Studied()
			r.past = append(r.past, view)
			d := r.next(view)
			r.note("%d: %s %+v: %s", look, d.Reason, d.Step, d.Message)
			if !counted && closed(view) {
				r.world.Count()
				least, counted = leastMoves(view, r.wanted.Primaries), true
				// Who leaves may own a little more, for the placement: ChooseLeaving counts in sixteens.
				slack = 15 * max(0, len(view.Shards())-r.wanted.Primaries)
			}
			r.check(view, d, true)
			r.remember(view, d)
			if _, moves := d.Step.(plan.MoveSlots); moves && edits > 0 && rapid.Bool().Draw(t, "edit?") {
				r.edit()
				edits--
				counted = false
			}
			if d.Reason == plan.Converged {
				r.whole(view)
				once, again := r.world.Moved()
				if n := once.Len(); n < least || n > least+slack || !again.IsEmpty() {
					r.fail("%d slots have moved where %d would do, and %s twice", once.Len(), least, again)
				}
				return
			}
			r.world.Tick()
		}
		r.fail("it does not converge")
	})
}

// closed says that no slot is half way.
func closed(v cluster.View) bool {
	return !slices.ContainsFunc(v.Members, func(m cluster.Member) bool {
		return m.Info != nil && (len(m.Info.Tasks) > 0 || m.Role() == cluster.Primary && len(m.Info.Self().Open) > 0)
	})
}

// leastMoves is the least number of slots that must change hands for so many equal shares: the best of all sets of
// shards that could stay, each with the best of all ways to give out the remainder.
func leastMoves(v cluster.View, primaries int) int {
	var owned []int
	for _, s := range v.Shards() {
		owned = append(owned, s.Slots.Len())
	}
	least := math.MaxInt
	for set := range 1 << len(owned) {
		stay := bits.OnesCount(uint(set))
		if stay != min(primaries, len(owned)) {
			continue
		}
		floor, larger := cluster.SlotCount/primaries, cluster.SlotCount%primaries
		moved, over := 0, 0
		for i, n := range owned {
			switch {
			case set&(1<<i) == 0:
				moved += n
			case n > floor:
				moved += n - floor
				over++
			}
		}
		least = min(least, moved-min(over, larger))
	}
	return least
}

// TestInvariants_Outline foresees what is done with a cluster of which the spec was changed, and then sees it done.
func TestInvariants_Outline(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := newMovingRun(t, 1)
		r.world.NoCuts()
		if rapid.Bool().Draw(t, "no replicas") {
			r.wanted.Replicas = 0
		}
		before := r.world.View()
		o := plan.Outline(r.wanted, before)
		r.note("%+v", o)
		r.world.Count()
		created, deleted := podsOf(r.world), []string(nil)
		for range 3 * mostLooks {
			d := plan.Next(r.wanted, r.world.View())
			r.note("%s: %s", d.Reason, d.Message)
			if s, deletes := d.Step.(plan.DeletePod); deletes {
				deleted = append(deleted, s.Pod)
			}
			if err := r.world.Apply(d.Step); err != nil {
				r.fail("%v", err)
			}
			r.remember(before, d)
			for _, name := range r.world.Pods() {
				created[name] = true
			}
			r.world.Tick()
			if d.Reason == plan.Converged {
				r.asOutlined(before, o, created, deleted)
				return
			}
		}
		r.fail("it does not converge")
	})
}

func podsOf(w *clustertest.World) map[string]bool {
	pods := map[string]bool{}
	for _, name := range w.Pods() {
		pods[name] = true
	}
	return pods
}

// asOutlined compares an outline with what was done.
func (r *run) asOutlined(before cluster.View, o plan.Outlined, created map[string]bool, deleted []string) {
	for _, m := range before.Members {
		delete(created, m.Pod.Name)
	}
	for _, ordinal := range o.PodsCreated {
		if !created[fmt.Sprintf("demo-%d", ordinal)] {
			r.fail("demo-%d was to be created: %v were", ordinal, created)
		}
	}
	slices.Sort(deleted) // in which order they can go depends on who has heard of what
	slices.Sort(o.PodsDeleted)
	if len(created) != len(o.PodsCreated) || len(deleted) != len(o.PodsDeleted) || len(created) == 0 && !slices.Equal(deleted, o.PodsDeleted) {
		r.fail("created %v and deleted %v, outlined %v and %v", created, deleted, o.PodsCreated, o.PodsDeleted)
	}
	if once, again := r.world.Moved(); once.Len() != o.Slots || !again.IsEmpty() {
		r.fail("%d slots moved, outlined %d", once.Len(), o.Slots)
	}
	if o.Waits != "" || o.Refused != "" || (len(o.Steps) == 0) != (o.Slots+len(o.PodsCreated)+len(o.PodsDeleted) == 0) {
		r.fail("outlined %+v", o)
	}
}
