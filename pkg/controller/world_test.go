package controller

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/redisoperator/redis-operator/pkg/agent"
	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/kube"
	"github.com/redisoperator/redis-operator/pkg/objects"
)

const secretsTTL = 5 * time.Minute

var birth = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// kept is a kind that the tests keep.
type kept struct {
	kind kube.Object
	gvr  schema.GroupVersionResource
	gvk  schema.GroupVersionKind
}

var resources = []kept{
	coreResource(&corev1.Pod{}, "Pod", "pods"),
	coreResource(&corev1.PersistentVolumeClaim{}, "PersistentVolumeClaim", "persistentvolumeclaims"),
	coreResource(&corev1.Service{}, "Service", "services"),
	coreResource(&corev1.ConfigMap{}, "ConfigMap", "configmaps"),
	coreResource(&corev1.ServiceAccount{}, "ServiceAccount", "serviceaccounts"),
	coreResource(&corev1.Secret{}, "Secret", "secrets"),
	coreResource(&corev1.Node{}, "Node", "nodes"),
	{
		&appsv1.ControllerRevision{}, appsv1.SchemeGroupVersion.WithResource("controllerrevisions"),
		appsv1.SchemeGroupVersion.WithKind("ControllerRevision"),
	},
	{
		&policyv1.PodDisruptionBudget{}, policyv1.SchemeGroupVersion.WithResource("poddisruptionbudgets"),
		policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget"),
	},
	{
		&redisv1.RedisCluster{}, redisv1.SchemeGroupVersion.WithResource("redisclusters"),
		redisv1.SchemeGroupVersion.WithKind("RedisCluster"),
	},
}

func coreResource(obj kube.Object, kind, name string) kept {
	return kept{obj, corev1.SchemeGroupVersion.WithResource(name), corev1.SchemeGroupVersion.WithKind(kind)}
}

// demo is a RedisCluster shop/demo of three masters with a replica each.
func demo(edits ...func(*redisv1.RedisCluster)) *redisv1.RedisCluster {
	rc := &redisv1.RedisCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "demo"},
		Spec: redisv1.RedisClusterSpec{
			PodTemplate: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				Containers: []corev1.Container{{Name: redisv1.ContainerRedis, Image: "redis:7.0.15"}},
			}},
		},
	}
	for _, change := range edits {
		change(rc)
	}
	return rc
}

func in(namespace string) func(*redisv1.RedisCluster) {
	return func(rc *redisv1.RedisCluster) { rc.Namespace = namespace }
}

func persistent(rc *redisv1.RedisCluster) { rc.Spec.Storage.Type = redisv1.StoragePersistent }

// fixture is a Kubernetes with Redis Clusters in it, and a real Controller in front of them: its controls are those of
// pkg/kube over a fake API server, and its nodes and agents those of clustertest.
type fixture struct {
	t      testing.TB
	clock  clock.WithTicker
	life   *lifeline
	api    *apiServer
	story  *story
	caches *caches // the operator's
	truth  *caches // always up to date: what kubelets and invariants go by
	c      *Controller

	registry *prometheus.Registry

	mu     sync.Mutex
	places []*place
	what   string // what is tried, for the message of a failed test
	lives  int    // operators that were started
	// refusals are steps that nodes refused, which do not happen to an operator with a fresh view.
	refusals []string
	// answers is what an agent says instead of the truth, by pod.
	answers map[string]func(agent.Status) (agent.Status, error)
	slots   slotFaults
	// unwilling are pods whose node does not take settings, and what they say instead; comparisons counts how often nodes
	// are asked what they run with.
	unwilling   map[string]error
	comparisons int
	// kubelets is what kubelets make of pods that are to get other resources: see give.
	kubelets string
	// noDefaults are pods whose agent does not know what the server has by itself.
	noDefaults map[string]bool
}

// place is where one RedisCluster lives. All clusters are called demo, each in a namespace of its own.
type place struct {
	number    int
	namespace string
	world     *clustertest.World
	started   map[string]started   // by pod
	volumes   map[string]types.UID // of the claims that the volumes of world are of, by name
	// generation is the highest that any agent has seen.
	generation int64
}

