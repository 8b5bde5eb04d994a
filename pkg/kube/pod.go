package kube

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// PodControl creates and deletes the pods of clusters.
type PodControl struct {
	client kubernetes.Interface
	events record.EventRecorder
}

// NewPodControl makes a PodControl that records an event for every pod it creates or deletes.
func NewPodControl(client kubernetes.Interface, events record.EventRecorder) *PodControl {
	return &PodControl{client: client, events: events}
}

// Create makes the pod. A pod of that name which is the cluster's own is adopted: that is how an operator goes on
// that was killed after it had created one. One that is on its way out is left alone, without an error: the next look
// finds the name free. One of somebody else is a *ConflictError.
func (c *PodControl) Create(ctx context.Context, rc *redisv1.RedisCluster, pod *corev1.Pod) error {
	pods := c.client.CoreV1().Pods(pod.Namespace)
	_, err := pods.Create(ctx, pod, metav1.CreateOptions{FieldManager: fieldManager})
	if err == nil {
		c.events.Eventf(rc, corev1.EventTypeNormal, "PodCreated", "created pod %s", pod.Name)
		return nil
	}
	if !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create pod %s: %w", pod.Name, err)
	}
	live, err := pods.Get(ctx, pod.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("get pod %s: %w", pod.Name, err)
	}
	if err := checkOwner("Pod", live, rc); !errors.Is(err, ErrStale) {
		return err
	}
	return nil
}

// Delete deletes the pod with this name and UID, after it has asked ok about the live pod: the caller's view is
// already past. A refusal by ok, another pod under the name, and a change between the look and the deletion are
// ErrStale. A pod that is gone, or going, is success.
func (c *PodControl) Delete(
	ctx context.Context, rc *redisv1.RedisCluster, name string, uid types.UID, ok func(*corev1.Pod) error,
) error {
	pods := c.client.CoreV1().Pods(rc.Namespace)
	live, err := pods.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("get pod %s: %w", name, err)
	}
	if live.UID != uid {
		return fmt.Errorf("delete pod %s: %w: its UID is %s, not %s", name, ErrStale, live.UID, uid)
	}
	if live.DeletionTimestamp != nil {
		return nil
	}
	if err = checkOwner("Pod", live, rc); err != nil {
		return fmt.Errorf("delete pod %s: %w", name, err)
	}
	if err = ok(live); err != nil {
		return fmt.Errorf("delete pod %s: %w: %w", name, ErrStale, err)
	}
	err = pods.Delete(ctx, name, metav1.DeleteOptions{Preconditions: preconditions(live)})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("delete pod %s: %w", name, stale(err))
	}
	c.events.Eventf(rc, corev1.EventTypeNormal, "PodDeleted", "deleted pod %s", name)
	return nil
}

// preconditions let a deletion pass only while the object is exactly what was looked at.
func preconditions(live metav1.Object) *metav1.Preconditions {
	return &metav1.Preconditions{UID: new(live.GetUID()), ResourceVersion: new(live.GetResourceVersion())}
}
