package kube

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// Why the API server itself refuses a resize, as its admission plugin PodResizeValidator says it.
const (
	causeNodeCapacity metav1.CauseType = "NodeCapacity" // more than the host can ever give
	causePlatform     metav1.CauseType = "UnsupportedPlatform"
)

// subResize is where the API server takes other resources for a running pod, from Kubernetes 1.33 on.
const subResize = "resize"

// ServesResize asks whether the API server takes other resources for running pods.
func ServesResize(api discovery.ServerResourcesInterface) (bool, error) {
	served, err := api.ServerResourcesForGroupVersion(corev1.SchemeGroupVersion.String())
	if err != nil {
		return false, fmt.Errorf("ask the API server for its resources: %w", err)
	}
	for i := range served.APIResources {
		if served.APIResources[i].Name == "pods/"+subResize {
			return true, nil
		}
	}
	return false, nil
}

// Resize first gives a running pod the annotations of the wanted one, or takes away those that are empty, and then has
// its kubelet give its containers other resources. Of the wanted pod only these, the name and the UID are looked at. ok
// is asked about the live pod: the caller's view is already past. A refusal by ok, another pod under the name, and a
// change between the look and the write are ErrStale. What the API server does not take is ErrNotResizable.
func (c *PodControl) Resize(
	ctx context.Context, rc *redisv1.RedisCluster, wanted *corev1.Pod, ok func(*corev1.Pod) error,
) error {
	live, err := c.client.CoreV1().Pods(wanted.Namespace).Get(ctx, wanted.Name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("get pod %s: %w", wanted.Name, stale(err))
	}
	if err = checkOwner("Pod", live, rc); err != nil {
		return err
	}
	if live.UID != wanted.UID {
		return fmt.Errorf("resize pod %s: %w: its UID is %s, not %s", live.Name, ErrStale, live.UID, wanted.UID)
	}
	if err = ok(live); err != nil {
		return fmt.Errorf("resize pod %s: %w: %w", live.Name, ErrStale, err)
	}
	if live, err = c.annotate(ctx, live, wanted.Annotations); err != nil || len(wanted.Spec.Containers) == 0 {
		return err
	}
	containers := make([]map[string]any, len(wanted.Spec.Containers))
	for i := range wanted.Spec.Containers {
		w := &wanted.Spec.Containers[i]
		containers[i] = map[string]any{"name": w.Name, "resources": w.Resources}
	}
	_, err = c.patch(ctx, live, types.StrategicMergePatchType, map[string]any{
		"spec": map[string]any{"containers": containers},
	}, subResize)
	switch {
	case notResizable(err):
		return fmt.Errorf("resize pod %s: %w: %w", live.Name, ErrNotResizable, err)
	case err != nil:
		return fmt.Errorf("resize pod %s: %w", live.Name, stale(err))
	}
	c.events.Eventf(rc, corev1.EventTypeNormal, "PodChanged", "asked for other resources for pod %s", live.Name)
	return nil
}

// notResizable says that an answer of the API server is about this pod, where it runs: another one may have what it is
// to have. A quota is not (Forbidden without a cause): a pod that is made anew would meet it, too.
func notResizable(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsMethodNotSupported(err) ||
		apierrors.HasStatusCause(err, causeNodeCapacity) || apierrors.HasStatusCause(err, causePlatform)
}

// annotate gives a pod these annotations, and takes away those that are empty. It is the pod as it is then.
func (c *PodControl) annotate(ctx context.Context, live *corev1.Pod, wanted map[string]string) (*corev1.Pod, error) {
	changes := map[string]any{}
	for name, value := range wanted {
		has, set := live.Annotations[name]
		switch {
		case value == "" && set:
			changes[name] = nil
		case has != value:
			changes[name] = value
		}
	}
	if len(changes) == 0 {
		return live, nil
	}
	now, err := c.patch(ctx, live, types.MergePatchType, map[string]any{
		"metadata": map[string]any{"annotations": changes},
	})
	if err != nil {
		return nil, fmt.Errorf("annotate pod %s: %w", live.Name, stale(err))
	}
	return now, nil
}

// patch changes a pod, or a subresource of it, that is still what was looked at.
func (c *PodControl) patch(
	ctx context.Context, live *corev1.Pod, kind types.PatchType, changes map[string]any, subresources ...string,
) (*corev1.Pod, error) {
	metadata, _ := changes["metadata"].(map[string]any)
	if metadata == nil {
		metadata = map[string]any{}
		changes["metadata"] = metadata
	}
	metadata["uid"], metadata["resourceVersion"] = live.UID, live.ResourceVersion
	patch, err := json.Marshal(changes)
	if err != nil {
		return nil, err
	}
	return c.client.CoreV1().Pods(live.Namespace).Patch(ctx, live.Name, kind, patch,
		metav1.PatchOptions{FieldManager: fieldManager}, subresources...)
}
