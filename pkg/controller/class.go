package controller

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/kube"
)

// classOf is of which StorageClass the volume of a claim is, and is to be. One that is not bound yet is made anew by
// itself: see ensureClaims.
func classOf(rc *redisv1.RedisCluster, claim *corev1.PersistentVolumeClaim) cluster.Class {
	if claim == nil || claim.Spec.VolumeName == "" {
		return cluster.Class{}
	}
	has := ptr.Deref(claim.Spec.StorageClassName, "")
	return cluster.Class{Has: has, Wants: ptr.Deref(rc.Spec.Storage.StorageClassName, has)}
}

// deleteWithVolume deletes the pod of a replica, and then the claim of its volume, which is of another class than the
// spec's. The claim is gone for good once the pod is: until then Kubernetes keeps it. An operator that is killed
// between the two leaves a pod that comes back to its volume, and is replaced once more. Where somebody else has
// deleted the pod nobody was asked what it holds: its volume stays.
func (c *Controller) deleteWithVolume(
	ctx context.Context, t target, s plan.DeletePod, unneeded func(*corev1.Pod) error,
) error {
	m, err := t.seen(s.Pod)
	if err != nil {
		return err
	}
	claim := c.claimOf(t.rc, m.Pod.Ordinal)
	class := classOf(t.rc, claim)
	if !class.Changes() || s.Primary == "" {
		return fmt.Errorf("delete pod %s with its volume: %w: that is of class %q by now", s.Pod, kube.ErrStale, class.Has)
	}
	err = c.Objects.DeleteClaim(ctx, t.rc, claim, func() error {
		asked := false
		deleted := c.Pods.Delete(ctx, t.rc, s.Pod, types.UID(s.UID), func(live *corev1.Pod) error {
			asked = true
			return unneeded(live)
		})
		if deleted == nil && !asked {
			return fmt.Errorf("delete the volume of pod %s: %w: somebody else has deleted the pod", s.Pod, kube.ErrStale)
		}
		return deleted
	})
	if err != nil {
		return err
	}
	c.Events.Step(t.rc, redisv1.EventClaimDeleted, fmt.Sprintf(
		"deleted volume claim %s of class %q: the next one is of class %q", claim.Name, class.Has, class.Wants))
	return nil
}
