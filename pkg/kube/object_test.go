package kube

import (
	"errors"
	"maps"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// wantedMeta is metadata as pkg/objects makes it: without what the API server adds.
func wantedMeta(name string) metav1.ObjectMeta {
	m := objectMeta(name, ownedBy(ownUID))
	m.UID, m.ResourceVersion = "", ""
	return m
}

func service() *corev1.Service {
	return &corev1.Service{ObjectMeta: wantedMeta("demo"), Spec: corev1.ServiceSpec{
		Type: corev1.ServiceTypeClusterIP, ClusterIP: corev1.ClusterIPNone, PublishNotReadyAddresses: true,
		Selector: map[string]string{"app": "demo"},
		Ports:    []corev1.ServicePort{{Name: "redis", Port: 6379, TargetPort: intstr.FromInt32(6379), Protocol: "TCP"}},
	}}
}

func configMap(text string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: wantedMeta("demo-config"), Data: map[string]string{"redis.conf": text}}
}

func serviceAccount() *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: wantedMeta("demo"), AutomountServiceAccountToken: new(false)}
}

func budget(minAvailable int) *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{ObjectMeta: wantedMeta("demo"), Spec: policyv1.PodDisruptionBudgetSpec{
		MinAvailable: new(intstr.FromInt(minAvailable)),
		Selector:     &metav1.LabelSelector{MatchLabels: map[string]string{"app": "demo"}},
	}}
}

func claim(class string) *corev1.PersistentVolumeClaim {
	c := &corev1.PersistentVolumeClaim{ObjectMeta: wantedMeta("data-demo-0"), Spec: corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		Resources: corev1.VolumeResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
		},
	}}
	if class != "" {
		c.Spec.StorageClassName = &class
	}
	return c
}

func kinds() map[string]Object {
	return map[string]Object{
		"Service": service(), "ConfigMap": configMap("a"), "ServiceAccount": serviceAccount(),
		"PodDisruptionBudget": budget(5), "PersistentVolumeClaim": claim("fast"),
	}
}

func ensure(t *testing.T, client *fake.Clientset, kind string, wanted Object) {
	t.Helper()
	if err := NewObjectControl(client).Ensure(t.Context(), demo(), wanted, cache(client, kind)); err != nil {
		t.Fatalf("ensure %s: %v", kind, err)
	}
}

// Safety rule S8, I7: idle means idle.
func TestEnsureCreatesOnceAndThenAsksNothing(t *testing.T) {
	t.Parallel()
	for kind, wanted := range kinds() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			client := newClient()
			ensure(t, client, kind, wanted)
			if got, want := requests(client), "get "+resources[kind].Resource+", create "+resources[kind].Resource; got != want {
				t.Errorf("first: %s, want %s", got, want)
			}
			for range 3 {
				ensure(t, client, kind, wanted.DeepCopyObject().(Object))
			}
			if got := requests(client); got != "" {
				t.Errorf("an unchanged %s costs %s", kind, got)
			}
			if wanted.GetAnnotations() != nil {
				t.Error("Ensure changed what it was given")
			}
		})
	}
}

func TestEnsureWithAStaleCacheBelievesTheLiveObject(t *testing.T) {
	t.Parallel()
	for kind, wanted := range kinds() {
		client := newClient()
		ensure(t, client, kind, wanted)
		requests(client)
		empty := cache(newClient(), kind)
		if err := NewObjectControl(client).Ensure(t.Context(), demo(), wanted, empty); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if got := requests(client); got != "get "+resources[kind].Resource {
			t.Errorf("%s: %s", kind, got)
		}
	}
}

