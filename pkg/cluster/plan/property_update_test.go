package plan_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// TestInvariants_Updating changes the template of pods again and again, to good ones and bad ones, to smaller and larger
// ones, and the class of their volumes, while windows open and close and hosts are cordoned; all pods at once are
// deleted in the middle of it. Some steps are decided on views that are past, and an operator that has deleted a pod may
// not come to its volume. Not one key is lost, nothing that is well is disturbed while no window is open, and in the end
// all pods are of the template, the size and the class of the end.
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
				r.sized()
				r.classed()
				return
			}
			if changes > 0 && rapid.IntRange(0, 12).Draw(t, "change?") == 0 {
				changes--
				r.changeTemplate(changes == 0)
			}
			if changes > 0 && rapid.IntRange(0, 40).Draw(t, "all at once?") == 0 && !r.settings.Ephemeral {
				r.note("   all pods are deleted")
				r.world.Kill(r.world.Pods()...)
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

// changeTemplate changes what pods are made of, their size, or the class of their volumes; the last time to something
// good.
func (r *run) changeTemplate(last bool) {
	if rapid.IntRange(0, 2).Draw(r.t, "class?") == 0 && (!last || !r.world.Flawed()) {
		classes := []string{"", "fast", "slow", clustertest.NoClass}
		if last {
			classes = classes[:3]
		}
		r.class = rapid.SampledFrom(classes).Draw(r.t, "class")
		r.note("   class: %s", r.class)
		r.world.Reclass(r.class)
		return
	}
	if last && r.class == clustertest.NoClass {
		r.class = "fast"
		r.world.Reclass(r.class)
	}
	if rapid.IntRange(0, 2).Draw(r.t, "resize?") == 0 && (!last || !r.world.Flawed()) {
		r.size = rapid.IntRange(0, 3).Draw(r.t, "size")
		kubelets := rapid.SampledFrom([]clustertest.Kubelets{clustertest.Roomy, clustertest.Full, clustertest.Small}).Draw(r.t, "kubelets")
		r.note("   size: %d, kubelets %d", r.size, kubelets)
		r.world.Size(r.size, kubelets)
		return
	}
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

// mayResize fails where a pod would get less than it may have filled.
func (r *run) mayResize(view cluster.View, s plan.ResizePod) {
	m := member(&view, s.Pod)
	if r.wanted.Paused || m.Pod.UID != s.UID || r.world.Given(s.Pod) > r.size {
		r.fail("%s is resized to %d, and has %d", s.Pod, r.size, r.world.Given(s.Pod))
	}
}

// sized fails unless every pod has the memory of the spec.
func (r *run) sized() {
	for _, pod := range r.world.Pods() {
		if given := r.world.Given(pod); given != r.size {
			r.fail("%s has the size %d, want %d", pod, given, r.size)
		}
	}
}

// classed fails unless every pod has a volume of the class of the spec.
func (r *run) classed() {
	classes := r.world.Classes()
	for _, m := range r.world.View().Members {
		if class := classes[m.Pod.Ordinal]; !r.settings.Ephemeral && class != r.class {
			r.fail("%s has a volume of class %q, want %q", m.Pod.Name, class, r.class)
		}
	}
}
