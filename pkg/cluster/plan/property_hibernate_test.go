package plan_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// TestInvariants_Hibernate puts clusters to sleep while things go wrong, wakes them at any time, and sees that they have
// what they had when nobody took volumes away.
func TestInvariants_Hibernate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := newRun(t, true)
		if r.settings.Ephemeral {
			return
		}
		wakeAt := rapid.IntRange(1, 4*faultTicks).Draw(t, "wake at")
		for look := range mostLooks {
			r.wanted.Hibernate = look < wakeAt
			if look < faultTicks && rapid.IntRange(0, 3).Draw(t, "trouble?") == 0 {
				r.mishap()
			}
			if look == faultTicks {
				r.calm()
			}
			view := r.world.View().Studied()
			r.past = append(r.past, view)
			d := r.next(view)
			r.note("%d: %s %+v: %s", look, d.Reason, d.Step, d.Message)
			if asleep := d.Reason == plan.Hibernated; asleep && len(r.world.Pods()) > 0 {
				r.fail("it is said to hibernate, and has pods")
			}
			r.check(view, d, true)
			r.remember(view, d)
			if d.Reason == plan.Converged && look >= max(wakeAt, faultTicks) {
				r.whole(view)
				if r.world.Held() != cluster.AllSlots() {
					r.fail("keys of slots %s are lost", cluster.AllSlots().Minus(r.world.Held()))
				}
				return
			}
			r.world.Tick()
		}
		r.fail("it does not come back")
	})
}

// mishap is a fault that takes no data away.
func (r *run) mishap() {
	name := rapid.SampledFrom(append(r.world.Pods(), "")).Draw(r.t, "pod")
	if name == "" {
		return
	}
	switch rapid.IntRange(0, 3).Draw(r.t, "mishap") {
	case 0:
		r.note("   kill %s", name)
		r.world.Kill(name)
	case 1:
		r.note("   restart %s", name)
		r.world.Restart(name)
	case 2:
		r.note("   stop %s", name)
		r.world.Stop(name)
	case 3:
		r.wanted.Primaries, r.edited = rapid.IntRange(1, 4).Draw(r.t, "primaries"), true
		r.note("   want %d", r.wanted.Primaries)
	}
}
