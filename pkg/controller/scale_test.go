package controller

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	clocktesting "k8s.io/utils/clock/testing"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/objects"
)

// paced is a world in which a move takes several steps.
func paced(seed uint64) clustertest.Settings {
	return clustertest.Settings{Seed: seed, StartTime: 2, Pace: 600}
}

// newCluster is a fixture with a cluster that is ready.
func newCluster(t testing.TB, settings clustertest.Settings, edits ...func(*redisv1.RedisCluster)) *fixture {
	t.Helper()
	f := newFixtureIn(t, clocktesting.NewFakeClock(birth), settings, demo(edits...))
	f.converge("shop")
	f.pass()
	f.pass()
	f.story.take()
	f.life.take()
	f.places[0].world.Count()
	return f
}

func masters(n int) func(*redisv1.RedisCluster) {
	return func(rc *redisv1.RedisCluster) { rc.Spec.NumberOfMaster = new(int32(n)) }
}

// change edits the spec, as a user does.
func (f *fixture) change(edits ...func(*redisv1.RedisCluster)) {
	edit(f.api, "shop", "demo", func(rc *redisv1.RedisCluster) {
		for _, e := range edits {
			e(rc)
		}
		rc.Generation++
	})
}

// told is the events with a reason.
func told(events []string, reason string) []string {
	var found []string
	for _, e := range events {
		if strings.Contains(e, " "+reason+" ") {
			found = append(found, e)
		}
	}
	return found
}

// intact fails unless every key is with the owner of its slot and nowhere else.
func (f *fixture) intact() {
	f.t.Helper()
	w := f.places[0].world
	if lost := w.Misplaced(); !lost.IsEmpty() {
		f.t.Fatalf("%s: keys of slots %s are not with their owner\n%s", f.what, lost, f)
	}
	if stray := w.Stray(); !stray.IsEmpty() {
		f.t.Fatalf("%s: keys or marks of slots %s are with somebody else\n%s", f.what, stray, f)
	}
}

// Out by one master and in again: each time exactly one share moves, each slot once, and it is told as one migration.
func TestScale(t *testing.T) {
	t.Parallel()
	for name, storage := range map[string]func(*redisv1.RedisCluster){
		"ephemeral": func(*redisv1.RedisCluster) {}, "persistent": persistent,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newCluster(t, paced(7), storage)
			for _, n := range []int{4, 3} {
				f.what = fmt.Sprintf("to %d masters", n)
				f.change(masters(n))
				f.converge("shop")
				f.whole(2 * n)
				f.intact()
				once, again := f.places[0].world.Moved()
				if want := cluster.SlotCount / 4; once.Len() != want || !again.IsEmpty() {
					t.Errorf("%s: %d slots moved, want %d; %d of them twice", f.what, once.Len(), want, again.Len())
				}
				f.places[0].world.Count()
				events := f.story.take()
				if got := told(events, "MigrationStarted"); len(got) != 1 || !strings.HasSuffix(got[0], "4096 slots are to move") {
					t.Errorf("%s: %q", f.what, got)
				}
				got := told(events, "MigrationCompleted")
				if len(got) != 1 || !strings.Contains(got[0], "moved 4096 slots with 8192 keys of 8.0 MiB in ") {
					t.Errorf("%s: %q", f.what, got)
				}
				for _, step := range []string{plan.MovingSlots, plan.DrainingShards} {
					if got := told(events, step); len(got) > 0 {
						t.Errorf("%s: steps are told one by one: %q", f.what, got)
					}
				}
				if m := f.cluster("shop").Status.Migration; m != nil {
					t.Errorf("%s: still %+v", f.what, m)
				}
				f.settled("shop")
			}
		})
	}
}

// scaled brings a cluster to another number of masters, and holds the end against what must be true of it.
func (f *fixture) scaled(n int) {
	f.t.Helper()
	f.converge("shop")
	f.whole(2 * n)
	f.intact()
	once, again := f.places[0].world.Moved()
	if want := cluster.SlotCount / 4; once.Len() != want || !again.IsEmpty() {
		f.t.Fatalf("%s: %d slots moved, want %d; %d of them twice\n%s", f.what, once.Len(), want, again.Len(), f)
	}
	f.settled("shop")
}

