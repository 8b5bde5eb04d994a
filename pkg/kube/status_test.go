package kube

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/record"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	redisfake "github.com/redisoperator/redis-operator/pkg/client/clientset/versioned/fake"
)

// Safety rule S8: a status that says nothing new is not written.
func TestStatusUpdater(t *testing.T) {
	t.Parallel()
	rc := demo()
	rc.Status = redisv1.RedisClusterStatus{PodsReady: 5, Nodes: []redisv1.NodeStatus{{PodName: "demo-0"}}}
	client := redisfake.NewClientset(rc.DeepCopy())
	updater := NewStatusUpdater(client)

	same := *rc.Status.DeepCopy()
	same.Conditions = []metav1.Condition{}
	if written, err := updater.Update(t.Context(), rc, same); err != nil || written != nil || len(client.Actions()) != 0 {
		t.Errorf("an equal status: %v, error %v", client.Actions(), err)
	}
	next := *rc.Status.DeepCopy()
	next.PodsReady = 6
	if written, err := updater.Update(t.Context(), rc, next); err != nil || written.Status.PodsReady != 6 {
		t.Fatalf("%+v, %v", written, err)
	}
	actions := client.Actions()
	if len(actions) != 1 || actions[0].GetVerb() != "update" || actions[0].GetSubresource() != "status" {
		t.Errorf("requests: %v", actions)
	}
	if rc.Status.PodsReady != 5 {
		t.Error("Update changed what the caller has")
	}
	live, err := client.RedisoperatorV1().RedisClusters("shop").Get(t.Context(), "demo", metav1.GetOptions{})
	if err != nil || live.Status.PodsReady != 6 {
		t.Errorf("status %+v, error %v", live.Status, err)
	}
}

func TestStatusUpdaterErrors(t *testing.T) {
	t.Parallel()
	resource := redisv1.Resource("redisclusters")
	for name, tc := range map[string]struct{ err, want error }{
		"a cluster that is gone needs no status":        {apierrors.NewNotFound(resource, "demo"), nil},
		"a cluster that has changed is looked at again": {apierrors.NewConflict(resource, "demo", nil), ErrStale},
		"anything else is told":                         {apierrors.NewTooManyRequests("slow down", 1), apierrors.NewTooManyRequests("slow down", 1)},
	} {
		client := redisfake.NewClientset()
		client.PrependReactor("update", "*", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, tc.err })
		_, err := NewStatusUpdater(client).Update(t.Context(), demo(), redisv1.RedisClusterStatus{PodsReady: 1})
		switch {
		case tc.want == nil || errors.Is(tc.want, ErrStale):
			if !errors.Is(err, tc.want) {
				t.Errorf("%s: %v", name, err)
			}
		case !apierrors.IsTooManyRequests(err) || errors.Is(err, ErrStale):
			t.Errorf("%s: %v", name, err)
		}
	}
}

func condition(kind string, status metav1.ConditionStatus, reason string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: "because"}
}

