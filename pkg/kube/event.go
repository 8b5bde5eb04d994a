package kube

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// correlation lets a RedisCluster tell more than what client-go takes for spam, 25 events and then one in five minutes:
// a scale-out and the scale-in after it are more than that.
var correlation = record.CorrelatorOptions{BurstSize: 200, QPS: 0.2}

// NewRecorder makes a recorder that sends events about RedisClusters to the API server until ctx ends, and a function
// that sends what is left and stops it.
func NewRecorder(ctx context.Context, client kubernetes.Interface) (record.EventRecorder, func(), error) {
	scheme := runtime.NewScheme()
	if err := redisv1.AddToScheme(scheme); err != nil {
		return nil, nil, err
	}
	broadcaster := record.NewBroadcaster(record.WithContext(ctx), record.WithCorrelatorOptions(correlation))
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: client.CoreV1().Events(metav1.NamespaceAll)})
	return broadcaster.NewRecorder(scheme, corev1.EventSource{Component: fieldManager}), broadcaster.Shutdown, nil
}

// Events tells a RedisCluster's story: one event for each step that was taken, and one for each condition that changed.
type Events struct {
	recorder record.EventRecorder
}

// NewEvents makes Events that go to this recorder.
func NewEvents(recorder record.EventRecorder) *Events { return &Events{recorder: recorder} }

// Step records a step that was taken, with the decision's reason and message.
func (e *Events) Step(rc *redisv1.RedisCluster, reason, message string) {
	e.recorder.Event(rc, corev1.EventTypeNormal, reason, message)
}

// Warning records a step that was taken and that nobody wishes for.
func (e *Events) Warning(rc *redisv1.RedisCluster, reason, message string) {
	e.recorder.Event(rc, corev1.EventTypeWarning, reason, message)
}

// Pod records what a pod of the cluster is at, as an event of the pod: there whoever wonders about it looks first.
func (e *Events) Pod(rc *redisv1.RedisCluster, name, uid, reason, message string) {
	pod := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Namespace: rc.Namespace, Name: name, UID: types.UID(uid)},
	}
	e.recorder.Event(pod, corev1.EventTypeNormal, reason, message)
}

// Conditions records what changed between the status that rc has and the one that was written. Ready is told when it
// becomes true and when it is true no more, Degraded also when its reason changes. Progressing is told only when it
// ends: while it is true its reason is that of the steps, which are told one by one.
func (e *Events) Conditions(rc *redisv1.RedisCluster, status redisv1.RedisClusterStatus) {
	for _, now := range status.Conditions {
		was := meta.FindStatusCondition(rc.Status.Conditions, now.Type)
		if was != nil && was.Status == now.Status && was.Reason == now.Reason || silent(was, now) {
			continue
		}
		e.recorder.Event(rc, eventType(now), now.Reason, now.Message)
	}
}

// silent are the changes that say nothing new: what a new cluster is not yet, progress that goes on, and another reason
// why a cluster is still not ready, of which a creation has several in a second.
func silent(was *metav1.Condition, now metav1.Condition) bool {
	switch {
	case was == nil:
		return now.Type == redisv1.ConditionProgressing || now.Status != metav1.ConditionTrue
	case now.Type == redisv1.ConditionProgressing:
		return now.Status == metav1.ConditionTrue || was.Status == now.Status
	case now.Type == redisv1.ConditionReady:
		return (was.Status == metav1.ConditionTrue) == (now.Status == metav1.ConditionTrue)
	}
	return false
}

// eventType is Warning for what needs attention.
func eventType(c metav1.Condition) string {
	bad := c.Type == redisv1.ConditionDegraded && c.Status == metav1.ConditionTrue
	if bad || c.Type == redisv1.ConditionReady && c.Status != metav1.ConditionTrue {
		return corev1.EventTypeWarning
	}
	return corev1.EventTypeNormal
}
