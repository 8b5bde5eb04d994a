package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// PodControl creates, adopts and deletes the pods of clusters.
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
	switch err := checkOwner("Pod", live, rc); {
	case errors.Is(err, ErrStale):
		return nil
	case err != nil:
		return err
	}
	return c.label(ctx, live, pod.Labels)
}

// Adopt gives a pod of the cluster the labels back that it was made with: by them others find it, such as the Service.
func (c *PodControl) Adopt(ctx context.Context, rc *redisv1.RedisCluster, wanted *corev1.Pod) error {
	live, err := c.client.CoreV1().Pods(wanted.Namespace).Get(ctx, wanted.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("get pod %s: %w", wanted.Name, err)
	}
	if err = checkOwner("Pod", live, rc); err != nil {
		return err
	}
	return c.label(ctx, live, wanted.Labels)
}

// SetImages changes images of containers in a running pod, and annotations with them. Of the wanted pod only these,
// the name and the UID are looked at. Another pod under the name, and a change between the look and the write, are
// ErrStale.
func (c *PodControl) SetImages(ctx context.Context, rc *redisv1.RedisCluster, wanted *corev1.Pod) error {
	pods := c.client.CoreV1().Pods(wanted.Namespace)
	live, err := pods.Get(ctx, wanted.Name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("get pod %s: %w", wanted.Name, stale(err))
	}
	if err = checkOwner("Pod", live, rc); err != nil {
		return err
	}
	if live.UID != wanted.UID {
		return fmt.Errorf("change images of pod %s: %w: its UID is %s, not %s", live.Name, ErrStale, live.UID, wanted.UID)
	}
	var containers []map[string]string
	for i := range wanted.Spec.InitContainers {
		c := &wanted.Spec.InitContainers[i]
		containers = append(containers, map[string]string{"name": c.Name, "image": c.Image})
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{
			"uid": live.UID, "resourceVersion": live.ResourceVersion, "annotations": wanted.Annotations,
		},
		"spec": map[string]any{"initContainers": containers},
	})
	if err != nil {
		return err
	}
	_, err = pods.Patch(ctx, live.Name, types.StrategicMergePatchType, patch,
		metav1.PatchOptions{FieldManager: fieldManager})
	if err != nil {
		return fmt.Errorf("change images of pod %s: %w", live.Name, stale(err))
	}
	c.events.Eventf(rc, corev1.EventTypeNormal, "PodChanged", "changed the image of the agent in pod %s", live.Name)
	return nil
}

// label gives a pod the labels that it lacks.
func (c *PodControl) label(ctx context.Context, live *corev1.Pod, wanted map[string]string) error {
	if Labelled(live, wanted) {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": live.UID, "resourceVersion": live.ResourceVersion, "labels": wanted,
	}})
	if err != nil {
		return err
	}
	_, err = c.client.CoreV1().Pods(live.Namespace).Patch(ctx, live.Name, types.MergePatchType, patch,
		metav1.PatchOptions{FieldManager: fieldManager})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("label pod %s: %w", live.Name, stale(err))
	}
	return nil
}

// Labelled says whether an object has all of these labels.
func Labelled(obj metav1.Object, wanted map[string]string) bool {
	has := obj.GetLabels()
	for name, value := range wanted {
		if has[name] != value {
			return false
		}
	}
	return true
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

// DeleteLost deletes a pod whose host is gone for good, at once: nobody is there to stop it. The live Node is looked at
// first: one that is there, and in service, has a kubelet that may be running the pod (ErrStale).
func (c *PodControl) DeleteLost(ctx context.Context, rc *redisv1.RedisCluster, name string, uid types.UID) error {
	pods := c.client.CoreV1().Pods(rc.Namespace)
	live, err := pods.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("get pod %s: %w", name, err)
	}
	if live.UID != uid || !metav1.IsControlledBy(live, rc) {
		return fmt.Errorf("delete pod %s: %w: its UID is %s, not %s", name, ErrStale, live.UID, uid)
	}
	gone, err := c.HostGone(ctx, live.Spec.NodeName)
	if err != nil {
		return fmt.Errorf("delete pod %s: %w", name, err)
	}
	if !gone {
		return fmt.Errorf("delete pod %s: %w: its host %s is there", name, ErrStale, live.Spec.NodeName)
	}
	err = pods.Delete(ctx, name, metav1.DeleteOptions{
		Preconditions: preconditions(live), GracePeriodSeconds: new(int64(0)),
	})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("delete pod %s: %w", name, stale(err))
	}
	c.events.Eventf(rc, corev1.EventTypeNormal, "PodDeleted", "deleted pod %s, whose host %s is gone",
		name, live.Spec.NodeName)
	return nil
}

// HostGone says whether a Kubernetes node is gone for good: it was deleted, or is out of service. It asks the API
// server: a cache that has not heard of a new node would take it for gone.
func (c *PodControl) HostGone(ctx context.Context, host string) (bool, error) {
	if host == "" {
		return false, nil
	}
	node, err := c.client.CoreV1().Nodes().Get(ctx, host, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("get node %s: %w", host, err)
	}
	return OutOfService(node), nil
}

// OutOfService says whether somebody has said by the taint that is made for it that a node is off, and will not come
// back with what ran on it.
func OutOfService(node *corev1.Node) bool {
	says := func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeOutOfService }
	return slices.ContainsFunc(node.Spec.Taints, says)
}

// preconditions let a deletion pass only while the object is exactly what was looked at.
func preconditions(live metav1.Object) *metav1.Preconditions {
	return &metav1.Preconditions{UID: new(live.GetUID()), ResourceVersion: new(live.GetResourceVersion())}
}
