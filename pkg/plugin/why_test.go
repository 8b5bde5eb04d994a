package plugin

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

func event(n int, kind, name string, change func(*corev1.Event)) corev1.Event {
	e := corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprintf("e%02d", n)},
		InvolvedObject: corev1.ObjectReference{Kind: kind, Name: name},
		Type:           corev1.EventTypeNormal, Reason: fmt.Sprintf("Reason%d", n), Message: fmt.Sprintf("message %d", n),
		LastTimestamp: ago(time.Duration(100-n) * time.Second),
	}
	if change != nil {
		change(&e)
	}
	return e
}

func warning(e *corev1.Event) { e.Type = corev1.EventTypeWarning }

func TestWhy(t *testing.T) {
	t.Parallel()
	events := []corev1.Event{
		event(5, "RedisCluster", "odd", nil),
		event(1, "RedisCluster", "odd", func(e *corev1.Event) { e.Count, e.Message = 3, "creating\n6 pods" }),
		event(2, "RedisCluster", "odd", func(e *corev1.Event) { // as events.k8s.io sends it
			e.LastTimestamp = metav1.Time{}
			e.EventTime = metav1.NewMicroTime(now.Add(-time.Hour))
			e.Series = &corev1.EventSeries{Count: 7, LastObservedTime: metav1.NewMicroTime(now.Add(-50 * time.Second))}
		}),
		event(3, "RedisCluster", "other", nil),
		event(4, "RedisCluster", "odd", func(e *corev1.Event) { e.InvolvedObject.UID = "a namesake that is gone" }),
		event(6, "Pod", "odd-8", warning),
		event(7, "Pod", "odd-8", nil),
		event(8, "PersistentVolumeClaim", "data-odd-8", warning),
		event(9, "Pod", "odd-one-out", warning),
		event(10, "Pod", "very-odd-8", warning),
	}
	f := newFixture("default", events, troubled())
	if err := f.run(t.Context(), "why", "odd"); err != nil {
		t.Fatal(err)
	}
	golden(t, "why", f.out.String())
}

func TestWhyShowsTheLastEvents(t *testing.T) {
	t.Parallel()
	var events []corev1.Event
	for n := range 30 {
		events = append(events, event(n, "RedisCluster", "demo", func(e *corev1.Event) {
			e.InvolvedObject.UID = types.UID("uid-1")
		}))
	}
	golden(t, "why_many", Why(converged("default", "demo"), events, now))
}

func TestWhyBeforeTheOperatorLooked(t *testing.T) {
	t.Parallel()
	behind := converged("default", "demo")
	behind.Generation = 3
	for name, rc := range map[string]*redisv1.RedisCluster{
		"why_fresh": fresh("default", "new"), "why_behind": behind, "why_deleted": deleted("default", "going"),
	} {
		golden(t, name, Why(rc, nil, now))
	}
}
