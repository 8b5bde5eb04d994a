package controller

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/redisoperator/redis-operator/pkg/agent"
	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/kube"
	"github.com/redisoperator/redis-operator/pkg/objects"
)

// FAULT 20: what somebody else has made stays as it is, the condition names it, other clusters go on, and the cluster
// comes to be once the name is free.
func TestFault20_ForeignObjectIsNotOverwritten(t *testing.T) {
	t.Parallel()
	named := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "shop", Name: name} }
	owned := metav1.ObjectMeta{
		Namespace: "shop", Name: "demo", Labels: map[string]string{redisv1.LabelManagedBy: redisv1.ManagedBy},
		OwnerReferences: []metav1.OwnerReference{
			{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "theirs", UID: "theirs", Controller: new(true)},
		},
	}
	for what, foreign := range map[string]kube.Object{
		"Service demo exists and is not the operator's":           &corev1.Service{ObjectMeta: named("demo")},
		"Service demo exists and belongs to StatefulSet theirs":   &corev1.Service{ObjectMeta: owned},
		"ConfigMap demo-config exists and is not the operator's":  &corev1.ConfigMap{ObjectMeta: named("demo-config")},
		"ServiceAccount demo exists and is not the operator's":    &corev1.ServiceAccount{ObjectMeta: named("demo")},
		"Secret demo-auth exists and is not the operator's":       &corev1.Secret{ObjectMeta: named("demo-auth")},
		"Secret demo-internal exists and is not the operator's":   &corev1.Secret{ObjectMeta: named("demo-internal")},
		"Secret demo-agent-ca exists and is not the operator's":   &corev1.Secret{ObjectMeta: named("demo-agent-ca")},
		"PodDisruptionBudget demo exists and is not the operator": &policyv1.PodDisruptionBudget{ObjectMeta: named("demo")},
		"Pod demo-0 exists and is not the operator's":             &corev1.Pod{ObjectMeta: named("demo-0")},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, demo(), demo(in("other")))
			switch o := foreign.(type) {
			case *corev1.Service:
				sparesForeign(f, o, what)
			case *corev1.ConfigMap:
				sparesForeign(f, o, what)
			case *corev1.ServiceAccount:
				sparesForeign(f, o, what)
			case *corev1.Secret:
				sparesForeign(f, o, what)
			case *policyv1.PodDisruptionBudget:
				sparesForeign(f, o, what)
			case *corev1.Pod:
				sparesForeign(f, o, what)
			}
		})
	}
}

func sparesForeign[T kube.Object](f *fixture, foreign T, what string) {
	f.t.Helper()
	before := add(f.api, foreign)
	for range 30 {
		if err := f.lookFresh("shop"); !errors.Is(err, kube.ErrNameConflict) {
			f.t.Fatalf("a look: %v", err)
		}
		if err := f.lookFresh("other"); err != nil {
			f.t.Fatal(err)
		}
		f.pass()
	}
	if !f.isReady("other") {
		f.t.Errorf("the other cluster did not go on\n%s", f)
	}
	c := f.condition("shop", redisv1.ConditionDegraded)
	if c.Status != metav1.ConditionTrue || c.Reason != redisv1.ReasonNameConflict || !strings.Contains(c.Message, what) {
		f.t.Errorf("condition %+v, want %q", c, what)
	}
	after, ok := find[T](f.api, "shop", foreign.GetName())
	if !ok || !equality.Semantic.DeepEqual(before, after) {
		f.t.Errorf("somebody else's object was %+v, is %+v", before, after)
	}
	drop[T](f.api, "shop", foreign.GetName())
	f.converge("shop")
	if c := f.condition("shop", redisv1.ConditionDegraded); c.Status != metav1.ConditionFalse {
		f.t.Errorf("condition %+v once the name is free", c)
	}
}

// Safety rule S7: who does not prove by its agent who it is neither meets nor is met. The others meet.
func TestMeetProvesIdentity(t *testing.T) {
	t.Parallel()
	for name, lie := range map[string]func(agent.Status) (agent.Status, error){
		"the agent is another pod's": func(s agent.Status) (agent.Status, error) {
			s.PodUID = "somebody"
			return s, nil
		},
		"the agent has another node": func(s agent.Status) (agent.Status, error) {
			s.NodeID = strings.Repeat("0", 40)
			return s, nil
		},
		"the agent knows no node": func(s agent.Status) (agent.Status, error) {
			s.NodeID = ""
			return s, nil
		},
		"the agent is of another cluster": func(agent.Status) (agent.Status, error) {
			return agent.Status{}, agent.ErrForeign
		},
		"nobody answers": func(agent.Status) (agent.Status, error) {
			return agent.Status{}, errors.New("connection refused")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, demo())
			f.answers["demo-4"] = lie
			var last error
			for range 20 {
				last = f.lookFresh("shop")
				f.pass()
			}
			for _, w := range f.life.take() {
				if strings.HasPrefix(w, "redis meet") && strings.HasSuffix(w, "demo-4") {
					t.Errorf("it wrote %q", w)
				}
			}
			for _, m := range f.places[0].world.View().Members {
				if others := len(m.Info.Table) - 1; m.Pod.Name == "demo-4" && others > 0 || m.Pod.Name != "demo-4" && others != 4 {
					t.Errorf("%s knows %d others", m.Pod.Name, others)
				}
			}
			if last == nil || !strings.Contains(last.Error(), "prove that demo-4 is at 10.0.") {
				t.Errorf("the last look: %v", last)
			}
			c := f.condition("shop", redisv1.ConditionDegraded)
			if c.Status != metav1.ConditionTrue || c.Reason != redisv1.ReasonReconcileError || !strings.Contains(c.Message, "demo-4") {
				t.Errorf("condition %+v", c)
			}
			delete(f.answers, "demo-4")
			f.converge("shop")
			f.whole(6)
		})
	}
}

// FAULT 19: a claim with the data of another cluster is not taken over; without it the cluster comes to be.
func TestRetainedClaimOfAnotherCluster(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo(persistent))
	former := defaulted(persistent, func(rc *redisv1.RedisCluster) { rc.UID = "former" })
	claim := objects.NewClaim(former, 1)
	claim.Spec.VolumeName, claim.Status.Phase = "volume", corev1.ClaimBound
	before := add(f.api, claim)
	for range 10 {
		if err := f.lookFresh("shop"); !errors.Is(err, kube.ErrVolumeConflict) {
			t.Fatalf("a look: %v", err)
		}
		f.pass()
	}
	c := f.condition("shop", redisv1.ConditionDegraded)
	if c.Reason != redisv1.ReasonVolumeConflict || !strings.Contains(c.Message, "data-demo-1") {
		t.Errorf("condition %+v", c)
	}
	if _, made := find[*corev1.Pod](f.api, "shop", "demo-1"); made {
		t.Error("a pod was made for the claim")
	}
	if after := mustFind[*corev1.PersistentVolumeClaim](t, f.api, "shop", "data-demo-1"); !equality.Semantic.DeepEqual(before, after) {
		t.Errorf("the claim was %+v, is %+v", before, after)
	}
	drop[*corev1.PersistentVolumeClaim](f.api, "shop", "data-demo-1")
	f.converge("shop")
	f.whole(6)
}
