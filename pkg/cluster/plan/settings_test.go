package plan_test

import (
	"reflect"
	"testing"

	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

func TestApplySettings(t *testing.T) {
	t.Parallel()
	demo := plan.Wanted{Primaries: 3, Replicas: 1, Bootstrapped: true, ZoneAware: true}
	drift := []cluster.Drift{{Name: clustertest.Knob, Has: "0", Want: "1"}}
	for name, tc := range map[string]struct {
		world  func(*clustertest.World)
		wanted func(*plan.Wanted)
		reason string
		pods   []string // that are changed
	}{
		"nothing has changed": {world: func(*clustertest.World) {}, reason: plan.Converged},
		"all nodes in one step": {
			world:  func(w *clustertest.World) { w.Turn(1) },
			reason: plan.ApplyingSettings, pods: []string{"demo-0", "demo-1", "demo-2", "demo-3", "demo-4", "demo-5"},
		},
		"a node that does not answer keeps nobody else back": {
			world:  func(w *clustertest.World) { w.Turn(1).Hide("demo-4", true) },
			reason: plan.ApplyingSettings, pods: []string{"demo-0", "demo-1", "demo-2", "demo-3", "demo-5"},
		},
		"before slots move": {
			world: func(w *clustertest.World) { w.Turn(1) }, wanted: func(w *plan.Wanted) { w.Primaries = 2 },
			reason: plan.ApplyingSettings, pods: []string{"demo-0", "demo-1", "demo-2", "demo-3", "demo-4", "demo-5"},
		},
		"not while the cluster is paused": {
			world: func(w *clustertest.World) { w.Turn(1) }, wanted: func(w *plan.Wanted) { w.Paused = true },
			reason: plan.Paused,
		},
		"not while a stranger is among the nodes": {
			world: func(w *clustertest.World) { w.Turn(1).Stranger("192.168.0.1").Ticks(5) }, reason: plan.ForeignNodes,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			world, wanted := clustertest.Cluster(3, 1), demo
			tc.world(world)
			if tc.wanted != nil {
				tc.wanted(&wanted)
			}
			d := plan.Next(wanted, world.View())
			if d.Reason != tc.reason {
				t.Fatalf("%+v, want %s", d, tc.reason)
			}
			var want plan.Configure
			for _, pod := range tc.pods {
				want.Changes = append(want.Changes, plan.Change{Pod: pod, Node: world.ID(pod), Settings: drift})
			}
			if got, ok := d.Step.(plan.Configure); ok != (len(tc.pods) > 0) || ok && !reflect.DeepEqual(got, want) {
				t.Errorf("%+v, want %+v", d.Step, want)
			}
		})
	}
}

// A node that was away starts with what the others have taken meanwhile; a refused value changes nothing.
func TestApplySettings_WhoWasAway(t *testing.T) {
	t.Parallel()
	world := clustertest.Cluster(3, 1)
	wanted := plan.Wanted{Primaries: 3, Replicas: 1, Bootstrapped: true, ZoneAware: true}
	settle := func() {
		for range 60 {
			d := plan.Next(wanted, world.View())
			if err := world.Apply(d.Step); err != nil {
				t.Fatal(err)
			}
			if d.Reason == plan.Converged {
				return
			}
			world.Tick()
		}
		t.Fatalf("it does not converge:\n%s", world)
	}
	world.Restart("demo-3").Turn(2)
	settle()
	if live, written := world.Knobs(); written != 2 || live["demo-3"] != 2 || live["demo-0"] != 2 {
		t.Errorf("%v, written %d", live, written)
	}
	world.Turn(clustertest.BadKnob)
	settle()
	world.Restart("demo-1")
	settle()
	if live, written := world.Knobs(); written != 2 || live["demo-1"] != 2 || live["demo-0"] != 2 {
		t.Errorf("after a refusal: %v, written %d", live, written)
	}
}