// started is what a pod got from Kubernetes when it started.
type started struct {
	uid      types.UID
	password string
	mover    string
	caCert   []byte
	server   *server
	asked    corev1.ResourceRequirements // of the kubelet, at its last look
	given    corev1.ResourceRequirements
}

func newFixture(t testing.TB, clusters ...*redisv1.RedisCluster) *fixture {
	t.Helper()
	return newFixtureAt(t, clocktesting.NewFakeClock(birth), clusters...)
}

func newFixtureAt(t testing.TB, now clock.WithTicker, clusters ...*redisv1.RedisCluster) *fixture {
	t.Helper()
	return newFixtureIn(t, now, clustertest.Settings{Seed: 7, StartTime: 2}, clusters...)
}

func newFixtureIn(
	t testing.TB, now clock.WithTicker, settings clustertest.Settings, clusters ...*redisv1.RedisCluster,
) *fixture {
	t.Helper()
	f := &fixture{
		t: t, clock: now, life: &lifeline{}, caches: newCaches(), truth: newCaches(),
		answers: map[string]func(agent.Status) (agent.Status, error){},
	}
	f.api = newAPIServer(f.life, f.clock.Now)
	f.story = &story{life: f.life}
	for i, zone := range []string{"a", "b", "c"} {
		add(f.api, &corev1.Node{ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("node%d", i+1), Labels: map[string]string{corev1.LabelTopologyZone: zone},
		}})
	}
	for i, rc := range clusters {
		add(f.api, rc)
		settings.Ephemeral = rc.Spec.Storage.Type != redisv1.StoragePersistent
		f.places = append(f.places, &place{
			number: i, namespace: rc.Namespace, started: map[string]started{}, volumes: map[string]types.UID{}, world: clustertest.New(settings),
		})
	}
	f.start()
	t.Cleanup(func() { f.c.queue.ShutDown() })
	return f
}

// start makes an operator with an empty memory, and caches filled from what is there.
func (f *fixture) start() {
	f.life.mu.Lock()
	if f.life.dead && f.life.always {
		f.life.at = len(f.life.writes) + 1
	}
	f.life.dead = false
	f.life.mu.Unlock()
	f.lives++
	f.caches.fill(f.api)
	if f.c != nil {
		f.c.queue.ShutDown()
	}
	f.c = New(f.config([]Stores{f.caches.stores()}, f.caches.nodeLister()))
}

func (f *fixture) config(stores []Stores, nodes corelisters.NodeLister) Config {
	f.registry = prometheus.NewRegistry()
	metrics, err := NewMetrics(f.registry)
	if err != nil {
		f.t.Fatal(err)
	}
	return Config{
		Stores:   stores,
		Nodes:    nodes,
		Pods:     kube.NewPodControl(f.api.kube, f.story),
		Objects:  kube.NewObjectControl(f.api.kube),
		History:  kube.NewRevisionControl(f.api.kube),
		Secrets:  kube.NewSecretControl(f.api.kube, secretsTTL, f.clock.Now),
		Status:   kube.NewStatusUpdater(f.api.redis),
		Redis:    (*redisNodes)(f),
		Slots:    (*redisNodes)(f),
		Settings: (*redisNodes)(f),
		Agents: func(ca agent.CA, clusterUID string) (AgentControl, error) {
			return &agentsOf{f, ca.CertPEM, clusterUID}, nil
		},
		Events:      kube.NewEvents(f.story),
		Images:      objects.Images{Redisnode: "redisnode:test"},
		ResizesPods: f.kubelets != unserved,
		Metrics:     metrics,
		Clock:       f.clock,
	}
}

func (f *fixture) key(namespace string) cache.ObjectName {
	return cache.ObjectName{Namespace: namespace, Name: "demo"}
}

// look is one sync, with caches as they are.
func (f *fixture) look(namespace string) (time.Duration, error) {
	return f.c.syncSafely(f.t.Context(), f.key(namespace))
}

