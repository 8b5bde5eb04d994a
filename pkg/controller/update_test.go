package controller

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/objects"
)

// image sets the image of redis in the spec.
func image(name string) func(*redisv1.RedisCluster) {
	return func(rc *redisv1.RedisCluster) { rc.Spec.PodTemplate.Spec.Containers[0].Image = name }
}

func replicas(n int32) func(*redisv1.RedisCluster) {
	return func(rc *redisv1.RedisCluster) { rc.Spec.ReplicationFactor = &n }
}

func supervised(rc *redisv1.RedisCluster) { rc.Spec.Update.Strategy = redisv1.UpdateSupervised }

// uids are the UIDs of the pods, by name.
func (f *fixture) uids() map[string]string {
	found := map[string]string{}
	for _, pod := range f.pods("shop") {
		found[pod.Name] = string(pod.UID)
	}
	return found
}

// runs fails unless every pod has this image of redis.
func (f *fixture) runs(image string) {
	f.t.Helper()
	for _, pod := range f.pods("shop") {
		if got := pod.Spec.Containers[0].Image; got != image {
			f.t.Errorf("%s runs %s, want %s", pod.Name, got, image)
		}
	}
}

// Another image and back: every pod is another one, and not one slot moves by keys.
func TestUpdate(t *testing.T) {
	t.Parallel()
	for name, edits := range map[string][]func(*redisv1.RedisCluster){
		"ephemeral":               {},
		"persistent":              {persistent},
		"ephemeral, no replicas":  {replicas(0)},
		"persistent, no replicas": {persistent, replicas(0)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newCluster(t, clustertest.Settings{Seed: 3, StartTime: 2}, edits...)
			n := len(f.uids())
			for _, wanted := range []string{"redis:8.0.2", "redis:7.0.15"} {
				f.what = "to " + wanted
				before := f.uids()
				f.change(image(wanted))
				f.converge("shop")
				f.intact()
				f.runs(wanted)
				if got := len(f.uids()); got != n {
					t.Errorf("%s: %d pods, want %d", f.what, got, n)
				}
				for pod, uid := range f.uids() {
					if before[pod] == uid {
						t.Errorf("%s: %s was not replaced", f.what, pod)
					}
				}
				if moved, _ := f.places[0].world.Moved(); !moved.IsEmpty() {
					t.Errorf("%s: %d slots moved", f.what, moved.Len())
				}
				if u := f.cluster("shop").Status.Update; u == nil || int(u.UpdatedPods) != n {
					t.Errorf("%s: status.update is %+v", f.what, u)
				}
				f.settled("shop")
			}
			numbers := map[int64]bool{}
			for _, r := range all[*appsv1.ControllerRevision](f.api) {
				numbers[r.Revision] = true
			}
			if len(numbers) != 2 || !numbers[2] || !numbers[3] { // the first one is the newest again
				t.Errorf("revisions %v", numbers)
			}
		})
	}
}

// The operator that is killed at any of its writes goes on where it was.
func TestUpdate_OperatorKilledAfterEveryWrite(t *testing.T) {
	t.Parallel()
	undisturbed := newCluster(t, clustertest.Settings{Seed: 3})
	undisturbed.change(image("redis:8.0.2"))
	undisturbed.converge("shop")
	writes := len(undisturbed.life.take())
	if writes < 12 {
		t.Fatalf("%d writes; did the test count them?", writes)
	}
	for n := 1; n <= writes; n += 2 * stride {
		f := newCluster(t, clustertest.Settings{Seed: uint64(n)})
		f.what = "killed"
		f.life.fate, f.life.at = killedAfter, n
		f.change(image("redis:8.0.2"))
		f.converge("shop")
		f.whole(6)
		f.intact()
		f.runs("redis:8.0.2")
	}
}

