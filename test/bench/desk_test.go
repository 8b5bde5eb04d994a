//go:build bench

package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	kubefake "k8s.io/client-go/kubernetes/fake"
	corelisters "k8s.io/client-go/listers/core/v1"
	kubetesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"

	"github.com/redisoperator/redis-operator/pkg/agent"
	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	redisfake "github.com/redisoperator/redis-operator/pkg/client/clientset/versioned/fake"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/controller"
	"github.com/redisoperator/redis-operator/pkg/kube"
	"github.com/redisoperator/redis-operator/pkg/objects"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// apiTime is what every call of the API server takes here; a real one on a quiet network takes about as long.
const apiTime = 5 * time.Millisecond

// desk is the operator's real controller in front of an arena. The Kubernetes is a fake whose API server takes its
// time; a pod's node is the server with the pod's number. Nodes are only looked at and slots only moved: there is nothing
// else to do, and what the two interfaces have besides is nil.
type desk struct {
	controller.RedisControl
	controller.SlotControl

	a     *arena
	kube  *kubefake.Clientset
	redis *redisfake.Clientset

	mu      sync.Mutex
	version int
	d       drive
	began   time.Time // when the first slots began to move
}

// drive scales out from three primaries to four, as the operator does, and says how the time was spent from when the
// first slot began to move until the status said that all have.
func (a *arena) drive(t *testing.T, o redis.MoveOptions) drive {
	t.Helper()
	k := &desk{a: a, kube: kubefake.NewClientset(), redis: redisfake.NewSimpleClientset()}
	done := make(chan struct{})
	k.kube.PrependReactor("*", "*", k.serve)
	k.redis.PrependReactor("*", "*", k.serve)
	k.redis.PrependReactor("update", "redisclusters", func(action kubetesting.Action) (bool, runtime.Object, error) {
		k.written(action, done)
		return false, nil, nil
	})
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Minute)
	defer stop()
	_, err := k.redis.RedisoperatorV1().RedisClusters("bench").Create(ctx, k.wanted(o), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	informers := controller.NewInformers(k.redis, k.kube, "bench", 0)
	c := controller.New(k.config(t, informers))
	if err := c.Watch(informers); err != nil {
		t.Fatal(err)
	}
	if err := informers.Start(ctx); err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { k.runPods(ctx, t) })
	running.Go(func() { c.Run(ctx, 1) })
	select {
	case <-done:
	case <-ctx.Done():
	}
	stop()
	running.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.d.wall == 0 {
		rc, err := k.redis.RedisoperatorV1().RedisClusters("bench").Get(t.Context(), "bench", metav1.GetOptions{})
		t.Fatalf("the operator did not get there: %v %+v", err, rc.Status)
	}
	return k.d
}

func (k *desk) wanted(o redis.MoveOptions) *redisv1.RedisCluster {
	masters, replicas, uid := int32(primaries), int32(len(k.a.servers)/primaries-1), types.UID("bench")
	return &redisv1.RedisCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: "bench", Name: "bench", UID: uid, Generation: 1},
		Spec: redisv1.RedisClusterSpec{
			NumberOfMaster: &masters, ReplicationFactor: &replicas,
			Migration: redisv1.MigrationSpec{
				Engine: redisv1.MigrationEngine(o.Engine), Profile: redisv1.MigrationProfile(o.Profile),
			},
			PodTemplate: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				Containers: []corev1.Container{{Name: redisv1.ContainerRedis, Image: "redis:bench"}},
			}},
		},
	}
}

func (k *desk) config(t *testing.T, informers *controller.Informers) controller.Config {
	t.Helper()
	metrics, err := controller.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	nodes := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})
	if err := nodes.Add(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "host"}}); err != nil {
		t.Fatal(err)
	}
	recorder := &record.FakeRecorder{}
	return controller.Config{
		Stores:   []controller.Stores{informers.Stores},
		Nodes:    corelisters.NewNodeLister(nodes),
		Pods:     kube.NewPodControl(k.kube, recorder),
		Objects:  kube.NewObjectControl(k.kube),
		Secrets:  kube.NewSecretControl(k.kube, time.Hour, time.Now),
		History:  kube.NewRevisionControl(k.kube),
		Status:   kube.NewStatusUpdater(k.redis),
		Redis:    k,
		Slots:    k,
		Settings: quiet{},
		Agents:   func(agent.CA, string) (controller.AgentControl, error) { return agents{k}, nil },
		Events:   kube.NewEvents(recorder),
		Images:   objects.Images{Redisnode: "redisnode:bench"},
		Metrics:  metrics,
		Clock:    clock.RealClock{},
	}
}

