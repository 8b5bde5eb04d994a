package kube

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// Object is any object of Kubernetes.
type Object interface {
	metav1.Object
	runtime.Object
}

// checkOwner is nil when the object belongs to the cluster and stays. Identity is the owner's UID: a RedisCluster that
// was deleted and made again under its name is another one, and what it left is about to be collected.
func checkOwner(kind string, obj metav1.Object, rc *redisv1.RedisCluster) error {
	owner := metav1.GetControllerOf(obj)
	switch {
	case obj.GetDeletionTimestamp() != nil:
		return fmt.Errorf("%w: %s %s is being deleted", ErrStale, kind, obj.GetName())
	case owner == nil:
		return &ConflictError{Kind: kind, Name: obj.GetName()}
	case owner.UID == rc.UID:
		return nil
	case namesake(owner, rc):
		return fmt.Errorf("%w: %s %s of the former RedisCluster %s is about to be deleted",
			ErrStale, kind, obj.GetName(), rc.Name)
	default:
		return &ConflictError{Kind: kind, Name: obj.GetName(), Owner: owner.Kind + " " + owner.Name}
	}
}

// namesake says whether an owner is a former RedisCluster of the same name. Its objects are collected by Kubernetes.
func namesake(owner *metav1.OwnerReference, rc *redisv1.RedisCluster) bool {
	return owner.Kind == "RedisCluster" && owner.Name == rc.Name && owner.UID != rc.UID &&
		owner.APIVersion == redisv1.SchemeGroupVersion.String()
}
