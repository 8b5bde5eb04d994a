package controller

import (
	"maps"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/objects"
)

// What kubelets, or the API server, make of pods that are to get other resources; "": they get them.
const (
	unserved = "unserved" // the API server does not know of it
	older    = "older"    // the kubelets do not know of it
	refused  = "refused"  // the API server does not take it
)

// noRoom is what a kubelet says that does not do it.
const noRoom = "Node didn't have enough resource: memory"

// give is a kubelet that gives container redis the resources that are asked for, a look after it has heard of them.
func (f *fixture) give(p *place, pod *corev1.Pod, status *corev1.PodStatus) {
	s, asked := p.started[pod.Name], pod.Spec.Containers[0].Resources
	say := func(kind corev1.PodConditionType, reason, message string) {
		status.Conditions = append(status.Conditions, corev1.PodCondition{
			Type: kind, Status: corev1.ConditionTrue, Reason: reason, Message: message,
		})
	}
	switch same := equality.Semantic.DeepEqual(s.given, asked); {
	case f.kubelets == older:
		return
	case s.given.Limits == nil || same:
		s.given = asked
	case f.kubelets == corev1.PodReasonDeferred, f.kubelets == corev1.PodReasonInfeasible:
		say(corev1.PodResizePending, f.kubelets, noRoom)
	case f.kubelets == corev1.PodReasonError:
		say(corev1.PodResizeInProgress, f.kubelets, noRoom)
	case !equality.Semantic.DeepEqual(s.asked, asked):
		say(corev1.PodResizeInProgress, "", "")
	default:
		s.given = asked
	}
	s.asked = asked
	status.ContainerStatuses[0].Resources = s.given.DeepCopy()
	p.started[pod.Name] = s
}

// stays fails unless the pods are those of before, or, when they are to be replaced, all others.
func (f *fixture) stays(before map[string]string, want bool) {
	f.t.Helper()
	for name, uid := range f.uids() {
		if (before[name] == uid) != want {
			f.t.Errorf("%s: %s stays: %t", f.what, name, !want)
		}
	}
}

// have fails unless every pod is of the spec's template and has this memory, and redis runs with its share.
func (f *fixture) have(memory string) {
	f.t.Helper()
	rc, all := f.cluster("shop"), quantity.MustParse(memory)
	redisv1.SetDefaults(rc)
	for _, pod := range f.pods("shop") {
		if objects.Outdated(pod, rc) || pod.Spec.Containers[0].Resources.Limits.Memory().Cmp(all) != 0 {
			f.t.Errorf("%s: %s has %v, annotations %v", f.what, pod.Name, pod.Spec.Containers[0].Resources, pod.Annotations)
		}
	}
	f.everywhere("maxmemory", strconv.FormatInt(all.Value()/4*3, 10))
	f.settled("shop")
}

// More memory reaches redis while it runs, and its share follows it. Less memory is for pods that are replaced.
func TestResize(t *testing.T) {
	t.Parallel()
	f := newCluster(t, clustertest.Settings{Seed: 3}, limit("256Mi"), supervised)
	for _, to := range []struct {
		memory string
		stays  bool
	}{{"1Gi", true}, {"2Gi", true}, {"512Mi", false}, {"1Gi", true}} {
		f.what = "to " + to.memory
		before := f.uids()
		if !to.stays {
			f.change(func(rc *redisv1.RedisCluster) { rc.Spec.Update.Strategy = redisv1.UpdateAutomatic })
		}
		f.change(limit(to.memory))
		for range 300 {
			_ = f.lookFresh("shop")
			f.withinLimits()
			if f.isReady("shop") {
				break
			}
			f.pass()
		}
		f.stays(before, to.stays)
		if n := resizes(f.life.take()); to.stays && n != 6 || !to.stays && n > 0 {
			t.Errorf("%s: %d resizes of 6 pods", f.what, n)
		}
		f.have(to.memory)
	}
	if told(f.story.take(), plan.ResizingPods) == nil {
		t.Error("no event tells of it")
	}
}

func resizes(writes []string) int {
	return strings.Count(strings.Join(writes, "\n"), "patch pods/resize")
}

