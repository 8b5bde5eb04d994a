package controller

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// What a look reads of a Kubernetes node is seen when it changes, by the clusters with pods there. What else kubelets
// and people write there costs no look.
func TestNodesAreFollowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := watching(t, func(*Config) {}, demo(), demo(in("other")))
		add(f.api, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "empty"}})
		f.live(60)
		if !f.isReady("shop") || !f.isReady("other") {
			t.Fatalf("not ready\n%s", f)
		}
		f.life.take()
		idle := f.looksIn(60, func() {})
		beats := 0
		if n := f.looksIn(60, func() {
			beats++
			f.node("node1", func(n *corev1.Node) { n.Annotations = map[string]string{"beat": fmt.Sprint(beats)} })
			f.node("node2", func(n *corev1.Node) {
				n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeMemoryPressure, LastHeartbeatTime: metav1.Now()}}
			})
			f.node("empty", func(n *corev1.Node) { n.Spec.Unschedulable = !n.Spec.Unschedulable })
		}); n != idle || idle == 0 {
			t.Errorf("%v looks in a minute beside heartbeats, %v without", n, idle)
		}
		if writes := f.life.take(); len(writes) > 0 {
			t.Errorf("writes %q", writes)
		}

		// Every primary's zone becomes that of its replica: placement means something else now.
		f.node("node1", func(n *corev1.Node) { n.Labels[corev1.LabelTopologyZone] = "b" })
		f.seen("a zone", func(s redisv1.RedisClusterStatus) bool {
			return s.NodesPlacement == redisv1.PlacementBestEffort && strings.HasSuffix(s.PlacementMessage, "both in zone b")
		})
		f.node("node1", func(n *corev1.Node) { n.Labels[corev1.LabelTopologyZone] = "a" })
		f.seen("the zone as it was", func(s redisv1.RedisClusterStatus) bool {
			return s.NodesPlacement == redisv1.PlacementOptimal && s.PlacementMessage == ""
		})
		for what, change := range map[string]func(*corev1.Node){
			"a taint":          func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: "x", Effect: corev1.TaintEffectNoSchedule}} },
			"cordon":           func(n *corev1.Node) { n.Spec.Unschedulable = true },
			"a kubelet's word": kubelet(corev1.ConditionFalse),
			"its silence":      kubelet(corev1.ConditionUnknown),
		} {
			f.node("node1", func(n *corev1.Node) { n.Spec.Unschedulable, n.Spec.Taints, n.Status.Conditions = false, nil, nil })
			f.live(1)
			before := f.looked()
			f.node("node1", change)
			time.Sleep(settle)
			if synctest.Wait(); f.looked() != before+2 { // by both clusters
				t.Errorf("%s: %v looks", what, f.looked()-before)
			}
		}
	})
}

func kubelet(ready corev1.ConditionStatus) func(*corev1.Node) {
	return func(n *corev1.Node) {
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}
	}
}

// node changes a Kubernetes node.
func (f *fixture) node(name string, change func(*corev1.Node)) {
	edit(f.api, metav1.NamespaceNone, name, change)
}

// looked is how many looks have been made that found nothing wrong.
func (f *fixture) looked() float64 {
	return f.metric("redis_operator_reconcile_duration_seconds", "success")
}

// looksIn is how many there are in so many seconds, in each of which something is done.
func (f *fixture) looksIn(seconds int, do func()) float64 {
	before := f.looked()
	for range seconds {
		do()
		f.live(1)
	}
	return f.looked() - before
}

// seen fails unless the status of every cluster is so at once.
func (f *fixture) seen(what string, is func(redisv1.RedisClusterStatus) bool) {
	f.t.Helper()
	time.Sleep(settle)
	synctest.Wait()
	for _, p := range f.places {
		if s := f.cluster(p.namespace).Status; !is(s) {
			f.t.Errorf("%s: %s has placement %s: %s", what, p.namespace, s.NodesPlacement, s.PlacementMessage)
		}
	}
}
