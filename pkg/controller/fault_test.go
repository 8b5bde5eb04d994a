package controller

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/redisoperator/redis-operator/pkg/agent"
	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// powerOff ends everything on a host. Kubernetes hears of it when somebody tells it.
func (f *fixture) powerOff(host string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.places[0].world.LoseHost(host)
}

// looks looks so many times, a second apart, and returns the last error.
func (f *fixture) looks(n int) error {
	f.t.Helper()
	var err error
	for range n {
		err = f.lookFresh("shop")
		f.hold()
		f.pass()
	}
	return err
}

// A host that is silent costs its pods nothing but their places in the queue of what is waited for. One that is deleted,
// or said to be off, is replaced by force, and the cluster is whole again.
func TestFault30_HostLost(t *testing.T) {
	t.Parallel()
	for name, confirm := range map[string]func(*fixture){
		"the Node is deleted": func(f *fixture) { drop[*corev1.Node](f.api, "", "node2") },
		"the Node is out of service": func(f *fixture) {
			edit(f.api, "", "node2", func(n *corev1.Node) {
				n.Spec.Taints = []corev1.Taint{{Key: corev1.TaintNodeOutOfService, Effect: corev1.TaintEffectNoExecute}}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, demo())
			f.converge("shop")
			f.life.take()
			f.powerOff("node2")
			if err := f.looks(30); err != nil {
				t.Fatal(err)
			}
			if writes := f.life.take(); slices.ContainsFunc(writes, func(w string) bool { return strings.Contains(w, "delete pods") }) {
				t.Errorf("a silent host is no lost host: %q", writes)
			}
			confirm(f)
			f.converge("shop")
			f.whole(6)
			for _, pod := range f.pods("shop") {
				if pod.Spec.NodeName == "node2" {
					t.Errorf("%s is on a host that is gone", pod.Name)
				}
			}
			f.settled("shop")
		})
	}
}

// A pod that the cache still has on a host that is new: only the API server says that a host is gone.
func TestFault14_HostThatTheCacheDoesNotKnowYet(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo())
	f.converge("shop")
	node, _, err := f.caches.indexers["nodes"].GetByKey("node2")
	if err != nil {
		t.Fatal(err)
	}
	if err = f.caches.indexers["nodes"].Delete(node); err != nil {
		t.Fatal(err)
	}
	f.powerOff("node2")
	f.story.take()
	for range 5 {
		if _, err := f.look("shop"); err != nil {
			t.Fatal(err)
		}
	}
	if told := f.story.take(); slices.ContainsFunc(told, func(e string) bool { return strings.Contains(e, plan.ReplacingLostPod) }) {
		t.Errorf("events %q", told)
	}
	if c := f.condition("shop", redisv1.ConditionProgressing); c.Reason == plan.ReplacingLostPod {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
}

// A pod on a silent host that was to stop: after its grace period and a minute another takes its place, and the
// condition says what to do. A volume is not mounted twice.
func TestFault30_PodThatCannotBeStopped(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo())
	f.converge("shop")
	f.powerOff("node2")
	edit(f.api, "shop", "demo-4", func(pod *corev1.Pod) {
		pod.DeletionTimestamp = new(pod.CreationTimestamp)
		pod.DeletionGracePeriodSeconds = new(int64(30))
	})
	f.mu.Lock()
	f.places[0].world.Abandon("demo-4")
	f.mu.Unlock()
	if err := f.looks(80); err != nil {
		t.Fatal(err)
	}
	if pods := f.pods("shop"); len(pods) != 6 {
		t.Errorf("%d pods before the time is over", len(pods))
	}
	_ = f.looks(20)
	if _, ok := find[*corev1.Pod](f.api, "shop", "demo-6"); !ok {
		t.Fatalf("nobody takes the place of demo-4\n%s", f)
	}
	c := f.condition("shop", redisv1.ConditionDegraded)
	if want := "kubectl taint node node2 node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"; !strings.Contains(c.Message, want) {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
}

