package controller

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// TestMain keeps what the operator logs, which is much when things go wrong all the time, out of the tests' output.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "controller-test-logs")
	if err == nil {
		err = errors.Join(flag.Set("log_dir", dir), flag.Set("stderrthreshold", "FATAL"))
	}
	if err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir) // what stays is in the machine's directory for such
	os.Exit(code)
}

// panics is a PodControl with a fault for one namespace.
type panics struct {
	PodControl
	namespace string
}

func (p panics) Create(ctx context.Context, rc *redisv1.RedisCluster, pod *corev1.Pod) error {
	if rc.Namespace == p.namespace {
		panic("a nil pointer, or so")
	}
	return p.PodControl.Create(ctx, rc, pod)
}

// watching is a fixture whose controller runs, with real informers. In a bubble of synctest its time is not real.
func watching(t *testing.T, change func(*Config), clusters ...*redisv1.RedisCluster) *fixture {
	t.Helper()
	f := newFixtureAt(t, clock.RealClock{}, clusters...)
	nodes := informers.NewSharedInformerFactory(f.api.kube, time.Hour)
	var watches []*Informers
	var stores []Stores
	for _, rc := range clusters {
		w := NewInformers(f.api.redis, f.api.kube, rc.Namespace, time.Hour)
		watches, stores = append(watches, w), append(stores, w.Stores)
	}
	config := f.config(stores, nodes.Core().V1().Nodes().Lister())
	change(&config)
	f.c.queue.ShutDown()
	f.c = New(config)
	ctx, cancel := context.WithCancel(t.Context())
	if err := f.c.WatchNodes(nodes.Core().V1().Nodes().Informer()); err != nil {
		t.Fatal(err)
	}
	nodes.StartWithContext(ctx)
	nodes.WaitForCacheSyncWithContext(ctx)
	for _, w := range watches {
		if w.HasSynced() {
			t.Error("informers that were not started are filled")
		}
		if err := errors.Join(f.c.Watch(w), w.Start(ctx)); err != nil {
			t.Fatal(err)
		}
		if !w.HasSynced() {
			t.Error("informers that were started are not filled")
		}
	}
	ended := make(chan struct{})
	go func() {
		f.c.Run(ctx, 2)
		close(ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return f
}

// live lets seconds go by, each in the middle of whatever the workers do.
func (f *fixture) live(seconds int) {
	for range seconds {
		f.tick()
		time.Sleep(time.Second) // in a bubble: as soon as everybody waits
	}
	synctest.Wait()
}

// Safety rule S10: what is wrong with one cluster, even a panic, stops no other.
func TestOneBadClusterDoesNotStopOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := watching(t, func(c *Config) { c.Pods = panics{c.Pods, "bad"} }, demo(), demo(in("bad")), demo(in("other")))
		f.live(40)
		for ns, want := range map[string]bool{"shop": true, "other": true, "bad": false} {
			if got := f.isReady(ns); got != want {
				t.Errorf("%s is ready: %v\n%s", ns, got, f)
			}
		}
		if n := f.c.queue.NumRequeues(f.key("bad")); n < 5 {
			t.Errorf("the bad cluster was tried %d times again", n)
		}
		f.whole(6)

		// A change is seen by its event, long before the next look that is due.
		f.life.take()
		drop[*corev1.Service](f.api, "shop", "demo")
		time.Sleep(settle)
		synctest.Wait()
		if writes := f.life.take(); !slices.Equal(writes, []string{"api create services demo"}) {
			t.Errorf("after the Service was deleted: %q", writes)
		}
	})
}