func TestEventsOfConditions(t *testing.T) {
	t.Parallel()
	const ready, progressing, degraded = redisv1.ConditionReady, redisv1.ConditionProgressing, redisv1.ConditionDegraded
	const yes, no = metav1.ConditionTrue, metav1.ConditionFalse
	type conditions = []metav1.Condition
	for name, tc := range map[string]struct {
		was, is conditions
		want    string
	}{
		"nothing new": {
			conditions{condition(ready, yes, "Healthy")}, conditions{condition(ready, yes, "Healthy")}, "",
		},
		"another message is nothing new": {
			conditions{{Type: ready, Status: yes, Reason: "Healthy", Message: "6"}},
			conditions{{Type: ready, Status: yes, Reason: "Healthy", Message: "7"}},
			"",
		},
		"the first status of a new cluster": {
			nil,
			conditions{
				condition(ready, no, "SlotsUncovered"), condition(progressing, yes, "CreatingPods"),
				condition(degraded, no, "Healthy"),
			},
			"",
		},
		"a cluster that cannot start": {nil, conditions{condition(degraded, yes, "NameConflict")}, "Warning NameConflict because"},
		"a cluster becomes ready": {
			conditions{condition(ready, no, "SlotsUncovered"), condition(progressing, yes, "AddingSlots")},
			conditions{condition(ready, yes, "Healthy"), condition(progressing, no, "Converged")},
			"Normal Healthy because, Normal Converged because",
		},
		"a cluster is not ready any more": {
			conditions{condition(ready, yes, "Healthy")},
			conditions{condition(ready, no, "PodsNotReady")},
			"Warning PodsNotReady because",
		},
		"a cluster that is not ready yet, for another reason": {
			conditions{condition(ready, no, "SlotsUncovered")}, conditions{condition(ready, no, "ReplicasMissing")}, "",
		},
		"a cluster that could not be looked at, and is not ready": {
			conditions{condition(ready, metav1.ConditionUnknown, "ReconcileError")},
			conditions{condition(ready, no, "SlotsUncovered")},
			"",
		},
		"a ready cluster that cannot be looked at": {
			conditions{condition(ready, yes, "Healthy")},
			conditions{condition(ready, metav1.ConditionUnknown, "ReconcileError")},
			"Warning ReconcileError because",
		},
		"other trouble": {
			conditions{condition(degraded, yes, "PodFailing")},
			conditions{condition(degraded, yes, "NameConflict")},
			"Warning NameConflict because",
		},
		"progress is told by its steps": {
			conditions{condition(progressing, yes, "CreatingPods")}, conditions{condition(progressing, yes, "MeetingNodes")}, "",
		},
		"trouble ends": {
			conditions{condition(degraded, yes, "PodFailing")},
			conditions{condition(degraded, no, "Healthy")},
			"Normal Healthy because",
		},
	} {
		recorder := record.NewFakeRecorder(10)
		rc := demo()
		rc.Status.Conditions = tc.was
		NewEvents(recorder).Conditions(rc, redisv1.RedisClusterStatus{Conditions: tc.is})
		close(recorder.Events)
		var got []string
		for event := range recorder.Events {
			got = append(got, event)
		}
		if have := strings.Join(got, ", "); have != tc.want {
			t.Errorf("%s: %q, want %q", name, have, tc.want)
		}
	}
}

func TestEventOfAStep(t *testing.T) {
	t.Parallel()
	recorder := record.NewFakeRecorder(1)
	NewEvents(recorder).Step(demo(), "MeetingNodes", "demo-1 meets demo-0")
	if got := <-recorder.Events; got != "Normal MeetingNodes demo-1 meets demo-0" {
		t.Errorf("event: %s", got)
	}
}

func TestRecorderSendsToTheAPIServer(t *testing.T) {
	t.Parallel()
	client := newClient()
	sent := make(chan *corev1.Event, 1)
	client.PrependReactor("create", "events", func(a clienttesting.Action) (bool, runtime.Object, error) {
		event := a.(clienttesting.CreateAction).GetObject().(*corev1.Event)
		sent <- event
		return true, event, nil
	})
	recorder, stop, err := NewRecorder(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for _, tc := range []struct {
		tell func(*Events)
		kind string
		uid  types.UID
	}{
		{func(e *Events) { e.Step(demo(), "MeetingNodes", "hello") }, "RedisCluster", ownUID},
		{func(e *Events) { e.Pod(demo(), "demo-0", "uid-of-demo-0", "WaitingAtGate", "hello") }, "Pod", "uid-of-demo-0"},
	} {
		tc.tell(NewEvents(recorder))
		select {
		case event := <-sent:
			if event.InvolvedObject.Kind != tc.kind || event.InvolvedObject.UID != tc.uid || event.Namespace != "shop" {
				t.Errorf("event about %+v", event.InvolvedObject)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("no event was sent")
		}
	}
}

// A scale-out and the scale-in after it tell more than client-go lets pass by itself: their ends are told too.
func TestRecorderTellsAll(t *testing.T) {
	t.Parallel()
	const many = 60
	client := newClient()
	sent := make(chan string, many)
	client.PrependReactor("create", "events", func(a clienttesting.Action) (bool, runtime.Object, error) {
		event := a.(clienttesting.CreateAction).GetObject().(*corev1.Event)
		sent <- event.Reason
		return true, event, nil
	})
	recorder, stop, err := NewRecorder(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for i := range many {
		NewEvents(recorder).Step(demo(), fmt.Sprintf("Reason%d", i), "hello")
	}
	for i := range many {
		select {
		case <-sent:
		case <-time.After(10 * time.Second):
			t.Fatalf("%d of %d events were sent", i, many)
		}
	}
}
