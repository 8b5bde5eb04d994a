package controller

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// ofClass has volumes be of a class.
func ofClass(name string) func(*redisv1.RedisCluster) {
	return func(rc *redisv1.RedisCluster) {
		persistent(rc)
		inClass(name)(rc)
	}
}

// volumes are the UIDs of the claims, by name.
func (f *fixture) volumes() map[string]types.UID {
	found := map[string]types.UID{}
	for _, claim := range all[*corev1.PersistentVolumeClaim](f.api) {
		found[claim.Name] = claim.UID
	}
	return found
}

// areOf fails unless every pod has a volume of this class, and the status says so.
func (f *fixture) areOf(class string) {
	f.t.Helper()
	for _, pod := range f.pods("shop") {
		claim := mustFind[*corev1.PersistentVolumeClaim](f.t, f.api, "shop", claimIn(pod))
		if *claim.Spec.StorageClassName != class || claim.DeletionTimestamp != nil {
			f.t.Errorf("%s: claim %s is of class %s, want %s", f.what, claim.Name, *claim.Spec.StorageClassName, class)
		}
	}
	for _, n := range f.cluster("shop").Status.Nodes {
		if n.StorageClass != class || n.Outdated {
			f.t.Errorf("%s: status says %+v, want class %s", f.what, n, class)
		}
	}
}

