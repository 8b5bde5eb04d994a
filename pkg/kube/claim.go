package kube

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// claimBelongs is nil when a volume claim was made for this very cluster. A claim that a deleted cluster of the same
// name left behind holds that one's data, and is only taken over when the spec says so.
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
	case rc.Spec.Storage.Adopt && obj.GetLabels()[redisv1.LabelCluster] == rc.Name:
		return nil
	default:
		return fmt.Errorf("%s %s: %w: it was made for %s with UID %s; to go on with its data set spec.storage.adopt to"+
			" true, to begin anew delete it", kind, obj.GetName(), ErrVolumeConflict,
			obj.GetLabels()[redisv1.LabelCluster], uid)
	}
}

// Grow has a bound claim ask for as much as is wanted, when it asks for less. Where the API server does not let it,
// because its class does not allow that or a quota is used up, it is a *GrowthError.
func (c *ObjectControl) Grow(
	ctx context.Context, rc *redisv1.RedisCluster, claim *corev1.PersistentVolumeClaim, size resource.Quantity,
) error {
	r, err := c.target(claim)
	if err != nil {
		return err
	}
	obj, err := r.get(ctx, claim.Name)
	live, ok := obj.(*corev1.PersistentVolumeClaim)
	switch {
	case err != nil || !ok:
		return wrap("get", r.kind, claim.Name, err)
	case r.belongs(live, rc) != nil || unbound(live) || live.Spec.Resources.Requests.Storage().Cmp(size) >= 0:
		return nil //nolint:nilerr // it is as large by now, or not what was looked at
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": live.UID, "resourceVersion": live.ResourceVersion},
		"spec":     map[string]any{"resources": map[string]any{"requests": map[string]any{"storage": size.String()}}},
	})
	if err != nil {
		return err
	}
	err = r.patch(ctx, live.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	if apierrors.IsForbidden(err) || apierrors.IsInvalid(err) {
		return &GrowthError{
			Claim: live.Name, Class: ptr.Deref(live.Spec.StorageClassName, ""), Has: *live.Spec.Resources.Requests.Storage(),
			Wanted: size, cause: err,
		}
	}
	return wrap("grow", r.kind, live.Name, stale(err))
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

// DeleteClaim deletes exactly this claim of the cluster, once first has come to a good end: what uses the claim goes
// before it does, and stays where the claim could not follow. So the API server is asked beforehand whether it lets it
// go. Another claim under the name, and a change between the look and the deletion, are ErrStale.
func (c *ObjectControl) DeleteClaim(
	ctx context.Context, rc *redisv1.RedisCluster, claim *corev1.PersistentVolumeClaim, first func() error,
) error {
	r, err := c.target(claim)
	if err != nil {
		return err
	}
	live, err := r.get(ctx, claim.Name)
	if err == nil {
		err = r.belongs(live, rc)
	} else if apierrors.IsNotFound(err) {
		err = fmt.Errorf("%w: it is gone", ErrStale)
	}
	if err == nil && live.GetUID() != claim.UID {
		err = fmt.Errorf("%w: its UID is %s, not %s", ErrStale, live.GetUID(), claim.UID)
	}
	if err == nil {
		rehearsal := metav1.DeleteOptions{Preconditions: preconditions(live), DryRun: []string{metav1.DryRunAll}}
		err = r.remove(ctx, claim.Name, rehearsal)
	}
	if err != nil {
		return wrap("delete", r.kind, claim.Name, stale(err))
	}
	if err = first(); err != nil {
		return err
	}
	if err = r.delete(ctx, live); apierrors.IsNotFound(err) {
		return nil
	}
	return wrap("delete", r.kind, claim.Name, stale(err))
}

// withSpecOf is the wanted claim with the spec that the live one has: what is bound cannot be changed, but for its
// size, which Grow changes.
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
