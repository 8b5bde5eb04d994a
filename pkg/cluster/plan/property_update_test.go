package plan_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// TestInvariants_Updating changes the template of pods again and again, to good ones and bad ones, and takes away nodes
// where there is a copy, while windows open and close and hosts are cordoned. Some steps are decided on views that are
// past. Not one key is lost, nothing that is well is disturbed while no window is open, and in the end all pods are of
// the template of the end.
func TestInvariants_Updating(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := newMovingRun(t, 3)
		if rapid.IntRange(0, 2).Draw(t, "no replicas") == 0 {
			r.world, r.wanted.Replicas = clustertest.ClusterIn(r.settings, r.wanted.Primaries, 0), 0
		} else {
			r.world = clustertest.ClusterIn(r.settings, r.wanted.Primaries, r.wanted.Replicas)
		}
		changes := rapid.IntRange(1, 4).Draw(t, "changes")
		for look := range 3 * mostLooks {
			r.maintain(changes > 0)
			view := r.world.View().Studied()
			r.past = append(r.past, view)
			now := r.next(view)
			d, age := now, rapid.IntRange(0, 3).Draw(t, "age")
			if age = min(age, len(r.past)-1); age > 0 && changes > 0 {
				d = r.next(r.past[len(r.past)-1-age])
			} else {
				age = 0
			}
			r.note("%d: %s %+v: %s", look, d.Reason, d.Step, d.Message)
			r.check(view, d, age == 0)
			r.remember(view, now)
			if now.Reason == plan.Converged && changes == 0 {
				r.whole(view)
				r.complete()
				return
			}
			if changes > 0 && rapid.IntRange(0, 12).Draw(t, "change?") == 0 {
				changes--
				r.changeTemplate(changes == 0)
			}
			r.world.Tick()
		}
		r.fail("it does not converge")
	})
}

// maintain opens and closes windows and hosts; in the end all are open.
func (r *run) maintain(more bool) {
	hosts := []string{"node1", "node2", "node3"} // the model's own
	if !more {
		r.wanted.Closed = ""
		for _, host := range hosts {
			r.world.Shut(host, false)
		}
		return
	}
	if rapid.IntRange(0, 9).Draw(r.t, "window?") == 0 {
		r.wanted.Closed = rapid.SampledFrom([]string{"", "no window is open"}).Draw(r.t, "window")
		host := rapid.SampledFrom(hosts).Draw(r.t, "host")
		r.world.Shut(host, rapid.Bool().Draw(r.t, "shut"))
		r.note("   closed %q, host %s", r.wanted.Closed, host)
	}
}

// changeTemplate changes what pods are made of; the last time to something good.
func (r *run) changeTemplate(last bool) {
	what := rapid.SampledFrom([]string{"", "revert", clustertest.Unpullable, clustertest.Crashing, clustertest.Lame}).Draw(r.t, "template")
	if last && what != "" {
		what = "revert"
	}
	r.note("   template: %s", what)
	if what == "revert" {
		r.world.Revert()
		return
	}
	r.world.Update(what)
}
