package kube

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/record"
)

var pods = schema.GroupResource{Resource: "pods"}

func pod(edits ...func(*metav1.ObjectMeta)) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: objectMeta("demo-0", edits...)}
}

func TestPodControlCreate(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		existing *corev1.Pod
		conflict bool
		event    bool
	}{
		"a pod that is missing is created":                              {event: true},
		"FAULTS 1: the cluster's own pod is adopted":                    {existing: pod(ownedBy(ownUID))},
		"the cluster's own pod that is going is left alone":             {existing: pod(ownedBy(ownUID), terminating)},
		"FAULTS 19: the pod of the former namesake is about to go":      {existing: pod(ownedBy("former"))},
		"FAULTS 20: the pod of another owner is a conflict":             {existing: pod(ownedByStatefulSet), conflict: true},
		"FAULTS 20: a pod without owner is a conflict":                  {existing: pod(), conflict: true},
		"the pod of another owner that is going is no conflict for now": {existing: pod(ownedByStatefulSet, terminating)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newClient()
			if tc.existing != nil {
				client = newClient(tc.existing)
			}
			events := record.NewFakeRecorder(10)
			err := NewPodControl(client, events).Create(t.Context(), demo(), pod(ownedBy(ownUID)))
			if tc.conflict != errors.Is(err, ErrNameConflict) || !tc.conflict && err != nil {
				t.Errorf("error: %v", err)
			}
			if got := writes(client); got != "create pods" {
				t.Errorf("requests: %s", got)
			}
			if (len(events.Events) == 1) != tc.event {
				t.Errorf("%d events", len(events.Events))
			}
		})
	}
}

func TestPodControlCreateNamesTheOwner(t *testing.T) {
	t.Parallel()
	client := newClient(pod(ownedByStatefulSet))
	err := NewPodControl(client, record.NewFakeRecorder(1)).Create(t.Context(), demo(), pod(ownedBy(ownUID)))
	var conflict *ConflictError
	if !errors.As(err, &conflict) || *conflict != (ConflictError{"Pod", "demo-0", "StatefulSet theirs"}) {
		t.Errorf("error: %v", err)
	}
}

func TestPodControlCreateErrors(t *testing.T) {
	t.Parallel()
	t.Run("FAULTS 37: a refusal of the API server is told", func(t *testing.T) {
		t.Parallel()
		client := newClient()
		fails(client, "create", "pods", apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "demo-0", nil))
		err := NewPodControl(client, record.NewFakeRecorder(1)).Create(t.Context(), demo(), pod())
		if !apierrors.IsInvalid(err) {
			t.Errorf("error: %v", err)
		}
	})
	t.Run("a pod that goes between the refusal and the look", func(t *testing.T) {
		t.Parallel()
		client := newClient()
		fails(client, "create", "pods", apierrors.NewAlreadyExists(pods, "demo-0"))
		if err := NewPodControl(client, record.NewFakeRecorder(1)).Create(t.Context(), demo(), pod()); err != nil {
			t.Errorf("error: %v", err)
		}
	})
}

func agree(*corev1.Pod) error { return nil }

// guarded makes the fake API server heed the preconditions of a deletion.
func guarded(client *fake.Clientset) {
	client.PrependReactor("delete", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		deletion, ok := action.(clienttesting.DeleteActionImpl)
		if !ok {
			return false, nil, nil
		}
		obj, err := client.Tracker().Get(action.GetResource(), action.GetNamespace(), deletion.Name)
		if err != nil {
			return true, nil, err
		}
		live, want := obj.(*corev1.Pod), deletion.DeleteOptions.Preconditions
		if want == nil || want.UID == nil || want.ResourceVersion == nil {
			return true, nil, errors.New("a deletion without preconditions")
		}
		if *want.UID != live.UID || *want.ResourceVersion != live.ResourceVersion {
			return true, nil, apierrors.NewConflict(pods, deletion.Name, errors.New("precondition failed"))
		}
		return false, nil, nil
	})
}