// replaced are the names of the claims that are others than before.
func (f *fixture) replaced(before map[string]types.UID) []string {
	var names []string
	for name, uid := range f.volumes() {
		if before[name] != uid {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Another class and back: every volume is another one, one pod is away at a time, and not one key is lost.
func TestClass(t *testing.T) {
	t.Parallel()
	for name, edits := range map[string]edits{
		"with replicas":     {ofClass("slow")},
		"without replicas":  {ofClass("slow"), replicas(0)},
		"volumes that go":   {ofClass("slow"), func(rc *redisv1.RedisCluster) { rc.Spec.Storage.Retention = redisv1.RetentionDelete }},
		"two replicas each": {ofClass("slow"), replicas(2)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newCluster(t, clustertest.Settings{Seed: 3, StartTime: 2}, edits...)
			n := len(f.pods("shop"))
			for _, class := range []string{"fast", "slow"} {
				f.what = "to " + class
				before := f.volumes()
				f.change(ofClass(class))
				f.until("it is done", func() bool {
					away := 0
					for _, pod := range f.pods("shop") {
						if pod.DeletionTimestamp != nil {
							away++
						}
					}
					if away+n-len(f.pods("shop")) > 1 {
						t.Errorf("%s: %d pods are away\n%s", f.what, away, f)
					}
					f.hold()
					return f.isReady("shop")
				})
				f.intact()
				f.areOf(class)
				if got := f.replaced(before); len(got) != len(f.volumes()) || len(got) != n {
					t.Errorf("%s: other volumes are %q, of %d pods", f.what, got, n)
				}
				if moved, _ := f.places[0].world.Moved(); !moved.IsEmpty() {
					t.Errorf("%s: %d slots moved", f.what, moved.Len())
				}
				if got := told(f.story.take(), redisv1.EventClaimDeleted); len(got) != n {
					t.Errorf("%s: told %q", f.what, got)
				}
				f.settled("shop")
			}
		})
	}
}

// The operator that is killed at any of its writes, also between a pod and its volume, goes on where it was.
func TestClass_OperatorKilledAtEveryWrite(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]func(*redisv1.RedisCluster){"with replicas": replicas(1), "without": replicas(0)} {
		undisturbed := newCluster(t, clustertest.Settings{Seed: 3}, ofClass("slow"), size)
		undisturbed.change(ofClass("fast"))
		undisturbed.converge("shop")
		writes := len(undisturbed.life.take())
		if writes < 20 {
			t.Fatalf("%d writes; did the test count them?", writes)
		}
		for n := 1; n <= writes; n += 2 * stride {
			next := []fate{killedBefore, killedAfter, writeFails, answerLost}[n/2%4]
			f := newCluster(t, clustertest.Settings{Seed: uint64(n)}, ofClass("slow"), size)
			f.what = name
			f.life.fate, f.life.at = next, n
			f.change(ofClass("fast"))
			f.converge("shop")
			f.intact()
			f.areOf("fast")
			f.settled("shop")
		}
	}
}

// An operator that is killed between a pod and its volume leaves both as they were: the pod comes back to the volume, and
// is replaced once more.
func TestClass_KilledBetween(t *testing.T) {
	t.Parallel()
	f := newCluster(t, clustertest.Settings{Seed: 3}, ofClass("slow"))
	f.change(ofClass("fast"))
	before := f.volumes()
	killed := false
	f.api.kube.PrependReactor("delete", "persistentvolumeclaims", func(a clienttesting.Action) (bool, runtime.Object, error) {
		deletion, ok := a.(clienttesting.DeleteActionImpl)
		if killed || !ok || len(deletion.DeleteOptions.DryRun) > 0 {
			return false, nil, nil
		}
		f.life.mu.Lock()
		defer f.life.mu.Unlock()
		killed, f.life.dead = true, true
		return true, nil, errKilled
	})
	f.until("the operator is killed", func() bool { return killed })
	f.start()
	f.until("the pod is back", func() bool {
		pods := f.pods("shop")
		return len(pods) == 6 && !slices.ContainsFunc(pods, func(p *corev1.Pod) bool { return p.DeletionTimestamp != nil })
	})
	if got := f.replaced(before); len(got) > 0 {
		t.Fatalf("other volumes are %q", got)
	}
	f.converge("shop")
	f.intact()
	f.areOf("fast")
}

// All pods at once are deleted half way: they come back to the volumes that there are.
func TestClass_AllPodsDeleted(t *testing.T) {
	t.Parallel()
	for _, size := range []func(*redisv1.RedisCluster){replicas(1), replicas(0)} {
		f := newCluster(t, clustertest.Settings{Seed: 3}, ofClass("slow"), size)
		n := len(f.pods("shop"))
		before := f.volumes()
		f.change(ofClass("fast"))
		f.until("two volumes are others", func() bool { return len(f.replaced(before)) == 2 })
		half := f.volumes()
		for _, pod := range f.pods("shop") {
			drop[*corev1.Pod](f.api, "shop", pod.Name)
		}
		f.until("the pods are back", func() bool {
			pods := f.pods("shop")
			return len(pods) >= n && !slices.ContainsFunc(pods, func(p *corev1.Pod) bool { return p.DeletionTimestamp != nil })
		})
		if got := f.replaced(half); len(got) > 0 {
			t.Errorf("%q are others by now", got)
		}
		f.converge("shop")
		f.intact()
		f.areOf("fast")
	}
}

// A class that does not exist stops at the first pod, and says which claim waits for which class; setting it back heals
// that pod and touches no other.
func TestClass_NotThere(t *testing.T) {
	t.Parallel()
	f := newCluster(t, clustertest.Settings{Seed: 3}, ofClass("slow"))
	before := f.volumes()
	f.change(ofClass(noClass))
	f.endure(40)
	lost := f.replaced(before)
	if len(lost) != 1 {
		t.Fatalf("other volumes are %q\n%s", lost, f)
	}
	f.says(redisv1.ConditionProgressing, "True WaitingForPods", lost[0]+" of class none is not bound")
	f.change(ofClass("slow"))
	f.converge("shop")
	f.intact()
	f.areOf("slow")
	if got := f.replaced(before); !slices.Equal(got, lost) {
		t.Errorf("other volumes are %q, want %q", got, lost)
	}
	f.settled("shop")
}

// Half done and taken back: only what has changed changes back. Without a name any class is right.
func TestClass_TakenBack(t *testing.T) {
	t.Parallel()
	f := newCluster(t, clustertest.Settings{Seed: 3}, ofClass("slow"))
	before := f.volumes()
	f.change(ofClass("fast"))
	f.until("two volumes are others", func() bool { return len(f.replaced(before)) == 2 })
	f.change(func(rc *redisv1.RedisCluster) { rc.Spec.Storage.StorageClassName = nil })
	f.converge("shop")
	f.settled("shop")
	changed := f.replaced(before)
	if len(changed) != 2 {
		t.Errorf("other volumes are %q, want two", changed)
	}
	f.change(ofClass("slow"))
	f.converge("shop")
	f.intact()
	f.areOf("slow")
	if got := f.replaced(before); !slices.Equal(got, changed) {
		t.Errorf("other volumes are %q, want %q", got, changed)
	}
}

// Who has agreed to one class has not agreed to the next.
func TestClass_Supervised(t *testing.T) {
	t.Parallel()
	f := newCluster(t, clustertest.Settings{Seed: 3}, ofClass("slow"), supervised)
	for _, class := range []string{"fast", "faster"} {
		f.what = class
		f.change(ofClass(class))
		f.untilHeld()
		if n := f.cluster("shop").Status.Update.UpdatedPods; n != 3 {
			t.Errorf("%s: %d pods are updated, want 3", class, n)
		}
		edit(f.api, "shop", "demo", func(rc *redisv1.RedisCluster) {
			rc.Annotations = map[string]string{redisv1.AnnotationApprovedRevision: rc.Status.Update.Revision}
		})
		f.converge("shop")
		f.areOf(class)
	}
}

// Volumes that a scale-in has left are used by a scale-out, of whatever class they are, and replaced then.
func TestClass_RetainedVolumes(t *testing.T) {
	t.Parallel()
	f := newCluster(t, paced(7), masters(4), ofClass("slow"))
	f.change(masters(3))
	f.scaled(3)
	left := f.volumes()
	f.change(ofClass("fast"))
	f.converge("shop")
	f.areOf("fast")
	if got := f.replaced(left); len(got) != 6 {
		t.Errorf("of 8 volumes %q are others, want those of 6 pods", got)
	}
	f.change(masters(4))
	f.converge("shop")
	f.whole(8)
	f.intact()
	f.areOf("fast")
	f.settled("shop")
}

// lookUntilRefused changes the class, and looks until the operator is told no.
func (f *fixture) lookUntilRefused(words string) {
	f.t.Helper()
	f.change(ofClass("fast"))
	var err error
	f.until("it is refused", func() bool {
		err = f.lookFresh("shop")
		return err != nil && strings.Contains(err.Error(), words)
	})
}

// Where a claim could not follow its pod, be it for a missing right or an admission policy, the pod stays.
func TestClass_ClaimMayNotGo(t *testing.T) {
	t.Parallel()
	f := newCluster(t, clustertest.Settings{Seed: 3}, ofClass("slow"))
	f.api.kube.PrependReactor("delete", "persistentvolumeclaims", func(a clienttesting.Action) (bool, runtime.Object, error) {
		gone, _ := a.(clienttesting.DeleteActionImpl)
		return true, nil, apierrors.NewForbidden(corev1.Resource("persistentvolumeclaims"), gone.Name, errors.New("not yours"))
	})
	before := f.uids()
	f.lookUntilRefused("not yours")
	f.endure(10)
	f.stays(before, true)
	f.says(redisv1.ConditionDegraded, "True InvalidSpec", "data-demo-", "not yours")
}

// S2, at the moment of harm: a volume goes only with the pod that was asked, while the primary is there with its data.
func TestClass_AsksAgain(t *testing.T) {
	t.Parallel()
	unchanged := func(*redis.Observation) {}
	for name, tc := range map[string]struct {
		primary func(*redis.Observation)
		meet    func(*fixture, string) // before the step
		refused string
	}{
		"all is as it was":                   {primary: unchanged},
		"the primary is gone":                {primary: func(o *redis.Observation) { o.Err = errors.New("nobody listens") }, refused: "nobody listens"},
		"the primary is loading what it had": {primary: func(o *redis.Observation) { o.Info.Loading = true }, refused: "loading"},
		"the primary is a replica by now":    {primary: func(o *redis.Observation) { o.Info.Table[0].Role = cluster.Replica }, refused: "no primary"},
		"somebody else has deleted the pod":  {primary: unchanged, meet: func(f *fixture, pod string) { drop[*corev1.Pod](f.api, "shop", pod) }, refused: "somebody else"},
		"the claim is another one by now": {primary: unchanged, meet: func(f *fixture, pod string) {
			edit(f.api, "shop", "data-"+pod, func(c *corev1.PersistentVolumeClaim) { c.UID = "another" })
		}, refused: "its UID is another"},
		"the class is right by now": {primary: unchanged, meet: func(f *fixture, pod string) {
			edit(f.api, "shop", "data-"+pod, func(c *corev1.PersistentVolumeClaim) { c.Spec.StorageClassName = new("fast") })
			f.caches.fill(f.api)
		}, refused: `of class "fast" by now`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newCluster(t, clustertest.Settings{Seed: 3}, ofClass("slow"))
			f.change(ofClass("fast"))
			f.caches.fill(f.api)
			now := f.targetNow()
			d := plan.Next(wanted(now.rc), now.view)
			step, ok := d.Step.(plan.DeletePod)
			if !ok || !step.WithVolume {
				t.Fatalf("%+v", d)
			}
			if tc.meet != nil {
				tc.meet(f, step.Pod)
			}
			claims, uid := f.volumes(), f.uids()[step.Pod]
			f.c.Redis = &primaryLast{RedisControl: f.c.Redis, primary: tc.primary}
			err := f.c.deletePod(t.Context(), now, step)
			claim, there := find[*corev1.PersistentVolumeClaim](f.api, "shop", "data-"+step.Pod)
			kept := there && claim.DeletionTimestamp == nil
			if tc.refused == "" {
				if err != nil || kept || len(f.volumes()) != len(claims) || f.uids()[step.Pod] != uid {
					t.Errorf("error %v, claim %+v", err, claim)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.refused) || !outdated(err) {
				t.Errorf("error %v, want a refusal with %q", err, tc.refused)
			}
			if !kept || !maps.Equal(f.volumes(), claims) {
				t.Error("the volume is gone")
			}
		})
	}
}

// primaryLast changes what the second node says that is asked: it is the primary of the first.
type primaryLast struct {
	RedisControl
	primary func(*redis.Observation)
	asked   int
}

func (r *primaryLast) ObserveAll(ctx context.Context, eps []redis.Endpoint) []redis.Observation {
	said := r.RedisControl.ObserveAll(ctx, eps)
	if r.asked++; r.asked == 2 {
		info := *said[0].Info
		info.Table = slices.Clone(info.Table)
		for i := range info.Table {
			if !info.Table[i].Flags.Myself {
				continue
			}
			info.Table[0], info.Table[i] = info.Table[i], info.Table[0]
		}
		said[0].Info = &info
		r.primary(&said[0])
	}
	return said
}