func TestEach(t *testing.T) {
	t.Parallel()
	refused, broken := fmt.Errorf("replicate: %w", redis.ErrUnknownNode), errors.New("it broke")
	for name, tc := range map[string]struct {
		errs []error
		want string
		only bool // only outdated
	}{
		"nothing fails":                       {[]error{nil, nil}, "", false},
		"one of two":                          {[]error{nil, broken}, "it broke", false},
		"what is wrong with all is said once": {[]error{broken, broken, broken}, "it broke (and 2 more like it)", false},
		"refusals":                            {[]error{refused, nil, refused}, "replicate: unknown node (and 1 more like it)", true},
		"a fault is said before the refusals beside it": {[]error{refused, nil, broken}, "it broke (and 1 more like it)", false},
	} {
		got := each(t.Context(), tc.errs, func(_ context.Context, err error) error { return err })
		if text := fmt.Sprint(got); tc.want == "" && got != nil || tc.want != "" && text != tc.want || outdated(got) != tc.only {
			t.Errorf("%s: %v, outdated %v", name, got, outdated(got))
		}
	}
	err := each(t.Context(), []int{0, 1}, func(_ context.Context, n int) error { return []error{nil}[n] })
	if err == nil || !strings.HasPrefix(err.Error(), "panic: runtime error: index out of range") {
		t.Errorf("a panic: %v", err)
	}
}

// A worker that is stopped finishes the step in hand: it is seconds, and half a step is worse than none.
func TestRunFinishesWhatItHasInHand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixtureAt(t, clock.RealClock{}, demo())
		slow := &slowPods{PodControl: f.c.Pods}
		f.c.Pods = slow
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			f.c.Run(ctx, 1)
			close(ended)
		}()
		f.c.queue.Add(f.key("shop"))
		time.Sleep(500 * time.Millisecond)
		cancel()
		<-ended
		if pods := all[*corev1.Pod](f.api); len(pods) != 6 {
			t.Errorf("%d pods of 6 were made", len(pods))
		}
		if c := f.condition("shop", redisv1.ConditionProgressing); c.Reason != plan.CreatingPods {
			t.Errorf("the step was not reported: %+v", c)
		}
	})
}

type slowPods struct{ PodControl }

func (s *slowPods) Create(ctx context.Context, rc *redisv1.RedisCluster, pod *corev1.Pod) error {
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.PodControl.Create(ctx, rc, pod)
}

// A key that fails is tried again later and later, and counts as new once it succeeds.
func TestProcessNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixtureAt(t, clock.RealClock{}, demo(func(rc *redisv1.RedisCluster) { rc.Spec.Auth.SecretName = "mine" }))
		key := f.key("shop")
		f.c.queue.Add(key)
		for n := 1; n <= 10; n++ {
			f.caches.fill(f.api)
			if !f.c.processNext(t.Context()) {
				t.Fatal("the queue is shut down")
			}
			if got := f.c.queue.NumRequeues(key); got != n {
				t.Fatalf("%d failures are counted, want %d", got, n)
			}
			f.dueIn(min(minBackoff<<(n-1), maxBackoff))
		}
		add(f.api, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "mine"}, Data: map[string][]byte{"password": []byte("x")},
		})
		f.caches.fill(f.api)
		f.c.processNext(t.Context())
		if got := f.c.queue.NumRequeues(key); got != 0 {
			t.Errorf("%d failures are counted after a success", got)
		}
		f.dueIn(plan.Next(wanted(defaulted()), emptyView()).Requeue)

		// What moved meanwhile is looked at again at once, and is no failure.
		f.caches.fill(f.api)
		edit(f.api, "shop", "demo", func(rc *redisv1.RedisCluster) { rc.Labels = map[string]string{"a": "b"} })
		f.c.processNext(t.Context())
		if got := f.c.queue.NumRequeues(key); got != 0 {
			t.Errorf("%d failures are counted after a look at the past", got)
		}
		f.dueIn(lookAgain)
		f.c.queue.ShutDown()
		f.caches.fill(f.api)
		f.c.processNext(t.Context())
		if f.c.processNext(t.Context()) {
			t.Error("a queue that is shut down goes on")
		}
		if got := f.metric("redis_operator_reconcile_duration_seconds", "error"); got != 10 {
			t.Errorf("%v looks with an error are counted, want 10", got)
		}
		if got := f.metric("redis_operator_reconcile_duration_seconds", "outdated"); got != 1 {
			t.Errorf("%v looks at the past are counted, want 1", got)
		}
	})
}

// dueIn fails unless a key is due after this time, and no sooner.
func (f *fixture) dueIn(d time.Duration) {
	f.t.Helper()
	time.Sleep(d - time.Millisecond)
	synctest.Wait()
	if f.c.queue.Len() > 0 {
		f.t.Fatalf("a key is due before %s", d)
	}
	time.Sleep(time.Millisecond)
	synctest.Wait()
	if f.c.queue.Len() == 0 {
		f.t.Fatalf("no key is due after %s", d)
	}
}

