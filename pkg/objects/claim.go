package objects

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// NewClaim is the volume claim of the pod with this ordinal; nil when the storage is ephemeral. It is owned by the
// cluster only when it is to go with it. The cluster's UID in its labels tells whose data a claim that stays holds.
func NewClaim(rc *redisv1.RedisCluster, ordinal int) *corev1.PersistentVolumeClaim {
	if rc.Spec.Storage.Type != redisv1.StoragePersistent {
		return nil
	}
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{
			Name:      rc.ClaimName(ordinal),
			Namespace: rc.Namespace,
			Labels:    ordinalLabels(rc, ordinal),
		},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			StorageClassName: rc.Spec.Storage.StorageClassName,
			VolumeMode:       new(corev1.PersistentVolumeFilesystem),
		},
	}
	if rc.Spec.Storage.Retention == redisv1.RetentionDelete {
		claim.OwnerReferences = []metav1.OwnerReference{ownerReference(rc)}
	}
	if size := rc.Spec.Storage.Size; size != nil {
		claim.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: size.DeepCopy()}
	}
	return claim
}
