package kube

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/record"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

func host(taints ...string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node1"}}
	for _, key := range taints {
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: key, Effect: corev1.TaintEffectNoExecute})
	}
	return n
}

// Only a host that Kubernetes no longer has, or that somebody has said to be off, is gone: the live Node is asked.
func TestFault30_OnlyPodsOfHostsThatAreGoneAreDeletedByForce(t *testing.T) {
	t.Parallel()
	on := func(edits ...func(*metav1.ObjectMeta)) *corev1.Pod {
		p := pod(edits...)
		p.Spec.NodeName = "node1"
		return p
	}
	other := func(m *metav1.ObjectMeta) { m.UID = "another" }
	for name, tc := range map[string]struct {
		pod    *corev1.Pod
		host   *corev1.Node
		err    error
		writes string
	}{
		"the host was deleted":                   {pod: on(ownedBy(ownUID)), writes: "delete pods"},
		"the host is out of service":             {pod: on(ownedBy(ownUID), terminating), host: host(corev1.TaintNodeOutOfService), writes: "delete pods"},
		"the host is only silent":                {pod: on(ownedBy(ownUID), terminating), host: host(corev1.TaintNodeUnreachable), err: ErrStale},
		"the host is there":                      {pod: on(ownedBy(ownUID)), host: host(), err: ErrStale},
		"the pod was never scheduled":            {pod: pod(ownedBy(ownUID)), err: ErrStale},
		"the pod is gone":                        {},
		"another pod under the name stays":       {pod: on(ownedBy(ownUID), other), err: ErrStale},
		"the pod of somebody else stays":         {pod: on(ownedByStatefulSet), err: ErrStale},
		"the pod of the former namesake stays":   {pod: on(ownedBy("former")), err: ErrStale},
		"the pod is being deleted, host is gone": {pod: on(ownedBy(ownUID), terminating), writes: "delete pods"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var there []runtime.Object
			if tc.pod != nil {
				there = append(there, tc.pod)
			}
			if tc.host != nil {
				there = append(there, tc.host)
			}
			client := newClient(there...)
			guarded(client)
			err := NewPodControl(client, record.NewFakeRecorder(10)).DeleteLost(t.Context(), demo(), "demo-0", "uid-of-demo-0")
			if !errors.Is(err, tc.err) {
				t.Errorf("error: %v", err)
			}
			for _, a := range client.Actions() {
				if d, ok := a.(clienttesting.DeleteActionImpl); ok && *d.DeleteOptions.GracePeriodSeconds != 0 {
					t.Error("nobody is there to end the grace period")
				}
			}
			if got := writes(client); got != tc.writes {
				t.Errorf("writes: %q", got)
			}
		})
	}
}

// An API server that does not say that a host is gone has not said so.
func TestHostGone_AnErrorIsNoProof(t *testing.T) {
	t.Parallel()
	client := newClient()
	fails(client, "get", "nodes", apierrors.NewTimeoutError("busy", 1))
	if gone, err := NewPodControl(client, record.NewFakeRecorder(1)).HostGone(t.Context(), "node1"); gone || err == nil {
		t.Errorf("gone %v, error %v", gone, err)
	}
}

// A label that somebody takes away is given back: the Service finds the pod by it. What others have added stays.
func TestFault22_LabelsAreGivenBack(t *testing.T) {
	t.Parallel()
	wanted := pod(ownedBy(ownUID))
	wanted.Labels[redisv1.LabelManagedBy] = redisv1.ManagedBy
	for name, how := range map[string]func(*PodControl) error{
		"adopted": func(c *PodControl) error { return c.Adopt(t.Context(), demo(), wanted) },
		"created": func(c *PodControl) error { return c.Create(t.Context(), demo(), wanted) },
	} {
		bare := pod(ownedBy(ownUID))
		bare.Labels = map[string]string{"mine": "stays"}
		client := newClient(bare)
		if err := how(NewPodControl(client, record.NewFakeRecorder(1))); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		live, err := client.CoreV1().Pods("shop").Get(t.Context(), "demo-0", metav1.GetOptions{})
		if err != nil || !Labelled(live, wanted.Labels) || live.Labels["mine"] != "stays" {
			t.Errorf("%s: labels %v, error %v", name, live.Labels, err)
		}
		client.ClearActions()
		if err := how(NewPodControl(client, record.NewFakeRecorder(1))); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, a := range client.Actions() {
			if a.GetVerb() == "patch" {
				t.Errorf("%s: a pod that has its labels is written to", name)
			}
		}
	}
}
