package kube

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/record"
)

func withMemory(p *corev1.Pod, memory string) *corev1.Pod {
	p.Annotations = map[string]string{"template": "old", "other": "x"}
	p.Spec.Containers = []corev1.Container{{Name: "other"}, {Name: "redis", Image: "redis", Resources: corev1.ResourceRequirements{
		Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memory), corev1.ResourceCPU: resource.MustParse("1")},
	}}}
	return p
}

// resize is what changes in a pod that gets 2Gi.
func resize() *corev1.Pod {
	p := pod()
	p.Annotations = map[string]string{"template": ""}
	p.Spec.Containers = []corev1.Container{{Name: "redis", Resources: corev1.ResourceRequirements{
		Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")},
	}}}
	return p
}

func agreed(*corev1.Pod) error { return nil }

// The pod says that it is of no template before its resources change: whoever finds it in between holds them against
// the spec.
func TestPodControlResize(t *testing.T) {
	t.Parallel()
	client := newClient(withMemory(pod(ownedBy(ownUID)), "1Gi"))
	control := NewPodControl(client, record.NewFakeRecorder(9))
	if err := control.Resize(t.Context(), demo(), resize(), agreed); err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, a := range client.Actions() {
		if a.GetVerb() == "patch" {
			order = append(order, a.GetSubresource())
		}
	}
	if len(order) != 2 || order[0] != "" || order[1] != "resize" {
		t.Errorf("patches of the subresources %q", order)
	}
	got, err := client.CoreV1().Pods("shop").Get(t.Context(), "demo-0", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	redis := got.Spec.Containers[1]
	if _, set := got.Annotations["template"]; set || got.Annotations["other"] != "x" || len(got.Spec.Containers) != 2 ||
		redis.Image != "redis" || redis.Resources.Limits.Memory().String() != "2Gi" || redis.Resources.Limits.Cpu().String() != "1" {
		t.Errorf("annotations %v, containers %+v", got.Annotations, got.Spec.Containers)
	}

	done := pod()
	done.Annotations = map[string]string{"template": "new"}
	client.ClearActions()
	for range 2 { // the second time there is nothing to write
		if err = control.Resize(t.Context(), demo(), done, agreed); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(client.Actions()); n != 3 {
		t.Errorf("%d requests: %v", n, client.Actions())
	}
}

func TestPodControlResize_Refused(t *testing.T) {
	t.Parallel()
	kind := schema.GroupKind{Kind: "Pod"}
	small := apierrors.NewForbidden(pods, "demo-0", errors.New("node didn't have enough allocatable resources"))
	small.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: "NodeCapacity"}}
	for name, tc := range map[string]struct {
		answer error // to the subresource
		uid    string
		ok     func(*corev1.Pod) error
		is     []error
	}{
		"not while it runs":           {answer: apierrors.NewInvalid(kind, "demo-0", nil), is: []error{ErrNotResizable}},
		"more than its host can give": {answer: small, is: []error{ErrNotResizable}},
		"an older API server":         {answer: apierrors.NewMethodNotSupported(pods, "patch"), is: []error{ErrNotResizable}},
		"changed meanwhile":           {answer: apierrors.NewConflict(pods, "demo-0", errors.New("changed")), is: []error{ErrStale}},
		"another pod under the name":  {uid: "another", is: []error{ErrStale}},
		"the caller refuses":          {ok: func(*corev1.Pod) error { return errors.New("less") }, is: []error{ErrStale}},
		"no right, or more than fits": {answer: apierrors.NewForbidden(pods, "demo-0", errors.New("exceeded quota"))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newClient(withMemory(pod(ownedBy(ownUID)), "1Gi"))
			client.PrependReactor("patch", "pods", func(a clienttesting.Action) (bool, runtime.Object, error) {
				return a.GetSubresource() == "resize" && tc.answer != nil, nil, tc.answer
			})
			wanted, ok := resize(), agreed
			if tc.uid != "" {
				wanted.UID = "another"
			}
			if tc.ok != nil {
				ok = tc.ok
			}
			err := NewPodControl(client, record.NewFakeRecorder(9)).Resize(t.Context(), demo(), wanted, ok)
			if err == nil {
				t.Fatal("no error")
			}
			for _, known := range []error{ErrStale, ErrNotResizable} {
				want := len(tc.is) > 0 && errors.Is(tc.is[0], known)
				if errors.Is(err, known) != want {
					t.Errorf("%v: is %v: %t", err, known, !want)
				}
			}
			got, _ := client.CoreV1().Pods("shop").Get(t.Context(), "demo-0", metav1.GetOptions{})
			if tc.answer == nil && got.Annotations["template"] != "old" {
				t.Errorf("a pod that is not to change has: %v", got.Annotations)
			}
		})
	}
}

func TestServesResize(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"pods/resize": true, "pods/exec": false} {
		client := fake.NewClientset()
		client.Resources = []*metav1.APIResourceList{{GroupVersion: "v1", APIResources: []metav1.APIResource{{Name: "pods"}, {Name: name}}}}
		if got, err := ServesResize(client.Discovery()); got != want || err != nil {
			t.Errorf("%s: %t, %v", name, got, err)
		}
	}
	if _, err := ServesResize(fake.NewClientset().Discovery()); err == nil {
		t.Error("an API server that does not say is believed")
	}
}