// FAULTS 35, 36: what does not run stops at the first pod, with the server's own words; going back heals that pod, and
// touches no other.
func TestUpdate_BadTemplate(t *testing.T) {
	t.Parallel()
	for _, flaw := range []string{clustertest.Crashing, clustertest.Unpullable} {
		t.Run(flaw, func(t *testing.T) {
			t.Parallel()
			f := newCluster(t, clustertest.Settings{Seed: 3})
			before := f.uids()
			f.places[0].world.Update(flaw)
			f.change(image("redis:bad"))
			for range 40 {
				_ = f.lookFresh("shop")
				f.hold()
				f.pass()
			}
			replaced := 0
			for pod, uid := range f.uids() {
				if before[pod] != uid {
					replaced++
				}
			}
			if replaced != 1 {
				t.Fatalf("%d pods were replaced, want 1\n%s", replaced, f)
			}
			if flaw == clustertest.Crashing {
				if c := f.condition("shop", redisv1.ConditionDegraded); c.Reason != redisv1.ReasonPodFailing ||
					!strings.Contains(c.Message, "Bad directive") {
					t.Errorf("%+v", c)
				}
			}
			f.places[0].world.Revert()
			f.change(image("redis:7.0.15"))
			f.converge("shop")
			f.runs("redis:7.0.15")
			kept := 0
			for pod, uid := range f.uids() {
				if before[pod] == uid {
					kept++
				}
			}
			if kept != 5 {
				t.Errorf("%d pods were left alone, want 5", kept)
			}
		})
	}
}

// Without approval a supervised update ends before masters; the approval of one template is none of the next.
func TestUpdate_Supervised(t *testing.T) {
	t.Parallel()
	f := newCluster(t, clustertest.Settings{Seed: 3}, supervised)
	for _, wanted := range []string{"redis:8.0.2", "redis:8.6.3"} {
		f.what = wanted
		f.change(image(wanted))
		f.untilHeld()
		rc := f.cluster("shop")
		if rc.Status.Update.UpdatedPods != 3 {
			t.Errorf("%s: %d pods are updated, want 3", f.what, rc.Status.Update.UpdatedPods)
		}
		f.settled("shop")
		edit(f.api, "shop", "demo", func(rc *redisv1.RedisCluster) {
			rc.Annotations = map[string]string{redisv1.AnnotationApprovedRevision: rc.Status.Update.Revision}
		})
		f.converge("shop")
		f.runs(wanted)
	}
}

// Who has agreed to a template has not agreed to a setting that comes later, and for which masters start again.
func TestUpdate_SupervisedSetting(t *testing.T) {
	t.Parallel()
	f := newCluster(t, clustertest.Settings{Seed: 3}, supervised)
	approve := func() {
		edit(f.api, "shop", "demo", func(rc *redisv1.RedisCluster) {
			rc.Annotations = map[string]string{redisv1.AnnotationApprovedRevision: rc.Status.Update.Revision}
		})
	}
	f.change(image("redis:8.0.2"))
	f.untilHeld()
	approve()
	f.converge("shop")
	f.change(func(rc *redisv1.RedisCluster) { rc.Spec.Config = redisv1.Config{"databases": "4"} })
	f.untilHeld()
	if n := f.cluster("shop").Status.Update.UpdatedPods; n != 3 {
		t.Errorf("%d pods are updated, want 3", n)
	}
	approve()
	f.converge("shop")
	f.everywhere("databases", "4")
}

// untilHeld lets a supervised update go as far as it goes by itself.
func (f *fixture) untilHeld() {
	f.t.Helper()
	for range 100 {
		_ = f.lookFresh("shop")
		f.hold()
		f.pass()
	}
	if c := f.condition("shop", redisv1.ConditionProgressing); c.Reason != plan.UpdateAwaitsApproval {
		f.t.Fatalf("%s: %+v\n%s", f.what, c, f)
	}
}

// An operator with another image of the agent changes it in the pods that run, and replaces none; with
// spec.update.redisnode: WithPods it does not.
func TestUpdate_Agents(t *testing.T) {
	t.Parallel()
	for name, with := range map[string]redisv1.RedisnodeUpdate{
		"Automatic": redisv1.RedisnodeAutomatic, "WithPods": redisv1.RedisnodeWithPods,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newCluster(t, clustertest.Settings{Seed: 3}, func(rc *redisv1.RedisCluster) { rc.Spec.Update.Redisnode = with })
			before := f.uids()
			f.c.Images.Redisnode = "redisnode:next"
			for range 30 {
				_ = f.lookFresh("shop")
				f.hold()
				f.pass()
			}
			for _, pod := range f.pods("shop") {
				if before[pod.Name] != string(pod.UID) {
					t.Errorf("%s was replaced", pod.Name)
				}
				changed := agentOf(pod) == "redisnode:next"
				if changed != (with == redisv1.RedisnodeAutomatic) {
					t.Errorf("the agent in %s is %s", pod.Name, agentOf(pod))
				}
			}
		})
	}
}

func agentOf(pod *corev1.Pod) string {
	for _, c := range pod.Spec.InitContainers {
		if c.Name == "redisnode" && c.Image == objects.AgentImage(pod) {
			return c.Image
		}
	}
	return ""
}