// Where it cannot be done while redis runs, pods are replaced.
func TestResize_Replaced(t *testing.T) {
	t.Parallel()
	for _, why := range []string{unserved, older, refused, corev1.PodReasonInfeasible} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, demo(limit("256Mi")))
			if f.kubelets = why; why == refused {
				f.api.kube.PrependReactor("patch", "pods", func(a clienttesting.Action) (bool, runtime.Object, error) {
					return a.GetSubresource() == "resize", nil, apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "x", nil)
				})
			}
			f.start()
			f.converge("shop")
			before := f.uids()
			f.what = why
			f.change(limit("1Gi"))
			f.converge("shop")
			f.stays(before, false)
			f.have("1Gi")
		})
	}
}

// A host without room: the kubelet is quoted, and asked nothing twice; redis runs on with what it has. Once there is
// room it gets more, and when it is taken back all is as it was.
func TestResize_Stalled(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{corev1.PodReasonDeferred, corev1.PodReasonError} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			f := newCluster(t, clustertest.Settings{Seed: 3}, limit("256Mi"))
			before, pods := f.footprint(), f.uids()
			f.what, f.kubelets = reason, reason
			f.change(limit("1Gi"))
			f.endure(20)
			f.says(redisv1.ConditionDegraded, "True ResizeStalled", "demo-0: "+reason+": "+noRoom)
			f.says(redisv1.ConditionProgressing, "True ResizingPods", "demo-5: "+reason)
			f.everywhere("maxmemory", strconv.Itoa(192<<20))
			f.life.take()
			f.endure(3)
			if writes := f.life.take(); len(writes) > 0 {
				t.Errorf("who waits writes %q", writes)
			}
			f.what = "taken back"
			f.change(limit("256Mi"))
			f.converge("shop")
			f.stays(pods, true)
			f.matches(before)

			f.what = "room again"
			f.change(limit("1Gi"))
			f.endure(20)
			f.kubelets = ""
			f.converge("shop")
			f.stays(pods, true)
			f.have("1Gi")
			if c := f.condition("shop", redisv1.ConditionDegraded); c.Reason != redisv1.ReasonHealthy {
				t.Errorf("%s: %s", c.Reason, c.Message)
			}
		})
	}
}

// The operator that is killed at any of its writes goes on where it was, also when the spec has gone back by then.
func TestResize_OperatorKilledAfterEveryWrite(t *testing.T) {
	t.Parallel()
	undisturbed := newCluster(t, clustertest.Settings{Seed: 3}, limit("256Mi"))
	before := undisturbed.footprint()
	undisturbed.change(limit("1Gi"))
	undisturbed.converge("shop")
	writes := undisturbed.life.take()
	if n := resizes(writes); n != 6 || len(writes) < 24 {
		t.Fatalf("%d writes, %d of them resizes: %q", len(writes), n, writes)
	}
	for n := 1; n <= len(writes); n += stride {
		f := newCluster(t, clustertest.Settings{Seed: 3}, limit("256Mi"))
		pods := f.uids()
		f.what = "killed after " + writes[n-1]
		f.life.fate, f.life.at = killedAfter, n
		f.change(limit("1Gi"))
		f.converge("shop")
		f.stays(pods, true)
		f.have("1Gi")
		if t.Failed() {
			return
		}

		f = newCluster(t, clustertest.Settings{Seed: 3}, limit("256Mi"))
		f.what = "killed and taken back after " + writes[n-1]
		f.life.fate, f.life.at = killedAfter, n
		f.change(limit("1Gi"))
		for range 30 {
			if f.life.isDead() {
				break
			}
			_ = f.lookFresh("shop")
			f.pass()
		}
		f.change(limit("256Mi"))
		f.converge("shop")
		f.have("256Mi")
		after := f.footprint()
		for name := range after.Pods {
			if !maps.Equal(after.Pods[name].Annotations, before.Pods[name].Annotations) {
				t.Errorf("%s: annotations of %s: %v", f.what, name, after.Pods[name].Annotations)
			}
		}
		if t.Failed() {
			return
		}
	}
}
