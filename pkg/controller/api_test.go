package controller

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	kubescheme "k8s.io/client-go/kubernetes/scheme"
	clienttesting "k8s.io/client-go/testing"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	redisfake "github.com/redisoperator/redis-operator/pkg/client/clientset/versioned/fake"
	"github.com/redisoperator/redis-operator/pkg/kube"
)

// What happens to an operator at one of its writes.
type fate int

const (
	livesOn      fate = iota
	killedBefore      // the write does not happen, nor anything after it
	killedAfter       // the write happens, and nothing after it
	answerLost        // the write happens, and the operator, which lives on, is told that it timed out
	writeFails        // the write does not happen, and the operator, which lives on, is told so
)

var (
	errKilled = errors.New("the operator has been killed")
	errTimout = apierrors.NewTimeoutError("the server did not answer in time", 1)
)

// lifeline counts what an operator writes, to Kubernetes and to Redis, and decides what becomes of it at its
// nth write.
type lifeline struct {
	mu     sync.Mutex
	writes []string
	fate   fate
	at     int  // which write, from 1
	always bool // in every life
	dead   bool
	met    bool // fate has struck
}

// write does it, unless the operator is dead. What is refused is no write.
func (l *lifeline) write(what string, do func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return errKilled
	}
	now := l.fate != livesOn && len(l.writes)+1 == l.at && (l.always || !l.met)
	if now && (l.fate == killedBefore || l.fate == writeFails) {
		l.met, l.dead = true, l.fate == killedBefore
		return errTimout
	}
	if err := do(); err != nil {
		return err
	}
	l.writes = append(l.writes, what)
	if now {
		l.met, l.dead = true, l.fate == killedAfter
		return errTimout
	}
	return nil
}

func (l *lifeline) isDead() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead
}

// take is what was written since it was last called.
func (l *lifeline) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	writes := l.writes
	l.writes = nil
	return writes
}

// apiServer is as much of an API server as a controller can tell from one: objects with UIDs, resource versions that
// updates must match, preconditions of deletions, a graceful end for pods that run, and JSON in between.
type apiServer struct {
	kube  *fake.Clientset
	redis *redisfake.Clientset
	life  *lifeline
	now   func() time.Time

	mu      sync.Mutex
	tracker clienttesting.ObjectTracker
	born    int
	version int
	asked   []string                     // all requests of the operator, reads too
	labels  map[string]map[string]string // that the operator has applied
	// changed is the names of the objects that were written, in order, by resource.
	changed map[string][]types.NamespacedName
}

var testScheme = sync.OnceValue(func() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{kubescheme.AddToScheme, redisv1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	return scheme
})

func newAPIServer(life *lifeline, now func() time.Time) *apiServer {
	scheme := testScheme()
	a := &apiServer{
		kube: &fake.Clientset{}, redis: &redisfake.Clientset{}, life: life, now: now,
		changed: map[string][]types.NamespacedName{}, labels: map[string]map[string]string{},
		tracker: clienttesting.NewObjectTracker(scheme, serializer.NewCodecFactory(scheme).UniversalDecoder()),
	}
	for _, client := range []*clienttesting.Fake{&a.kube.Fake, &a.redis.Fake} {
		client.AddReactor("*", "*", a.react)
		client.AddWatchReactor("*", a.watch)
	}
	return a
}

// react answers a request of the operator.
func (a *apiServer) react(action clienttesting.Action) (bool, runtime.Object, error) {
	what := words(action)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.life.isDead() {
		return true, nil, errKilled
	}
	a.asked = append(a.asked, what)
	switch action.(type) {
	case clienttesting.GetActionImpl, clienttesting.ListActionImpl:
		return clienttesting.ObjectReaction(a.tracker)(action)
	}
	if deletion, ok := action.(clienttesting.DeleteActionImpl); ok && len(deletion.DeleteOptions.DryRun) > 0 {
		_, err := a.mayGo(deletion)
		return true, nil, err
	}
	var answer runtime.Object
	err := a.life.write("api "+what, func() (err error) {
		answer, err = a.change(action)
		return err
	})
	return true, answer, err
}