// lookFresh is one sync, with caches that are up to date.
func (f *fixture) lookFresh(namespace string) error {
	f.caches.fill(f.api)
	_, err := f.look(namespace)
	return err
}

// pass lets a second go by.
func (f *fixture) pass() {
	if now, ok := f.clock.(*clocktesting.FakeClock); ok {
		now.Step(time.Second)
	}
	f.tick()
}

// cluster is the RedisCluster as the API server has it.
func (f *fixture) cluster(namespace string) *redisv1.RedisCluster {
	f.t.Helper()
	return mustFind[*redisv1.RedisCluster](f.t, f.api, namespace, "demo")
}

// condition is a condition of a RedisCluster, without the time.
func (f *fixture) condition(namespace, kind string) metav1.Condition {
	f.t.Helper()
	c := meta.FindStatusCondition(f.cluster(namespace).Status.Conditions, kind)
	if c == nil {
		return metav1.Condition{Type: kind}
	}
	return *c
}

func (f *fixture) isReady(namespace string) bool {
	f.t.Helper()
	rc := f.cluster(namespace)
	return rc.Status.ObservedGeneration == rc.Generation &&
		f.condition(namespace, redisv1.ConditionReady).Status == metav1.ConditionTrue &&
		f.condition(namespace, redisv1.ConditionProgressing).Reason == plan.Converged
}

// converge looks, and lets time go by, until the clusters are ready. An operator that died is started again.
func (f *fixture) converge(namespaces ...string) {
	f.t.Helper()
	var errs []error
	for range 300 {
		ready := true
		for _, ns := range namespaces {
			if err := f.lookFresh(ns); err != nil {
				errs = append(errs, err)
			}
			f.hold()
			ready = ready && f.isReady(ns)
		}
		if f.life.isDead() {
			f.start()
			ready = false
		}
		if ready {
			return
		}
		f.pass()
	}
	f.t.Fatalf("%s: not ready after 300 looks; last errors %v\n%s", f.what, errs[max(0, len(errs)-3):], f)
}

// hold holds the state of the world against the invariants.
func (f *fixture) hold() {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.places {
		ordinals := map[string]string{}
		for _, pod := range f.pods(p.namespace) {
			ordinal := pod.Labels[redisv1.LabelOrdinal]
			if other, taken := ordinals[ordinal]; taken && ordinal != "" {
				f.t.Fatalf("pods %s and %s have the same ordinal", other, pod.Name)
			}
			ordinals[ordinal] = pod.Name
		}
		v := p.world.View()
		v.Members = slices.DeleteFunc(v.Members, func(m cluster.Member) bool { return !m.OwnsSlots() })
		for i := range v.Members { // what a node says of others may be the past
			v.Members[i].Info = new(*v.Members[i].Info)
			v.Members[i].Info.Table = cluster.Table{v.Members[i].Info.Self()}
		}
		if twice := v.Contested(); !twice.IsEmpty() {
			f.t.Fatalf("slots %s have two owners\n%s", twice, p.world)
		}
	}
	if len(f.refusals) > 0 {
		f.t.Fatalf("a step decided on a fresh view is refused: %v", f.refusals)
	}
}

// String is what a person needs to know of a failed test.
func (f *fixture) String() string {
	var b strings.Builder
	for _, p := range f.places {
		rc := f.cluster(p.namespace)
		fmt.Fprintf(&b, "%s/demo: generation %d, pods %s\n", p.namespace, rc.Generation, rc.Status.PodsSummary)
		for _, c := range rc.Status.Conditions {
			fmt.Fprintf(&b, "  %s=%s %s: %s\n", c.Type, c.Status, c.Reason, c.Message)
		}
		b.WriteString(p.world.String())
	}
	f.life.mu.Lock()
	defer f.life.mu.Unlock()
	writes := f.life.writes
	fmt.Fprintf(&b, "last writes: %s\n", strings.Join(writes[max(0, len(writes)-20):], "; "))
	return b.String()
}