// Labels that somebody took away are given back; the pod is seen and not made again all the while.
func TestFault22_PodWithoutItsLabels(t *testing.T) {
	t.Parallel()
	for name, take := range map[string][]string{
		"the cluster's":     {redisv1.LabelCluster},
		"the ordinal":       {redisv1.LabelOrdinal},
		"the operator's":    {redisv1.LabelManagedBy},
		"everything it has": {redisv1.LabelCluster, redisv1.LabelManagedBy, redisv1.LabelOrdinal, redisv1.LabelClusterUID},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, demo())
			f.converge("shop")
			f.life.take()
			edit(f.api, "shop", "demo-2", func(pod *corev1.Pod) {
				for _, label := range take {
					delete(pod.Labels, label)
				}
			})
			f.converge("shop")
			pod := mustFind[*corev1.Pod](t, f.api, "shop", "demo-2")
			if pod.Labels[redisv1.LabelCluster] != "demo" || pod.Labels[redisv1.LabelOrdinal] != "2" {
				t.Errorf("labels %v", pod.Labels)
			}
			f.whole(6)
			f.settled("shop")
		})
	}
}

// The API server is away for ten minutes. Redis goes on by itself, nothing is done that was decided on what is known
// from before, and afterwards the cluster is whole.
func TestFault16_APIServerAwayForTenMinutes(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo(persistent))
	f.converge("shop")
	f.life.take()
	away := true
	for _, client := range []*clienttesting.Fake{&f.api.kube.Fake, &f.api.redis.Fake} {
		client.PrependReactor("*", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
			return away, nil, apierrors.NewTimeoutError("away", 1)
		})
	}
	f.mu.Lock()
	f.places[0].world.Restart("demo-1")
	f.mu.Unlock()
	for range 600 {
		_, _ = f.look("shop")
		f.pass()
	}
	if writes := f.life.take(); len(writes) > 0 {
		t.Errorf("writes %q", writes)
	}
	away = false
	f.converge("shop")
	f.whole(6)
	if v := f.places[0].world.View(); !v.Served() {
		t.Errorf("%s", f)
	}
}

// A watch that has died without a word is noticed: a cluster at rest is looked at again without any event, and a resync
// is a look.
func TestFault17_WatchSilentlyDead(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo())
	f.converge("shop")
	again, err := f.look("shop")
	if err != nil || again == 0 || again > time.Minute {
		t.Errorf("a cluster at rest is looked at again after %s, error %v", again, err)
	}
	f.mu.Lock()
	f.places[0].world.Hide("demo-2", true)
	f.mu.Unlock()
	again, err = f.look("shop") // no event told of it
	if c := f.condition("shop", redisv1.ConditionReady); c.Status == metav1.ConditionTrue || err != nil || again == 0 || again > time.Minute {
		t.Errorf("%s %s, looks again after %s, error %v", c.Status, c.Reason, again, err)
	}
	rc := f.cluster("shop")
	if !meantAnything(rc, rc) {
		t.Error("a resync is no look")
	}
}

// Two operators: the one that comes later gives orders of a higher generation, and the earlier one is told so, and does
// nothing any more.
func TestFault18_TwoOperators(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo())
	f.converge("shop")
	first, firsts := f.c, f.targetNow()
	begun, err := firsts.reign(t.Context())
	if begun == 0 || err != nil {
		t.Fatalf("generation %d, error %v", begun, err)
	}
	f.start()
	m := firsts.view.Members[3]
	step := plan.Decision{Reason: plan.RestoringPlacement, Step: plan.Failover{
		Pod: m.Pod.Name, Node: m.ID(), Primary: m.Follows(), Mode: plan.HandOver,
	}}
	seconds := f.targetNow()
	reign, err := seconds.reign(t.Context())
	if reign <= begun || err != nil {
		t.Fatalf("generation %d after %d, error %v", reign, begun, err)
	}
	f.life.take()
	for _, do := range []plan.Step{step.Step, plan.Forget{}, plan.AddSlots{}, plan.Replicate{}, plan.DeletePod{Pod: "demo-3", UID: m.Pod.UID}} {
		err = first.act(t.Context(), firsts, plan.Decision{Reason: plan.Converged, Step: do})
		if err == nil || !strings.Contains(err.Error(), "another operator") || outdated(err) {
			t.Errorf("%T: error %v", do, err)
		}
	}
	if writes := f.life.take(); len(writes) > 0 {
		t.Errorf("writes %q", writes)
	}
	if err = f.c.act(t.Context(), seconds, step); err != nil {
		t.Error(err)
	}
}