// words is "create pods demo-0".
func words(action clienttesting.Action) string {
	resource := action.GetResource().Resource
	if sub := action.GetSubresource(); sub != "" {
		resource += "/" + sub
	}
	name := ""
	switch action := action.(type) {
	case clienttesting.CreateActionImpl:
		name = accessor(action.GetObject()).GetName()
	case clienttesting.UpdateActionImpl:
		name = accessor(action.GetObject()).GetName()
	case interface{ GetName() string }:
		name = action.GetName()
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", action.GetVerb(), resource, name))
}

func (a *apiServer) watch(action clienttesting.Action) (bool, watch.Interface, error) {
	var options metav1.ListOptions
	if impl, ok := action.(clienttesting.WatchActionImpl); ok {
		options = impl.ListOptions
	}
	w, err := a.tracker.Watch(action.GetResource(), action.GetNamespace(), options)
	return true, w, err
}

func (a *apiServer) change(action clienttesting.Action) (runtime.Object, error) {
	gvr, ns := action.GetResource(), action.GetNamespace()
	switch action := action.(type) {
	case clienttesting.CreateActionImpl:
		return a.create(gvr, action.GetObject())
	case clienttesting.UpdateActionImpl:
		return a.update(action)
	case clienttesting.PatchActionImpl:
		live, err := a.tracker.Get(gvr, ns, action.GetName())
		if err != nil {
			return nil, err
		}
		var sent struct{ Metadata struct{ UID types.UID } }
		if err = json.Unmarshal(action.GetPatch(), &sent); err != nil {
			return nil, err
		}
		if uid := sent.Metadata.UID; uid != "" && uid != accessor(live).GetUID() {
			return nil, conflict(gvr, action.GetName())
		}
		_, obj, err := clienttesting.ObjectReaction(a.tracker)(action)
		if err != nil {
			return nil, err
		}
		if action.GetPatchType() == types.ApplyPatchType {
			if err := a.disown(gvr, accessor(obj), action.GetPatch()); err != nil {
				return nil, err
			}
		}
		return obj, a.store(gvr, obj)
	case clienttesting.DeleteActionImpl:
		return nil, a.remove(action)
	}
	return nil, fmt.Errorf("the API server of the tests does not know %T", action)
}

// disown takes away the labels that the operator has applied before and does not apply any more.
func (a *apiServer) disown(gvr schema.GroupVersionResource, m metav1.Object, patch []byte) error {
	var applied struct {
		Metadata struct{ Labels map[string]string }
	}
	if err := json.Unmarshal(patch, &applied); err != nil {
		return err
	}
	key, labels := gvr.Resource+" "+m.GetNamespace()+"/"+m.GetName(), m.GetLabels()
	for name := range a.labels[key] {
		if _, still := applied.Metadata.Labels[name]; !still {
			delete(labels, name)
		}
	}
	m.SetLabels(labels)
	a.labels[key] = applied.Metadata.Labels
	return nil
}

func (a *apiServer) create(gvr schema.GroupVersionResource, obj runtime.Object) (runtime.Object, error) {
	obj = throughJSON(obj)
	m := accessor(obj)
	a.born++
	a.version++
	m.SetUID(types.UID(fmt.Sprintf("%s-%d", gvr.Resource, a.born)))
	m.SetResourceVersion(fmt.Sprint(a.version))
	m.SetGeneration(1)
	m.SetCreationTimestamp(metav1.NewTime(a.now()))
	a.note(gvr, m)
	return obj, a.tracker.Create(gvr, obj, m.GetNamespace())
}

func (a *apiServer) note(gvr schema.GroupVersionResource, m metav1.Object) {
	name := types.NamespacedName{Namespace: m.GetNamespace(), Name: m.GetName()}
	a.changed[gvr.Resource] = append(a.changed[gvr.Resource], name)
}

func (a *apiServer) update(action clienttesting.UpdateActionImpl) (runtime.Object, error) {
	gvr := action.GetResource()
	obj := throughJSON(action.GetObject())
	m := accessor(obj)
	live, err := a.tracker.Get(gvr, m.GetNamespace(), m.GetName())
	if err != nil {
		return nil, err
	}
	if m.GetResourceVersion() != accessor(live).GetResourceVersion() || m.GetUID() != accessor(live).GetUID() {
		return nil, conflict(gvr, m.GetName())
	}
	if rc, ok := live.(*redisv1.RedisCluster); ok && action.GetSubresource() == "status" {
		rc.Status = obj.(*redisv1.RedisCluster).Status
		obj = rc
	}
	return obj, a.store(gvr, obj)
}

func (a *apiServer) remove(action clienttesting.DeleteActionImpl) error {
	gvr := action.GetResource()
	live, err := a.mayGo(action)
	if err != nil {
		return err
	}
	if grace := action.DeleteOptions.GracePeriodSeconds; grace != nil && *grace == 0 {
		a.note(gvr, accessor(live))
		return a.tracker.Delete(gvr, action.GetNamespace(), action.GetName())
	}
	return a.end(gvr, live)
}

// mayGo is the object that is to be deleted, when it is the one that is meant.
func (a *apiServer) mayGo(action clienttesting.DeleteActionImpl) (runtime.Object, error) {
	gvr, name := action.GetResource(), action.GetName()
	live, err := a.tracker.Get(gvr, action.GetNamespace(), name)
	if err != nil {
		return nil, err
	}
	m := accessor(live)
	if p := action.DeleteOptions.Preconditions; p == nil || p.UID == nil || p.ResourceVersion == nil {
		return nil, apierrors.NewBadRequest("safety rule S6: a deletion without preconditions")
	} else if *p.UID != m.GetUID() || *p.ResourceVersion != m.GetResourceVersion() {
		return nil, conflict(gvr, name)
	}
	return live, nil
}

// end deletes an object: a pod that has a node stops first, and a claim that such a pod uses is kept until then.
func (a *apiServer) end(gvr schema.GroupVersionResource, live runtime.Object) error {
	m := accessor(live)
	pod, isPod := live.(*corev1.Pod)
	claim, isClaim := live.(*corev1.PersistentVolumeClaim)
	if isPod && pod.Spec.NodeName != "" && pod.Status.Phase != corev1.PodFailed || isClaim && a.inUse(claim) {
		if m.GetDeletionTimestamp() == nil {
			m.SetDeletionTimestamp(&metav1.Time{Time: a.now()})
		}
		return a.store(gvr, live)
	}
	a.note(gvr, m)
	return a.tracker.Delete(gvr, m.GetNamespace(), m.GetName())
}

func (a *apiServer) store(gvr schema.GroupVersionResource, obj runtime.Object) error {
	a.version++
	a.note(gvr, accessor(obj))
	accessor(obj).SetResourceVersion(fmt.Sprint(a.version))
	return a.tracker.Update(gvr, obj, accessor(obj).GetNamespace())
}

// requests is what the operator asked since it was last called.
func (a *apiServer) requests() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	asked := a.asked
	a.asked = nil
	return asked
}