func TestEnsureChangesWhatDiffers(t *testing.T) {
	t.Parallel()
	edit := func(t *testing.T, client *fake.Clientset, kind string, obj Object) {
		t.Helper()
		if err := client.Tracker().Update(resources[kind], obj, "shop"); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		kind  string
		was   Object
		is    Object
		drift func(Object) // somebody's edit between the two
		check func(Object) bool
	}{
		"another redis.conf": {
			kind: "ConfigMap", was: configMap("a"), is: configMap("b"),
			check: func(o Object) bool { return o.(*corev1.ConfigMap).Data["redis.conf"] == "b" },
		},
		"more pods in the budget": {
			kind: "PodDisruptionBudget", was: budget(5), is: budget(11),
			check: func(o Object) bool { return o.(*policyv1.PodDisruptionBudget).Spec.MinAvailable.IntValue() == 11 },
		},
		"FAULTS 22: an edited selector is put right": {
			kind: "Service", was: service(), is: service(),
			drift: func(o Object) { o.(*corev1.Service).Spec.Selector["app"] = "other" },
			check: func(o Object) bool {
				return maps.Equal(o.(*corev1.Service).Spec.Selector, map[string]string{"app": "demo"})
			},
		},
		"FAULTS 22: an edited redis.conf is put right": {
			kind: "ConfigMap", was: configMap("a"), is: configMap("a"),
			drift: func(o Object) { o.(*corev1.ConfigMap).Data["redis.conf"] = "edited" },
			check: func(o Object) bool { return o.(*corev1.ConfigMap).Data["redis.conf"] == "a" },
		},
		"a token that was switched on": {
			kind: "ServiceAccount", was: serviceAccount(), is: serviceAccount(),
			drift: func(o Object) { o.(*corev1.ServiceAccount).AutomountServiceAccountToken = new(true) },
			check: func(o Object) bool { return !*o.(*corev1.ServiceAccount).AutomountServiceAccountToken },
		},
		"an owner that was taken from a claim": {
			kind: "PersistentVolumeClaim", was: claim(""), is: claim(""),
			drift: func(o Object) {
				o.SetOwnerReferences(nil)
				o.(*corev1.PersistentVolumeClaim).Spec.VolumeName = "pv-1"
			},
			check: func(o Object) bool { return metav1.IsControlledBy(o, demo()) },
		},
		"a label of ours that was taken away": {
			kind: "Service", was: service(), is: service(),
			drift: func(o Object) { o.SetLabels(nil) },
			check: func(o Object) bool { return o.GetLabels()["redisoperator.io/cluster"] == "demo" },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newClient()
			ensure(t, client, tc.kind, tc.was)
			live := fresh[Object](t, client, tc.kind, tc.was.GetName()).DeepCopyObject().(Object)
			if tc.drift != nil {
				tc.drift(live)
				edit(t, client, tc.kind, live)
			}
			ensure(t, client, tc.kind, tc.is)
			if live = fresh[Object](t, client, tc.kind, tc.is.GetName()); !tc.check(live) {
				t.Errorf("not put right: %+v", live)
			}
			requests(client)
			ensure(t, client, tc.kind, tc.is)
			if got := requests(client); got != "" {
				t.Errorf("not at rest: %s", got)
			}
		})
	}
}

// What the operator wants no more is taken away; what others added stays, and is no reason to write again.
func TestEnsureTakesAwayOnlyItsOwn(t *testing.T) {
	t.Parallel()
	client := newClient()
	with := configMap("a")
	with.Labels["team"] = "checkout"
	with.Data["more"] = "ours"
	ensure(t, client, "ConfigMap", with)

	patch := []byte(`{"metadata":{"labels":{"theirs":"x"},"annotations":{"theirs":"x"}},"data":{"theirs":"x"}}`)
	if _, err := client.CoreV1().ConfigMaps("shop").Patch(t.Context(), "demo-config",
		"application/strategic-merge-patch+json", patch, metav1.PatchOptions{FieldManager: "somebody"}); err != nil {
		t.Fatal(err)
	}
	requests(client)
	ensure(t, client, "ConfigMap", with)
	if got := requests(client); got != "" {
		t.Errorf("somebody's additions cost %s", got)
	}

	ensure(t, client, "ConfigMap", configMap("a"))
	live := fresh[*corev1.ConfigMap](t, client, "ConfigMap", "demo-config")
	if _, still := live.Labels["team"]; still || live.Labels["theirs"] != "x" || live.Annotations["theirs"] != "x" {
		t.Errorf("labels %v, annotations %v", live.Labels, live.Annotations)
	}
	if !maps.Equal(live.Data, map[string]string{"redis.conf": "a", "theirs": "x"}) {
		t.Errorf("data %v", live.Data)
	}
	requests(client)
	ensure(t, client, "ConfigMap", configMap("a"))
	if got := requests(client); got != "" {
		t.Errorf("not at rest: %s", got)
	}
}