// FAULTS 3, 4, 6, 11: an operator that is killed at any of its writes of a scale-out or scale-in, with a move left at any
// stage, finds out from Kubernetes and Redis how far it came. No slot moves twice.
func TestScale_OperatorKilledAfterEveryWrite(t *testing.T) {
	t.Parallel()
	for _, way := range []struct{ from, to int }{{3, 4}, {4, 3}} {
		undisturbed := newCluster(t, paced(7), masters(way.from))
		undisturbed.change(masters(way.to))
		undisturbed.converge("shop")
		writes := len(undisturbed.life.take())
		if writes < 20 {
			t.Fatalf("%d writes; did the test count them?", writes)
		}
		for name, fate := range fates {
			t.Run(fmt.Sprintf("from %d to %d, %s", way.from, way.to, name), func(t *testing.T) {
				t.Parallel()
				step := 6 * stride
				if fate == killedAfter {
					step = stride
				}
				for n := 1; n <= writes; n += step {
					settings := paced(uint64(n))
					settings.Cuts = 0.3
					f := newCluster(t, settings, masters(way.from))
					f.what = fmt.Sprintf("seed %d, from %d to %d, %s: number %d of %d", n, way.from, way.to, name, n, writes)
					f.life.fate, f.life.at, f.life.met = fate, n, false
					f.change(masters(way.to))
					f.scaled(way.to)
					if !f.life.met {
						t.Errorf("write %d of %d was never reached", n, writes)
					}
				}
			})
		}
	}
}

// An operator that never lives longer than to its first write brings slots to their new owners all the same.
func TestScale_OperatorKilledAgainAndAgain(t *testing.T) {
	t.Parallel()
	for _, way := range []struct{ from, to int }{{3, 4}, {4, 3}} {
		settings := paced(11)
		settings.Cuts = 0.5
		f := newCluster(t, settings, masters(way.from), persistent)
		f.what = fmt.Sprintf("from %d to %d", way.from, way.to)
		f.life.fate, f.life.at, f.life.always = killedAfter, 1, true
		lives := f.lives
		f.change(masters(way.to))
		f.scaled(way.to)
		if lived := f.lives - lives; lived < 15 {
			t.Errorf("%s: the operator lived only %d times", f.what, lived)
		}
	}
}

// What a scale-in leaves of volumes goes where volumes go with their cluster, and stays where they stay: there it holds
// up nobody who scales out again.
func TestScaleIn_Claims(t *testing.T) {
	t.Parallel()
	for retention, left := range map[redisv1.Retention]int{redisv1.RetentionDelete: 6, redisv1.RetentionRetain: 8} {
		t.Run(string(retention), func(t *testing.T) {
			t.Parallel()
			f := newCluster(t, paced(7), masters(4), persistent,
				func(rc *redisv1.RedisCluster) { rc.Spec.Storage.Retention = retention })
			f.change(masters(3))
			f.scaled(3)
			claims := all[*corev1.PersistentVolumeClaim](f.api)
			if len(claims) != left {
				t.Errorf("%d volume claims are left, want %d", len(claims), left)
			}
			for _, m := range f.places[0].world.View().Members {
				mustFind[*corev1.PersistentVolumeClaim](t, f.api, "shop", "data-"+m.Pod.Name)
			}
			if got := told(f.story.take(), redisv1.EventClaimDeleted); len(got) != 8-left {
				t.Errorf("told %q", got)
			}
		})
	}
}

// A claim without a pod is only dropped where everything is there that is wanted.
func TestDropSurplusClaims(t *testing.T) {
	t.Parallel()
	f := newCluster(t, paced(7), persistent,
		func(rc *redisv1.RedisCluster) { rc.Spec.Storage.Retention = redisv1.RetentionDelete })
	rc := f.cluster("shop")
	redisv1.SetDefaults(rc)
	foreign := objects.NewClaim(rc, 9)
	foreign.Labels[redisv1.LabelClusterUID] = "somebody"
	foreign.OwnerReferences = nil
	add(f.api, foreign)
	view := f.places[0].world.View()
	view.Volumes = []int{0, 1, 2, 3, 4, 5, 9}
	f.caches.fill(f.api)
	for what, v := range map[string]cluster.View{
		"of somebody else":  view,
		"a pod is not seen": {Members: view.Members[1:], Volumes: view.Volumes},
	} {
		if err := f.c.dropSurplusClaims(t.Context(), rc, v); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if n := len(all[*corev1.PersistentVolumeClaim](f.api)); n != 7 {
			t.Errorf("%s: %d claims are left", what, n)
		}
	}
}

// Wishes that change under way: the new number is reached from where things stand.
func TestScale_ChangedUnderWay(t *testing.T) {
	t.Parallel()
	for _, way := range [][]int{{3, 5, 3}, {3, 4, 6}, {5, 3, 5}, {5, 3, 4}} {
		t.Run(fmt.Sprint(way), func(t *testing.T) {
			t.Parallel()
			f := newCluster(t, paced(7), masters(way[0]))
			f.what = fmt.Sprint(way)
			f.change(masters(way[1]))
			f.until("half of it has moved", func() bool {
				m := f.migration()
				return m != nil && m.SlotsMoved > m.SlotsLeft
			})
			f.change(masters(way[2]))
			f.converge("shop")
			f.whole(2 * way[2])
			f.intact()
			f.settled("shop")
		})
	}
}