func conflict(gvr schema.GroupVersionResource, name string) error {
	return apierrors.NewConflict(gvr.GroupResource(), name, errors.New("the object has been modified"))
}

func accessor(obj runtime.Object) metav1.Object {
	m, err := meta.Accessor(obj)
	if err != nil {
		panic(err)
	}
	return m
}

// throughJSON is what an object is after it went over the wire: times in seconds, text in UTF-8.
func throughJSON(obj runtime.Object) runtime.Object {
	text, err := json.Marshal(obj)
	if err != nil {
		panic(err)
	}
	out := obj.DeepCopyObject()
	if m, ok := out.(*redisv1.RedisCluster); ok {
		*m = redisv1.RedisCluster{}
	}
	if err = json.Unmarshal(text, out); err != nil {
		panic(err)
	}
	return out
}

func jsonOf(obj runtime.Object) string {
	text, err := json.Marshal(obj)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// resourceOf is the resource of the kinds in the tests.
func resourceOf(obj runtime.Object) schema.GroupVersionResource {
	for _, r := range resources {
		if fmt.Sprintf("%T", r.kind) == fmt.Sprintf("%T", obj) {
			return r.gvr
		}
	}
	panic(fmt.Sprintf("no resource for %T", obj))
}

// add makes an object, as somebody else than the operator does.
func add[T kube.Object](a *apiServer, obj T) T {
	a.mu.Lock()
	defer a.mu.Unlock()
	made, err := a.create(resourceOf(obj), obj)
	if err != nil {
		panic(err)
	}
	return made.(T)
}

// find is an object as it is now; ok is false when there is none.
func find[T kube.Object](a *apiServer, namespace, name string) (obj T, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	live, err := a.tracker.Get(resourceOf(obj), namespace, name)
	if err != nil {
		return obj, false
	}
	return live.(T), true
}

// mustFind is an object that has to be there.
func mustFind[T kube.Object](t testing.TB, a *apiServer, namespace, name string) T {
	t.Helper()
	obj, ok := find[T](a, namespace, name)
	if !ok {
		t.Fatalf("there is no %T %s/%s", obj, namespace, name)
	}
	return obj
}

// edit changes an object, as somebody else than the operator does.
func edit[T kube.Object](a *apiServer, namespace, name string, change func(T)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var zero T
	gvr := resourceOf(zero)
	live, err := a.tracker.Get(gvr, namespace, name)
	if err != nil {
		panic(err)
	}
	change(live.(T))
	if err = a.store(gvr, live); err != nil {
		panic(err)
	}
}

// drop deletes an object, as somebody else than the operator does. A pod that runs stops first.
func drop[T kube.Object](a *apiServer, namespace, name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var zero T
	gvr := resourceOf(zero)
	live, err := a.tracker.Get(gvr, namespace, name)
	if err == nil {
		err = a.end(gvr, live)
	}
	if err != nil {
		panic(err)
	}
}

// all is the objects of a kind, by namespace and name.
func all[T kube.Object](a *apiServer) []T {
	a.mu.Lock()
	defer a.mu.Unlock()
	var zero T
	i := slices.IndexFunc(resources, func(r kept) bool { return r.gvr == resourceOf(zero) })
	list, err := a.tracker.List(resources[i].gvr, resources[i].gvk, metav1.NamespaceAll)
	if err != nil {
		panic(err)
	}
	items, err := meta.ExtractList(list)
	if err != nil {
		panic(err)
	}
	objs := make([]T, len(items))
	for i, item := range items {
		objs[i] = item.(T)
	}
	slices.SortFunc(objs, func(a, b T) int {
		return strings.Compare(a.GetNamespace()+"/"+a.GetName(), b.GetNamespace()+"/"+b.GetName())
	})
	return objs
}