// FAULTS 20: an object of somebody else with our name is a conflict, and is not written.
func TestFault20_ForeignObjectIsNotOverwritten(t *testing.T) {
	t.Parallel()
	foreign := map[string]func(Object){
		"without owner":    func(o Object) { o.SetOwnerReferences(nil); o.SetLabels(nil) },
		"of a StatefulSet": func(o Object) { setMeta(o, ownedByStatefulSet); o.SetLabels(nil) },
		"of ours by its label": func(o Object) {
			o.SetOwnerReferences(nil)
			o.SetLabels(map[string]string{"redisoperator.io/cluster": "demo"})
		},
	}
	for kind, wanted := range kinds() {
		for whose, turn := range foreign {
			existing := wanted.DeepCopyObject().(Object)
			turn(existing)
			client := newClient(existing)
			for _, cached := range []Getter{cache(client, kind), cache(newClient(), kind)} {
				err := NewObjectControl(client).Ensure(t.Context(), demo(), wanted, cached)
				if !errors.Is(err, ErrNameConflict) {
					t.Errorf("%s %s: %v", kind, whose, err)
				}
			}
			if got := writes(client); got != "" {
				t.Errorf("%s %s: %s", kind, whose, got)
			}
			if err := NewObjectControl(client).Remove(t.Context(), demo(), wanted, cache(client, kind)); err != nil {
				t.Errorf("remove %s %s: %v", kind, whose, err)
			}
			if got := writes(client); got != "" {
				t.Errorf("remove %s %s: %s", kind, whose, got)
			}
		}
	}
}

func setMeta(o Object, edit func(*metav1.ObjectMeta)) {
	m := metav1.ObjectMeta{OwnerReferences: o.GetOwnerReferences()}
	edit(&m)
	o.SetOwnerReferences(m.OwnerReferences)
}