// targetNow is what a step acts on by now.
func (f *fixture) targetNow() target {
	f.t.Helper()
	f.caches.fill(f.api)
	rc, err := f.c.load(f.key("shop"))
	if err != nil {
		f.t.Fatal(err)
	}
	a, view, err := f.c.look(f.t.Context(), rc)
	if err != nil {
		f.t.Fatal(err)
	}
	return target{rc, view, a, f.c.ledgers.of(rc).look()}
}

// A RedisCluster is deleted and made again under its name: the pods of the former one are neither taken over nor
// deleted; when Kubernetes has collected them, the new one comes to be.
func TestFault19_MadeAgainUnderTheSameName(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo())
	f.converge("shop")
	drop[*redisv1.RedisCluster](f.api, "shop", "demo")
	_ = f.lookFresh("shop")
	add(f.api, demo())
	f.life.take()
	_ = f.looks(5)
	for _, w := range f.life.take() {
		if strings.Contains(w, "delete pods") || strings.HasPrefix(w, "redis ") {
			t.Errorf("what is the former one's is written to: %s", w)
		}
	}
	for _, obj := range []string{"demo-0", "demo-1", "demo-2", "demo-3", "demo-4", "demo-5"} {
		drop[*corev1.Pod](f.api, "shop", obj)
	}
	f.collect("shop")
	f.converge("shop")
	f.whole(6)
}

// collect deletes what belongs to an owner that is gone, as Kubernetes does.
func (f *fixture) collect(namespace string) {
	f.t.Helper()
	uid := f.cluster(namespace).UID
	f.api.mu.Lock()
	defer f.api.mu.Unlock()
	for _, r := range resources {
		for _, name := range slices.Clone(f.api.changed[r.gvr.Resource]) {
			live, err := f.api.tracker.Get(r.gvr, name.Namespace, name.Name)
			if err != nil || name.Namespace != namespace || len(accessor(live).GetOwnerReferences()) == 0 {
				continue
			}
			if accessor(live).GetOwnerReferences()[0].UID != uid && r.gvr.Resource != "pods" {
				if err := f.api.end(r.gvr, live); err != nil {
					f.t.Fatal(err)
				}
			}
		}
	}
}

// Nothing of a RedisCluster keeps it, or its namespace, from being deleted, and one that is going is left alone.
func TestFault21_DeletionDoesNotHang(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo(persistent))
	f.converge("shop")
	if finalizers := f.cluster("shop").Finalizers; len(finalizers) > 0 {
		t.Errorf("finalizers %q", finalizers)
	}
	for _, claim := range all[*corev1.PersistentVolumeClaim](f.api) {
		if len(claim.Finalizers) > 0 {
			t.Errorf("%s has finalizers %q", claim.Name, claim.Finalizers)
		}
	}
	edit(f.api, "shop", "demo", func(rc *redisv1.RedisCluster) { rc.DeletionTimestamp = new(rc.CreationTimestamp) })
	f.powerOff("node1") // Redis cannot be reached any more
	f.life.take()
	if err := f.looks(10); err != nil {
		t.Error(err)
	}
	if writes := f.life.take(); len(writes) > 0 {
		t.Errorf("writes %q", writes)
	}
}