// serve is the API server's time, and what it adds to objects.
func (k *desk) serve(action kubetesting.Action) (bool, runtime.Object, error) {
	time.Sleep(apiTime)
	change, ok := action.(kubetesting.UpdateAction) // a creation is one by its methods, too
	if !ok {
		return false, nil, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.version++
	if o, err := meta.Accessor(change.GetObject()); err == nil {
		o.SetResourceVersion(strconv.Itoa(k.version))
		if o.GetUID() == "" {
			o.SetUID(types.UID(o.GetName()))
		}
	}
	return false, nil, nil
}

// written looks at a status for the end of the migration.
func (k *desk) written(action kubetesting.Action, done chan struct{}) {
	change, _ := action.(kubetesting.UpdateAction)
	rc, ok := change.GetObject().(*redisv1.RedisCluster)
	k.mu.Lock()
	defer k.mu.Unlock()
	if !ok || k.began.IsZero() || k.d.wall > 0 {
		return
	}
	k.d.writes++
	progressing := meta.FindStatusCondition(rc.Status.Conditions, redisv1.ConditionProgressing)
	if rc.Status.Migration == nil && progressing != nil && progressing.Reason == plan.Converged {
		k.d.wall = time.Since(k.began)
		close(done)
	}
}

// runPods is a kubelet: what is created runs.
func (k *desk) runPods(ctx context.Context, t *testing.T) {
	for ctx.Err() == nil {
		pods, err := k.kube.CoreV1().Pods("bench").List(ctx, metav1.ListOptions{})
		if err != nil {
			return
		}
		for i := range pods.Items {
			if err := k.runPod(ctx, &pods.Items[i]); err != nil && ctx.Err() == nil {
				t.Errorf("run a pod: %v", err)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (k *desk) runPod(ctx context.Context, pod *corev1.Pod) error {
	if pod.Status.PodIP != "" {
		return nil
	}
	ordinal, err := strconv.Atoi(pod.Labels[redisv1.LabelOrdinal])
	if err != nil || ordinal >= len(k.a.servers) {
		return fmt.Errorf("pod %s has no server", pod.Name)
	}
	pod.Spec.NodeName = "host"
	pod.Status.Phase, pod.Status.PodIP = corev1.PodRunning, podIP(ordinal)
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: redisv1.ContainerRedis, Ready: true,
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}},
	}}
	_, err = k.kube.CoreV1().Pods("bench").Update(ctx, pod, metav1.UpdateOptions{})
	return err
}

const podNet = "10.0.0."

func podIP(ordinal int) string { return podNet + strconv.Itoa(ordinal+1) }

// ordinalOf is the number of the pod with this address.
func ordinalOf(ip string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(ip, podNet))
	if err != nil {
		panic(fmt.Sprintf("%s is no pod of the bench", ip))
	}
	return n - 1
}

// at is where the server really is. Servers of the bench know no users.
func (k *desk) at(ep redis.Endpoint) redis.Endpoint {
	ip, _, err := net.SplitHostPort(ep.Addr)
	if err != nil {
		panic(err)
	}
	return k.a.servers[ordinalOf(ip)].Endpoint()
}

func (k *desk) allAt(eps []redis.Endpoint) []redis.Endpoint {
	there := make([]redis.Endpoint, len(eps))
	for i, ep := range eps {
		there[i] = k.at(ep)
	}
	return there
}

// ObserveAll implements RedisControl: nodes know each other by the addresses of their pods.
func (k *desk) ObserveAll(ctx context.Context, eps []redis.Endpoint) []redis.Observation {
	start := time.Now()
	seen := k.a.clients.ObserveAll(ctx, k.allAt(eps))
	for _, o := range seen {
		if o.Info == nil {
			continue
		}
		for i := range o.Info.Table {
			for pod, id := range k.a.ids {
				if o.Info.Table[i].ID == id {
					o.Info.Table[i].Addr = cluster.Addr{IP: podIP(pod), Port: agent.RedisPort, BusPort: agent.BusPort}
				}
			}
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.began.IsZero() && k.d.wall == 0 {
		k.d.observing += time.Since(start)
	}
	return seen
}

// MoveSlots implements SlotControl.
func (k *desk) MoveSlots(ctx context.Context, moves []redis.SlotMove, o redis.MoveOptions) ([]redis.Moved, error) {
	start := time.Now()
	k.mu.Lock()
	if k.began.IsZero() {
		k.began = start
	}
	k.mu.Unlock()
	for i := range moves {
		for _, end := range []*redis.MoveEnd{&moves[i].From, &moves[i].To} {
			end.Peer = k.a.servers[ordinalOf(end.Peer.IP)].Peer()
			end.Endpoint, end.Copies = k.at(end.Endpoint), k.allAt(end.Copies)
		}
	}
	o.Restore = redis.Credentials{}
	moved, err := k.a.clients.MoveSlots(ctx, moves, o)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.d.steps++
	k.d.moving += time.Since(start)
	return moved, err
}

// agents are those of the pods.
type agents struct{ k *desk }

// Close implements AgentControl.
func (agents) Close() {}

// Launch implements controller.AgentControl.
func (agents) Launch(context.Context, string) (agent.Launch, error) { return agent.Launch{}, nil }

// quiet are nodes that nobody asks what they run with: how slots move is measured.
type quiet struct{}

// Settings implements controller.SettingControl.
func (quiet) Settings(context.Context, redis.Endpoint) (map[string]string, error) {
	return nil, errors.New("not asked")
}

// Configure implements controller.SettingControl.
func (quiet) Configure(context.Context, redis.Endpoint, []redis.Setting) error { return nil }

// Snapshot implements controller.SettingControl.
func (quiet) Snapshot(context.Context, redis.Endpoint) (bool, error) { return true, nil }

// Reign implements AgentControl: there is one operator.
func (agents) Reign(context.Context, string, agent.ReignRequest) error { return nil }

// Promote implements AgentControl.
func (agents) Promote(context.Context, string, agent.PromoteRequest) error {
	return errors.New("nobody is promoted in a benchmark")
}

// Status implements AgentControl.
func (a agents) Status(ctx context.Context, ip string) (agent.Status, error) {
	pods, err := a.k.kube.CoreV1().Pods("bench").List(ctx, metav1.ListOptions{})
	if err != nil {
		return agent.Status{}, err
	}
	for _, p := range pods.Items {
		if p.Status.PodIP == ip {
			return agent.Status{
				ClusterUID: "bench", PodName: p.Name, PodUID: string(p.UID), PodIP: ip, Phase: agent.PhaseRunning,
				NodeID: string(a.k.a.ids[ordinalOf(ip)]),
			}, nil
		}
	}
	return agent.Status{}, fmt.Errorf("no pod at %s", ip)
}
