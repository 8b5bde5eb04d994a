package kube

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

const ownUID = types.UID("own-uid")

func demo() *redisv1.RedisCluster {
	return &redisv1.RedisCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "demo", UID: ownUID}}
}

func ownedBy(uid types.UID) func(*metav1.ObjectMeta) {
	return func(m *metav1.ObjectMeta) {
		rc := demo()
		rc.UID = uid
		m.OwnerReferences = []metav1.OwnerReference{
			*metav1.NewControllerRef(rc, redisv1.SchemeGroupVersion.WithKind("RedisCluster")),
		}
	}
}

func ownedByStatefulSet(m *metav1.ObjectMeta) {
	m.OwnerReferences = []metav1.OwnerReference{
		{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "theirs", UID: "their-uid", Controller: new(true)},
	}
}

func terminating(m *metav1.ObjectMeta) {
	m.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	m.Finalizers = []string{"example.com/slow"}
}

func objectMeta(name string, edits ...func(*metav1.ObjectMeta)) metav1.ObjectMeta {
	m := metav1.ObjectMeta{
		Namespace: "shop", Name: name, UID: types.UID("uid-of-" + name), ResourceVersion: "7",
		Labels: map[string]string{redisv1.LabelCluster: "demo", redisv1.LabelClusterUID: string(ownUID)},
	}
	for _, edit := range edits {
		edit(&m)
	}
	return m
}

// newClient is a fake API server that gives what is created a UID and a resourceVersion.
func newClient(objects ...runtime.Object) *fake.Clientset {
	client := fake.NewClientset(objects...)
	client.PrependReactor("create", "*", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if create, ok := action.(clienttesting.CreateAction); ok {
			if m, err := meta.Accessor(create.GetObject()); err == nil {
				m.SetUID(types.UID("uid-of-" + m.GetName()))
				m.SetResourceVersion("1")
			}
		}
		return false, nil, nil
	})
	return client
}

// fails makes the fake API server answer a verb with an error.
func fails(client *fake.Clientset, verb, resource string, err error) {
	client.PrependReactor(verb, resource, func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, err
	})
}

// requests are what was asked of the fake API server since it was last asked for them.
func requests(client *fake.Clientset) string {
	var all []string
	for _, a := range client.Actions() {
		all = append(all, a.GetVerb()+" "+a.GetResource().Resource)
	}
	client.ClearActions()
	return strings.Join(all, ", ")
}

// writes are the requests that change something.
func writes(client *fake.Clientset) string {
	all := strings.Split(requests(client), ", ")
	return strings.Join(slices.DeleteFunc(all, func(r string) bool { return strings.HasPrefix(r, "get ") }), ", ")
}

var resources = map[string]schema.GroupVersionResource{
	"Service":               corev1.SchemeGroupVersion.WithResource("services"),
	"ConfigMap":             corev1.SchemeGroupVersion.WithResource("configmaps"),
	"ServiceAccount":        corev1.SchemeGroupVersion.WithResource("serviceaccounts"),
	"PersistentVolumeClaim": corev1.SchemeGroupVersion.WithResource("persistentvolumeclaims"),
	"PodDisruptionBudget":   policyv1.SchemeGroupVersion.WithResource("poddisruptionbudgets"),
}

// cache is a cache that is up to date.
func cache(client *fake.Clientset, kind string) Getter {
	return func(name string) (Object, error) {
		obj, err := client.Tracker().Get(resources[kind], "shop", name)
		if err != nil {
			return nil, err
		}
		return obj.(Object), nil
	}
}

// fresh is what the fake API server has.
func fresh[T Object](t *testing.T, client *fake.Clientset, kind, name string) T {
	t.Helper()
	obj, err := client.Tracker().Get(resources[kind], "shop", name)
	if err != nil {
		t.Fatal(err)
	}
	return obj.(T)
}
