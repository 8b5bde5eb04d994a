package kube

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// claimBelongs is nil when a volume claim was made for this very cluster. A claim that a deleted cluster of the same
// name left behind holds that one's data, and is never taken over by itself.
func claimBelongs(obj Object, rc *redisv1.RedisCluster) error {
	const kind = "PersistentVolumeClaim"
	uid, labelled := obj.GetLabels()[redisv1.LabelClusterUID]
	owner := metav1.GetControllerOf(obj)
	switch {
	case obj.GetDeletionTimestamp() != nil:
		return fmt.Errorf("%w: %s %s is being deleted", ErrStale, kind, obj.GetName())
	case uid == string(rc.UID):
		return nil
	case owner != nil && namesake(owner, rc):
		return checkOwner(kind, obj, rc)
	case !labelled:
		return &ConflictError{Kind: kind, Name: obj.GetName()}
	default:
		return fmt.Errorf("%s %s: %w: it was made for %s with UID %s; delete it, or restore from it under another name",
			kind, obj.GetName(), ErrVolumeConflict, obj.GetLabels()[redisv1.LabelCluster], uid)
	}
}

// unbound says whether a claim has no volume, and so no data.
func unbound(claim *corev1.PersistentVolumeClaim) bool {
	return claim.Spec.VolumeName == "" && (claim.Status.Phase == corev1.ClaimPending || claim.Status.Phase == "")
}

// replaceClaim deletes an unbound claim, so that the next look makes it as it is wanted now. A pod that waits for it is
// not scheduled yet, and finds the new one under the same name.
func (r target) replaceClaim(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	if err := r.delete(ctx, claim); err != nil && !apierrors.IsNotFound(err) {
		return wrap("delete", r.kind, claim.Name, stale(err))
	}
	return fmt.Errorf("%w: unbound %s %s was deleted to be made again", ErrStale, r.kind, claim.Name)
}

// withSpecOf is the wanted claim with the spec that the live one has: what is bound cannot be changed.
func withSpecOf(wanted Object, live *corev1.PersistentVolumeClaim) Object {
	claim, ok := wanted.(*corev1.PersistentVolumeClaim)
	if !ok {
		return wanted
	}
	claim = claim.DeepCopy()
	claim.Spec = corev1.PersistentVolumeClaimSpec{
		AccessModes:      live.Spec.AccessModes,
		Resources:        live.Spec.Resources,
		StorageClassName: live.Spec.StorageClassName,
		VolumeMode:       live.Spec.VolumeMode,
	}
	return claim
}