// Handlers only ask for looks.
func TestHandlers(t *testing.T) {
	t.Parallel()
	meta := func(version, generation int) metav1.ObjectMeta {
		return metav1.ObjectMeta{ResourceVersion: fmt.Sprint(version), Generation: int64(generation)}
	}
	rc := func(version, generation int) *redisv1.RedisCluster {
		return &redisv1.RedisCluster{ObjectMeta: meta(version, generation)}
	}
	going := rc(2, 1)
	going.DeletionTimestamp = &metav1.Time{Time: birth}
	later := going.DeepCopy()
	later.ResourceVersion = "3"
	for name, tc := range map[string]struct {
		old, now *redisv1.RedisCluster
		want     bool
	}{
		"a new status is our own":          {rc(1, 1), rc(2, 1), false},
		"a new spec":                       {rc(1, 1), rc(2, 2), true},
		"a resync":                         {rc(1, 1), rc(1, 1), true},
		"a cluster that is to go":          {rc(1, 1), going, true},
		"a cluster that goes since a time": {going, later, false},
	} {
		if got := meantAnything(tc.old, tc.now); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if changed(&corev1.Pod{ObjectMeta: meta(1, 0)}, &corev1.Pod{ObjectMeta: meta(1, 0)}) {
		t.Error("what a resync repeats is a change")
	}
	if !changed(&corev1.Pod{ObjectMeta: meta(1, 0)}, &corev1.Pod{ObjectMeta: meta(2, 0)}) {
		t.Error("a change is none")
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFixtureAt(t, clock.RealClock{})
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "demo-0", Labels: map[string]string{redisv1.LabelCluster: "demo"},
		}}
		for _, obj := range []any{
			pod, cache.DeletedFinalStateUnknown{Key: "shop/demo-0", Obj: pod}, &corev1.Pod{}, "no object",
		} {
			f.c.enqueueOwner(obj)
		}
		f.c.enqueue(cache.DeletedFinalStateUnknown{Key: "shop/demo", Obj: demo()})
		f.c.enqueue("no object")
		f.dueIn(settle)
		if key, _ := f.c.queue.Get(); key != f.key("shop") || f.c.queue.Len() != 0 {
			t.Errorf("key %s, and %d more", key, f.c.queue.Len())
		}
	})
}

// metric is a counter, the number of observations of a histogram, or a gauge, by the value of any of its labels.
func (f *fixture) metric(name, label string) float64 {
	f.t.Helper()
	families, err := f.registry.Gather()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			for _, l := range m.GetLabel() {
				if family.GetName() == name && l.GetValue() == label {
					return m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount()) + m.GetGauge().GetValue()
				}
			}
		}
	}
	return -1
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo(), demo(in("other")))
	f.registry.MustRegister(NewClusterCollector(f.c.Stores))
	f.converge("shop")
	f.caches.fill(f.api)
	for reason, want := range map[string]float64{plan.CreatingPods: 1, plan.AddingSlots: 1, plan.Converged: 1, plan.ForgettingNodes: -1} {
		if got := f.metric("redis_operator_decisions_total", reason); got != want {
			t.Errorf("decisions %s: %v, want %v", reason, got, want)
		}
	}
	for name, want := range map[string]float64{
		"ready": 1, "masters": 3, "slots_assigned": 16384, "pods_ready": 6, "pods_wanted": 6, "replicas_min": 1,
	} {
		if got := f.metric("redis_operator_cluster_"+name, "shop"); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		if got := f.metric("redis_operator_cluster_"+name, "other"); got != 0 {
			t.Errorf("%s of a cluster that is not there yet: %v", name, got)
		}
	}
	drop[*redisv1.RedisCluster](f.api, "shop", "demo")
	f.caches.fill(f.api)
	if got := f.metric("redis_operator_cluster_ready", "shop"); got != -1 {
		t.Errorf("a cluster that is gone is still told of: %v", got)
	}
	if _, err := NewMetrics(f.registry); !errors.As(err, &prometheus.AlreadyRegisteredError{}) {
		t.Errorf("metrics that are registered twice: %v", err)
	}
}
