package kube

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/record"
)

func TestPodControlSetImages(t *testing.T) {
	t.Parallel()
	agent := func(p *corev1.Pod, image string) *corev1.Pod {
		p.Spec.InitContainers = []corev1.Container{{Name: "other", Image: "a"}, {Name: "agent", Image: image}}
		p.Spec.Containers = []corev1.Container{{Name: "redis", Image: "redis"}}
		return p
	}
	wanted := pod()
	wanted.Annotations = map[string]string{"asked-for": "agent:2"}
	wanted.Spec.InitContainers = []corev1.Container{{Name: "agent", Image: "agent:2"}}
	for name, tc := range map[string]struct {
		live  *corev1.Pod
		uid   string
		stale bool
		image string
	}{
		"one image changes, and nothing else": {live: pod(ownedBy(ownUID)), image: "agent:2"},
		"another pod under the name stays":    {live: pod(ownedBy(ownUID)), uid: "another", stale: true, image: "agent:1"},
		"the pod of another owner stays":      {live: pod(ownedByStatefulSet), image: "agent:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newClient(agent(tc.live, "agent:1"))
			meant := wanted.DeepCopy()
			if tc.uid != "" {
				meant.UID = "another"
			}
			err := NewPodControl(client, record.NewFakeRecorder(1)).SetImages(t.Context(), demo(), meant)
			if (err != nil) != (tc.image == "agent:1") || errors.Is(err, ErrStale) != tc.stale {
				t.Errorf("error: %v", err)
			}
			got, err := client.CoreV1().Pods("shop").Get(t.Context(), "demo-0", metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if in := got.Spec.InitContainers; len(in) != 2 || in[0].Image != "a" || in[1].Image != tc.image {
				t.Errorf("init containers: %+v", in)
			}
			if got.Spec.Containers[0].Image != "redis" || (got.Annotations["asked-for"] == "agent:2") != (err == nil && tc.image == "agent:2") {
				t.Errorf("containers %+v, annotations %v", got.Spec.Containers, got.Annotations)
			}
		})
	}
}

func TestPodControlSetImages_Refused(t *testing.T) {
	t.Parallel()
	client := newClient(pod(ownedBy(ownUID)))
	fails(client, "patch", "pods", apierrors.NewConflict(pods, "demo-0", errors.New("changed")))
	err := NewPodControl(client, record.NewFakeRecorder(1)).SetImages(t.Context(), demo(), pod())
	if !errors.Is(err, ErrStale) {
		t.Errorf("a pod that was changed meanwhile: %v", err)
	}
}
