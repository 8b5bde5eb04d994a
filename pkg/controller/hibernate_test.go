package controller

import (
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

func hibernate(is bool) func(*redisv1.RedisCluster) {
	return func(rc *redisv1.RedisCluster) { rc.Spec.Hibernate = is }
}

// asleep says that the cluster has no pods and is at rest.
func (f *fixture) asleep() bool {
	return len(all[*corev1.Pod](f.api)) == 0 &&
		f.condition("shop", redisv1.ConditionProgressing).Reason == "Hibernated"
}

// Pods go, replicas first, everything else stays, and all of it comes back; so it does when the operator is killed at any
// of its writes, and when somebody changes their mind on the way.
func TestHibernate(t *testing.T) {
	t.Parallel()
	f := newCluster(t, paced(7), persistent)
	before := []int{
		len(all[*corev1.PersistentVolumeClaim](f.api)), len(all[*corev1.Secret](f.api)), len(all[*corev1.Service](f.api)),
	}
	ids := nodesOf(f)
	f.change(hibernate(true))
	f.until("it has no pods", func() bool {
		primaries, replicas := 0, 0
		for _, m := range f.places[0].world.View().Members {
			switch {
			case m.Role() == cluster.Replica:
				replicas++
			case m.Pod.State != cluster.PodTerminating:
				primaries++
			}
		}
		if replicas > 0 && primaries < 3 {
			t.Errorf("%d primaries are left beside %d replicas", primaries, replicas)
		}
		return f.asleep()
	})
	after := []int{
		len(all[*corev1.PersistentVolumeClaim](f.api)), len(all[*corev1.Secret](f.api)), len(all[*corev1.Service](f.api)),
	}
	if !slices.Equal(before, after) {
		t.Errorf("of claims, Secrets and Services %v are left of %v", after, before)
	}
	f.says(redisv1.ConditionReady, "False Hibernated")
	f.says(redisv1.ConditionDegraded, "False Healthy")
	f.settled("shop")
	f.change(hibernate(false))
	f.converge("shop")
	f.whole(6)
	f.intact()
	if back := nodesOf(f); fmt.Sprint(back) != fmt.Sprint(ids) {
		t.Errorf("the nodes are %v, were %v", back, ids)
	}
	f.settled("shop")
}

func TestHibernate_OperatorKilledAfterEveryWrite(t *testing.T) {
	t.Parallel()
	f := newCluster(t, paced(7), persistent)
	f.life.fate, f.life.at, f.life.always = killedAfter, 1, true
	f.change(hibernate(true))
	for range 300 {
		_ = f.lookFresh("shop")
		if f.life.isDead() {
			f.start()
		}
		if f.asleep() {
			break
		}
		f.pass()
	}
	if !f.asleep() {
		t.Fatalf("it has pods still\n%s", f)
	}
	f.change(hibernate(false))
	f.converge("shop")
	f.whole(6)
	f.intact()
}

func TestHibernate_TakenBack(t *testing.T) {
	t.Parallel()
	for _, looks := range []int{1, 2, 4, 5, 6, 8} {
		f := newCluster(t, paced(7), persistent)
		f.what = fmt.Sprintf("after %d looks", looks)
		f.change(hibernate(true))
		for range looks {
			_ = f.lookFresh("shop")
			f.pass()
		}
		f.change(hibernate(false))
		f.converge("shop")
		f.whole(6)
		f.intact()
		f.settled("shop")
	}
}

// nodesOf is which node is in which pod.
func nodesOf(f *fixture) map[string]cluster.NodeID {
	ids := map[string]cluster.NodeID{}
	for _, m := range f.places[0].world.View().Members {
		ids[m.Pod.Name] = m.ID()
	}
	return ids
}
