package controller

import (
	"maps"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster/clustertest"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// windowed lets a cluster be disturbed for an hour from the times of a schedule on.
func windowed(schedule string) func(*redisv1.RedisCluster) {
	return func(rc *redisv1.RedisCluster) {
		rc.Spec.Maintenance.Windows = []redisv1.MaintenanceWindow{
			{Schedule: schedule, Duration: "1h"},
		}
	}
}

// comesTo looks, and lets time go by, until the operator says this reason, in a condition that is at rest.
func (f *fixture) comesTo(reason string) metav1.Condition {
	f.t.Helper()
	for range 300 {
		if err := f.lookFresh("shop"); err != nil && !outdated(err) {
			f.t.Fatal(err)
		}
		f.hold()
		c := f.condition("shop", redisv1.ConditionProgressing)
		if rc := f.cluster("shop"); c.Reason == reason && rc.Status.ObservedGeneration == rc.Generation {
			if c.Status != metav1.ConditionFalse {
				f.t.Errorf("%s: %+v", f.what, c)
			}
			return c
		}
		f.pass()
	}
	f.t.Fatalf("%s: never %s\n%s", f.what, reason, f)
	return metav1.Condition{}
}

// at is a time on the day of birth.
func (f *fixture) clockAt(hour, minute int) {
	f.clock.(*clocktesting.FakeClock).SetTime(time.Date(2026, 1, 1, hour, minute, 0, 0, time.UTC))
}

// An update waits for a window, and goes on by itself when one opens; taken back before, it leaves nothing. What waits
// is said, and costs no write.
func TestMaintenance_Windows(t *testing.T) {
	t.Parallel()
	f := newCluster(t, clustertest.Settings{Seed: 3}, windowed("0 13 * * *"))
	before := f.uids()
	f.change(image("redis:8.0.2"))
	f.what = "no window is open"
	c := f.comesTo(plan.AwaitingWindow)
	if want := "no window of spec.maintenance.windows is open, the next one opens at 2026-01-01T13:00:00Z"; !strings.HasSuffix(c.Message, want) {
		t.Errorf("%q, want %q", c.Message, want)
	}
	f.settled("shop")
	if now := f.uids(); !maps.Equal(before, now) {
		t.Errorf("pods were %v, are %v", before, now)
	}
	if ready := f.condition("shop", redisv1.ConditionReady); ready.Status != metav1.ConditionTrue {
		t.Errorf("%+v", ready)
	}
	f.what = "taken back"
	f.change(image("redis:7.0.15"))
	f.converge("shop")
	if now := f.uids(); !maps.Equal(before, now) {
		t.Errorf("pods were %v, are %v", before, now)
	}

	f.what = "a window opens"
	f.change(image("redis:8.0.2"))
	f.comesTo(plan.AwaitingWindow)
	f.clockAt(13, 0)
	f.converge("shop")
	f.runs("redis:8.0.2")
	f.intact()

	f.what = "it closes in the middle"
	f.clockAt(13, 59)
	f.change(image("redis:7.0.15"))
	for range 300 {
		if u := f.cluster("shop").Status.Update; u.UpdatedPods > 0 && f.cluster("shop").Status.ObservedGeneration > 4 {
			break
		}
		_ = f.lookFresh("shop")
		f.pass()
	}
	f.clockAt(14, 0)
	f.comesTo(plan.AwaitingWindow)
	if u := f.cluster("shop").Status.Update; u.UpdatedPods == 0 || u.UpdatedPods == 6 {
		t.Errorf("%d pods are updated", u.UpdatedPods)
	}
	f.what = "there is no window any more"
	f.change(func(rc *redisv1.RedisCluster) { rc.Spec.Maintenance.Windows = nil })
	f.converge("shop")
	f.runs("redis:7.0.15")
	f.settled("shop")
}

// A window that nobody can read does not open, and the condition quotes it. Corrected, it is as if it had not been.
func TestMaintenance_Misread(t *testing.T) {
	t.Parallel()
	f := newCluster(t, clustertest.Settings{Seed: 3})
	before := f.uids()
	f.change(windowed("5-3 * * * *"), image("redis:8.0.2"))
	c := f.comesTo(plan.AwaitingWindow)
	d := f.condition("shop", redisv1.ConditionDegraded)
	if !strings.HasSuffix(c.Message, "and none will be") || d.Reason != redisv1.ReasonInvalidSpec ||
		!strings.HasPrefix(d.Message, "spec.maintenance.windows[0]: schedule: ") {
		t.Errorf("%+v, %+v", c, d)
	}
	f.settled("shop")
	f.change(windowed("* * * * *"), image("redis:7.0.15"))
	f.converge("shop")
	d = f.condition("shop", redisv1.ConditionDegraded)
	if now := f.uids(); d.Status != metav1.ConditionFalse || !maps.Equal(before, now) {
		t.Errorf("%+v, pods %v, were %v", d, now, before)
	}
}

// Pods on a host that is cordoned, with their volumes, are not updated before it is open again; the others are.
func TestMaintenance_Hosts(t *testing.T) {
	t.Parallel()
	f := newCluster(t, clustertest.Settings{Seed: 3}, persistent)
	before := f.uids()
	f.node("node1", func(n *corev1.Node) { n.Spec.Unschedulable = true })
	f.converge("shop") // that alone changes nothing
	f.change(image("redis:8.0.2"))
	c := f.comesTo(plan.HostInMaintenance)
	for name, uid := range f.uids() {
		there := mustFind[*corev1.Pod](t, f.api, "shop", name).Spec.NodeName == "node1"
		if stays := before[name] == uid; stays && !there && !strings.Contains(c.Message, "node1 is cordoned") {
			t.Errorf("%s stays and is not on node1: %s", name, c.Message)
		} else if there && !stays {
			t.Errorf("%s was replaced, and is on node1", name)
		}
	}
	if u := f.cluster("shop").Status.Update; u.UpdatedPods == 0 {
		t.Error("no pod is updated")
	}
	f.settled("shop")
	f.node("node1", func(n *corev1.Node) { n.Spec.Unschedulable = false })
	f.converge("shop")
	f.runs("redis:8.0.2")
	f.intact()
	f.settled("shop")
}