// What the former cluster of the name left is collected by Kubernetes: it is waited for, not reported.
func TestFault19_ObjectsOfTheFormerNamesakeAreWaitedFor(t *testing.T) {
	t.Parallel()
	for kind, wanted := range kinds() {
		existing := wanted.DeepCopyObject().(Object)
		setMeta(existing, ownedBy("former"))
		existing.SetLabels(map[string]string{"redisoperator.io/cluster-uid": "former"})
		client := newClient(existing)
		err := NewObjectControl(client).Ensure(t.Context(), demo(), wanted, cache(client, kind))
		if !errors.Is(err, ErrStale) || writes(client) != "" {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// FAULTS 19: a claim that a deleted cluster of the name left on purpose holds its data. It is not adopted.
func TestFault19_ClaimOfTheFormerNamesakeIsAConflict(t *testing.T) {
	t.Parallel()
	existing := claim("fast")
	existing.OwnerReferences = nil
	existing.Labels["redisoperator.io/cluster-uid"] = "former"
	client := newClient(existing)
	wanted := claim("fast")
	wanted.OwnerReferences = nil
	err := NewObjectControl(client).Ensure(t.Context(), demo(), wanted, cache(client, "PersistentVolumeClaim"))
	if !errors.Is(err, ErrVolumeConflict) || errors.Is(err, ErrNameConflict) || writes(client) != "" {
		t.Errorf("error: %v", err)
	}
}

// FAULTS 37: an unknown class heals when the spec names another, as long as no volume is bound.
func TestEnsureReplacesAnUnboundClaim(t *testing.T) {
	t.Parallel()
	client := newClient()
	const kind = "PersistentVolumeClaim"
	ensure(t, client, kind, claim("typo"))
	requests(client)

	err := NewObjectControl(client).Ensure(t.Context(), demo(), claim(""), cache(client, kind))
	if !errors.Is(err, ErrStale) {
		t.Errorf("error: %v", err)
	}
	if got := requests(client); got != "get persistentvolumeclaims, delete persistentvolumeclaims" {
		t.Errorf("requests: %s", got)
	}
	ensure(t, client, kind, claim(""))
	if live := fresh[*corev1.PersistentVolumeClaim](t, client, kind, "data-demo-0"); live.Spec.StorageClassName != nil {
		t.Errorf("class %s", *live.Spec.StorageClassName)
	}
}

func TestEnsureLeavesABoundClaimItsVolume(t *testing.T) {
	t.Parallel()
	client := newClient()
	const kind = "PersistentVolumeClaim"
	ensure(t, client, kind, claim("slow"))
	bound := fresh[*corev1.PersistentVolumeClaim](t, client, kind, "data-demo-0").DeepCopy()
	bound.Spec.VolumeName, bound.Status.Phase = "pv-1", corev1.ClaimBound
	if err := client.Tracker().Update(resources[kind], bound, "shop"); err != nil {
		t.Fatal(err)
	}
	requests(client)

	wanted := claim("fast")
	wanted.Labels["team"] = "checkout"
	ensure(t, client, kind, wanted)
	if got := requests(client); got != "get persistentvolumeclaims, patch persistentvolumeclaims, patch persistentvolumeclaims" {
		t.Errorf("requests: %s", got)
	}
	live := fresh[*corev1.PersistentVolumeClaim](t, client, kind, "data-demo-0")
	if *live.Spec.StorageClassName != "slow" || live.Spec.VolumeName != "pv-1" || live.Labels["team"] != "checkout" {
		t.Errorf("claim: %+v", live)
	}
	ensure(t, client, kind, wanted)
	if got := requests(client); got != "" {
		t.Errorf("not at rest: %s", got)
	}
}

func TestEnsureLosesTheRaceForAName(t *testing.T) {
	t.Parallel()
	client := newClient()
	fails(client, "create", "services", apierrors.NewAlreadyExists(schema.GroupResource{Resource: "services"}, "demo"))
	err := NewObjectControl(client).Ensure(t.Context(), demo(), service(), cache(client, "Service"))
	if !errors.Is(err, ErrStale) {
		t.Errorf("error: %v", err)
	}
}

// An object that somebody else made under the name between the look and the write has another UID, for which the API
// server answers with a conflict.
func TestFault15_ApplyNamesTheUID(t *testing.T) {
	t.Parallel()
	client := newClient()
	ensure(t, client, "ConfigMap", configMap("a"))
	client.PrependReactor("patch", "configmaps", func(action clienttesting.Action) (bool, runtime.Object, error) {
		patch, ok := action.(clienttesting.PatchAction)
		if !ok || patch.GetPatchType() != types.ApplyPatchType {
			return false, nil, nil
		}
		if !strings.Contains(string(patch.GetPatch()), `"uid":"uid-of-demo-config"`) {
			t.Errorf("no UID in %s", patch.GetPatch())
		}
		return true, nil, apierrors.NewConflict(schema.GroupResource{Resource: "configmaps"}, "demo-config", nil)
	})
	err := NewObjectControl(client).Ensure(t.Context(), demo(), configMap("b"), cache(client, "ConfigMap"))
	if !errors.Is(err, ErrStale) {
		t.Errorf("error: %v", err)
	}
}

func TestEnsureTellsWhatFailed(t *testing.T) {
	t.Parallel()
	boom := apierrors.NewInternalError(errors.New("boom"))
	for _, verb := range []string{"get", "create", "patch"} {
		client := newClient()
		if verb == "patch" {
			ensure(t, client, "ConfigMap", configMap("a"))
		}
		fails(client, verb, "configmaps", boom)
		err := NewObjectControl(client).Ensure(t.Context(), demo(), configMap("b"), cache(client, "ConfigMap"))
		if !errors.Is(err, boom) || errors.Is(err, ErrStale) {
			t.Errorf("%s: %v", verb, err)
		}
	}
	client := newClient()
	cached := func(string) (Object, error) { return nil, boom }
	if err := NewObjectControl(client).Ensure(t.Context(), demo(), service(), cached); !errors.Is(err, boom) {
		t.Errorf("cache: %v", err)
	}
	if err := NewObjectControl(client).Ensure(t.Context(), demo(), &corev1.Node{}, cached); err == nil {
		t.Error("a node is not for the operator to keep")
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	client := newClient()
	control := NewObjectControl(client)
	unwanted := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "demo"}}
	remove := func() string {
		if err := control.Remove(t.Context(), demo(), unwanted, cache(client, "PodDisruptionBudget")); err != nil {
			t.Error(err)
		}
		return requests(client)
	}
	if got := remove(); got != "" {
		t.Errorf("nothing to remove costs %s", got)
	}
	ensure(t, client, "PodDisruptionBudget", budget(5))
	requests(client)
	if got := remove(); got != "get poddisruptionbudgets, delete poddisruptionbudgets" {
		t.Errorf("requests: %s", got)
	}
	if got := remove(); got != "" {
		t.Errorf("removed already: %s", got)
	}
}