// The clock jumps by an hour, forth and back: nothing is written for it.
func TestFault49_ClockJumps(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo())
	f.converge("shop")
	f.life.take()
	now := f.clock.(*clocktesting.FakeClock)
	for _, jump := range []time.Duration{time.Hour, -2 * time.Hour, time.Hour} {
		now.SetTime(now.Now().Add(jump))
		if err := f.looks(3); err != nil {
			t.Fatal(err)
		}
	}
	if writes := f.life.take(); len(writes) > 0 {
		t.Errorf("writes %q", writes)
	}
}

// A replica has taken over by itself: that is told once, with what it may have lost, as its agent says.
func TestFault23_TakeOverIsTold(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo())
	f.converge("shop")
	shard := f.places[0].world.View().Shards()[0]
	heir := shard.Replicas[0].Pod.Name
	f.answers[heir] = func(s agent.Status) (agent.Status, error) {
		s.LastTakeOver = &agent.TakeOver{
			PrimaryID: string(shard.ID), Mode: agent.PromoteTakeover, OffsetGap: 42, Millis: 9,
		}
		return s, nil
	}
	f.story.take()
	f.mu.Lock()
	err := f.places[0].world.Restart(shard.Primary.Pod.Name).Apply(plan.Failover{
		Pod: heir, Node: shard.Replicas[0].ID(), Primary: shard.ID,
	})
	f.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	_ = f.looks(10)
	told := slices.DeleteFunc(f.story.take(), func(e string) bool { return !strings.Contains(e, redisv1.EventTookOver) })
	if len(told) != 1 || !strings.HasPrefix(told[0], "shop Warning TookOver "+heir) || !strings.Contains(told[0], "at least 42 bytes") {
		t.Errorf("events %q", told)
	}
}

// A shard is lost with all its copies: it waits, somebody consents by the command in the condition, and it is told as a
// warning.
func TestFault32_ConsentByAnnotation(t *testing.T) {
	t.Parallel()
	f := newFixture(t, demo())
	f.converge("shop")
	v := f.places[0].world.View()
	shard := v.Shards()[1]
	f.mu.Lock()
	f.places[0].world.Kill(shard.Primary.Pod.Name, shard.Replicas[0].Pod.Name)
	f.mu.Unlock()
	for range 20 {
		_ = f.lookFresh("shop")
		f.pass()
	}
	c := f.condition("shop", redisv1.ConditionDegraded)
	want := "kubectl annotate --overwrite -n shop rdc/demo redisoperator.io/give-up-slots=" + shard.Slots.String()
	if c.Reason != plan.SlotsUncovered || !strings.Contains(c.Message, want) {
		t.Fatalf("%s: %s\n%s", c.Reason, c.Message, f)
	}
	before := f.cluster("shop")
	edit(f.api, "shop", "demo", func(rc *redisv1.RedisCluster) {
		rc.Annotations = map[string]string{redisv1.AnnotationGiveUpSlots: shard.Slots.String()}
	})
	if !meantAnything(before, f.cluster("shop")) {
		t.Error("nobody looks when the annotation is set")
	}
	f.story.take()
	f.converge("shop")
	f.whole(6)
	told := f.story.take()
	if !slices.ContainsFunc(told, func(e string) bool { return strings.HasPrefix(e, "shop Warning DataLost slots "+shard.Slots.String()) }) {
		t.Errorf("events %q", told)
	}
}

// What an annotation names, and nothing else, is given up.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "0-5460": "0-5460", "0-10, 12": "0-10,12", "all": "", "5-3": "", "0-16384": "", "7,x": "7",
	} {
		rc := defaulted()
		rc.Annotations = map[string]string{redisv1.AnnotationGiveUpSlots: text}
		if got := givenUp(rc).String(); got != want {
			t.Errorf("%q gives up %q, want %q", text, got, want)
		}
	}
	rc := defaulted()
	rc.Spec.Recovery.LostShard = redisv1.LostShardEmpty
	if givenUp(rc) != cluster.AllSlots() {
		t.Error("spec.recovery.lostShard: Empty gives up whatever is lost")
	}
}
