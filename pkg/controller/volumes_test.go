package controller

import (
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/redisoperator/redis-operator/pkg/agent"
	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/objects"
)

func sized(size string) func(*redisv1.RedisCluster) {
	return func(rc *redisv1.RedisCluster) {
		persistent(rc)
		rc.Spec.Storage.Size = new(resource.MustParse(size))
	}
}

// has fails unless every claim asks for so much, and the status says so.
func (f *fixture) has(size string) {
	f.t.Helper()
	for _, claim := range all[*corev1.PersistentVolumeClaim](f.api) {
		if got := claim.Spec.Resources.Requests.Storage().String(); got != size {
			f.t.Errorf("%s asks for %s, want %s", claim.Name, got, size)
		}
	}
	if got := f.cluster("shop").Status.VolumeSize; got == nil || got.String() != size {
		f.t.Errorf("status.volumeSize is %v, want %s", got, size)
	}
}

// Volumes grow with the spec, all of them, without a pod being touched, and never shrink.
func TestVolumesGrow(t *testing.T) {
	t.Parallel()
	f := newCluster(t, paced(7), sized("1Gi"))
	f.has("1Gi")
	f.change(sized("2Gi"))
	f.converge("shop")
	f.converge("shop")
	f.has("2Gi")
	f.change(sized("1Gi")) // as the API server allows while no volume has grown yet
	f.converge("shop")
	f.has("2Gi")
	f.settled("shop")
	if events := f.story.take(); len(told(events, "PodDeleted")) > 0 {
		t.Errorf("told %q", events)
	}
}

// A class that does not allow growth is named, keeps nothing else from being done, and is asked again only a while later.
func TestVolumesGrow_Refused(t *testing.T) {
	t.Parallel()
	f := newCluster(t, paced(7), sized("1Gi"))
	tried := 0
	allowed := false
	f.api.kube.PrependReactor("patch", "persistentvolumeclaims", func(a clienttesting.Action) (bool, runtime.Object, error) {
		patch, ok := a.(clienttesting.PatchAction)
		if !ok || allowed || !strings.Contains(string(patch.GetPatch()), `"storage":"2Gi"`) || strings.Contains(string(patch.GetPatch()), "apiVersion") {
			return false, nil, nil
		}
		tried++
		return true, nil, apierrors.NewForbidden(corev1.Resource("persistentvolumeclaims"), patch.GetName(), errors.New("no growth"))
	})
	f.change(sized("2Gi"), masters(4))
	f.converge("shop")
	f.whole(8)
	f.says(redisv1.ConditionDegraded, "True VolumeCannotGrow", "data-demo-0", "allowVolumeExpansion", "and 5 more")
	if tried != 6 {
		t.Errorf("asked %d times within seconds, want once for each of six claims", tried)
	}
	allowed = true
	f.clock.(*clocktesting.FakeClock).Step(2 * growthRest)
	f.converge("shop")
	f.converge("shop")
	f.has("2Gi")
	f.says(redisv1.ConditionDegraded, "False Healthy")
	f.settled("shop")
}

// What a deleted cluster of the same name has left is taken over: the same nodes, the same data, and claims that no pod
// is wanted for.
func TestAdoptedVolumes(t *testing.T) {
	t.Parallel()
	f := newCluster(t, paced(7), persistent)
	for _, claim := range all[*corev1.PersistentVolumeClaim](f.api) {
		edit(f.api, "shop", claim.Name, func(c *corev1.PersistentVolumeClaim) { c.Labels[redisv1.LabelClusterUID] = "former" })
	}
	rc := defaulted(persistent, func(rc *redisv1.RedisCluster) { rc.UID = "former" })
	add(f.api, objects.NewClaim(rc, 9))
	f.until("the claims are another cluster's", func() bool {
		return f.condition("shop", redisv1.ConditionDegraded).Reason == redisv1.ReasonVolumeConflict
	})
	f.change(func(rc *redisv1.RedisCluster) { rc.Spec.Storage.Adopt = true })
	f.converge("shop")
	f.whole(6)
	f.intact()
	uid := string(f.cluster("shop").UID)
	for _, claim := range all[*corev1.PersistentVolumeClaim](f.api) {
		if claim.Labels[redisv1.LabelClusterUID] != uid {
			t.Errorf("%s is of %s", claim.Name, claim.Labels[redisv1.LabelClusterUID])
		}
	}
	f.settled("shop")
}

// A file system that does not grow under its pod grows when the pod is made anew, once.
func TestOutgrown(t *testing.T) {
	t.Parallel()
	at := func(d time.Duration) metav1.Time { return metav1.NewTime(birth.Add(d)) }
	pending := func(since time.Duration) corev1.PersistentVolumeClaimCondition {
		return corev1.PersistentVolumeClaimCondition{
			Type: corev1.PersistentVolumeClaimFileSystemResizePending, Status: corev1.ConditionTrue, LastTransitionTime: at(since),
		}
	}
	for name, tc := range map[string]struct {
		created time.Duration
		state   cluster.PodState
		says    []corev1.PersistentVolumeClaimCondition
		want    bool
	}{
		"nothing is pending":        {created: -time.Hour, state: cluster.PodRunning},
		"it has just grown":         {-time.Hour, cluster.PodRunning, []corev1.PersistentVolumeClaimCondition{pending(-time.Minute)}, false},
		"it has been so for long":   {-time.Hour, cluster.PodRunning, []corev1.PersistentVolumeClaimCondition{pending(-6 * time.Minute)}, true},
		"the pod was made since":    {-5 * time.Minute, cluster.PodRunning, []corev1.PersistentVolumeClaimCondition{pending(-6 * time.Minute)}, false},
		"redis has not started yet": {-time.Hour, cluster.PodPending, []corev1.PersistentVolumeClaimCondition{pending(-6 * time.Minute)}, false},
	} {
		f := newFixture(t, demo(persistent))
		rc := defaulted(persistent)
		claim := objects.NewClaim(rc, 2)
		claim.Status.Conditions = tc.says
		add(f.api, claim)
		edit(f.api, "shop", claim.Name, func(c *corev1.PersistentVolumeClaim) { c.Status.Conditions = tc.says })
		f.caches.fill(f.api)
		pod := objects.NewPod(rc, 2, objects.Images{})
		pod.CreationTimestamp = at(tc.created)
		pod.Status = statusIn(cluster.Member{Pod: cluster.Pod{State: tc.state}})
		if got := f.c.outgrown(pod, f.c.claimOf(rc, 2)); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A node that cannot write to its volume is said, with the room that there is, and no pod is deleted for it.
func TestVolumeIsFull(t *testing.T) {
	t.Parallel()
	f := newCluster(t, paced(7), persistent)
	f.places[0].world.FailWrites("demo-1", "aof_last_write_status:err")
	f.answers["demo-1"] = func(s agent.Status) (agent.Status, error) {
		s.Volume = &agent.Volume{Bytes: 1000, Free: 21}
		return s, nil
	}
	if err := f.lookFresh("shop"); err != nil {
		t.Fatal(err)
	}
	f.says(redisv1.ConditionDegraded, "True VolumeFull", "demo-1", "aof_last_write_status:err", "2% are free")
	if asked := f.life.take(); len(asked) != 1 {
		t.Errorf("besides the status %q was written", asked)
	}
	f.places[0].world.FailWrites("demo-1", "")
	if err := f.lookFresh("shop"); err != nil {
		t.Fatal(err)
	}
	f.says(redisv1.ConditionDegraded, "False Healthy")
}