// Safety rule S6: every deletion looks at the live pod, and carries its UID and its resourceVersion.
func TestPodControlDelete(t *testing.T) {
	t.Parallel()
	other := func(m *metav1.ObjectMeta) { m.UID = "another" }
	refuse := func(*corev1.Pod) error { return errors.New("it owns slots") }
	for name, tc := range map[string]struct {
		existing *corev1.Pod
		ok       func(*corev1.Pod) error
		err      error
		writes   string
	}{
		"the pod that was meant is deleted":             {existing: pod(ownedBy(ownUID)), writes: "delete pods"},
		"FAULTS 14: a pod that is gone is success":      {},
		"FAULTS 15: another pod under the name stays":   {existing: pod(ownedBy(ownUID), other), err: ErrStale},
		"a pod that is going is success":                {existing: pod(ownedBy(ownUID), terminating)},
		"FAULTS 20: somebody else's pod stays":          {existing: pod(ownedByStatefulSet), err: ErrNameConflict},
		"a pod about which the caller thinks again":     {existing: pod(ownedBy(ownUID)), ok: refuse, err: ErrStale},
		"the pod of the former namesake is not touched": {existing: pod(ownedBy("former")), err: ErrStale},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newClient()
			if tc.existing != nil {
				client = newClient(tc.existing)
			}
			guarded(client)
			if tc.ok == nil {
				tc.ok = agree
			}
			events := record.NewFakeRecorder(10)
			err := NewPodControl(client, events).Delete(t.Context(), demo(), "demo-0", "uid-of-demo-0", tc.ok)
			if !errors.Is(err, tc.err) {
				t.Errorf("error: %v", err)
			}
			if got := writes(client); got != tc.writes {
				t.Errorf("writes: %s", got)
			}
			if (len(events.Events) == 1) != (tc.writes != "") {
				t.Errorf("%d events", len(events.Events))
			}
		})
	}
}

// The pod may change between the look and the deletion: here it becomes another one.
func TestFault15_PodReplacedBetweenLookAndDeletion(t *testing.T) {
	t.Parallel()
	client := newClient(pod(ownedBy(ownUID)))
	guarded(client)
	replace := func(live *corev1.Pod) error {
		replaced := live.DeepCopy()
		replaced.UID, replaced.ResourceVersion = types.UID("another"), "8"
		return client.Tracker().Update(corev1.SchemeGroupVersion.WithResource("pods"), replaced, "shop")
	}
	events := record.NewFakeRecorder(10)
	err := NewPodControl(client, events).Delete(t.Context(), demo(), "demo-0", "uid-of-demo-0", replace)
	if !errors.Is(err, ErrStale) {
		t.Errorf("error: %v", err)
	}
	if len(events.Events) != 0 {
		t.Error("an event of a deletion that was refused")
	}
	if _, err := client.Tracker().Get(corev1.SchemeGroupVersion.WithResource("pods"), "shop", "demo-0"); err != nil {
		t.Errorf("the other pod was deleted: %v", err)
	}
}

func TestPodControlDeleteErrors(t *testing.T) {
	t.Parallel()
	for verb, err := range map[string]error{
		"get":    apierrors.NewInternalError(errors.New("boom")),
		"delete": apierrors.NewForbidden(pods, "demo-0", nil),
	} {
		client := newClient(pod(ownedBy(ownUID)))
		fails(client, verb, "pods", err)
		got := NewPodControl(client, record.NewFakeRecorder(1)).Delete(t.Context(), demo(), "demo-0", "uid-of-demo-0", agree)
		if !errors.Is(got, err) || errors.Is(got, ErrStale) {
			t.Errorf("%s: %v", verb, got)
		}
	}
	client := newClient(pod(ownedBy(ownUID)))
	fails(client, "delete", "pods", apierrors.NewNotFound(pods, "demo-0"))
	got := NewPodControl(client, record.NewFakeRecorder(1)).Delete(t.Context(), demo(), "demo-0", "uid-of-demo-0", agree)
	if got != nil {
		t.Errorf("a pod that goes by itself: %v", got)
	}
}
