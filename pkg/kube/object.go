package kube

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// fieldManager is the operator in the managed fields of what it writes.
const fieldManager = "redis-operator"

// Getter reads an object of one kind and namespace from a cache.
type Getter func(name string) (Object, error)

// From makes a Getter of a lister: From(lister.Services(namespace)).
func From[T Object](lister interface{ Get(name string) (T, error) }) Getter {
	return func(name string) (Object, error) { return lister.Get(name) }
}

// ObjectControl keeps objects as they are wanted: Services, ConfigMaps, ServiceAccounts, PodDisruptionBudgets and
// PersistentVolumeClaims.
type ObjectControl struct {
	client kubernetes.Interface
}

// NewObjectControl makes an ObjectControl.
func NewObjectControl(client kubernetes.Interface) *ObjectControl {
	return &ObjectControl{client: client}
}

// Ensure makes the object of the cluster what is wanted. When the cache shows that it is, nothing is sent to the API
// server. Otherwise the live object decides: a missing one is created, one of the cluster's is changed by server-side
// apply, so that what others have added to it stays; one of somebody else's is a *ConflictError and stays as it is.
//
// A volume claim is the cluster's by the UID in its labels, because it may outlive its owner; one with the data of
// another cluster is ErrVolumeConflict, unless the spec adopts it. An unbound claim that is to be different is deleted
// to be made again (ErrStale: look again), since a claim cannot be changed; a bound one keeps its class, and its size
// until Grow.
func (c *ObjectControl) Ensure(ctx context.Context, rc *redisv1.RedisCluster, wanted Object, cached Getter) error {
	r, err := c.target(wanted)
	if err != nil {
		return err
	}
	wanted, err = stamped(wanted)
	if err != nil {
		return err
	}
	name := wanted.GetName()
	current, err := cached(name)
	switch {
	case err == nil && r.belongs(current, rc) == nil && upToDate(wanted, current):
		return nil
	case err != nil && !apierrors.IsNotFound(err):
		return wrap("read from the cache", r.kind, name, err)
	}
	live, err := r.get(ctx, name)
	if apierrors.IsNotFound(err) {
		return r.make(ctx, wanted)
	}
	if err != nil {
		return wrap("get", r.kind, name, err)
	}
	if err = r.belongs(live, rc); err != nil {
		return err
	}
	return r.change(ctx, wanted, live)
}

// change makes the live object what is wanted, if it is not.
func (r target) change(ctx context.Context, wanted, live Object) error {
	if upToDate(wanted, live) {
		return nil
	}
	if claim, ok := live.(*corev1.PersistentVolumeClaim); ok && unbound(claim) {
		return r.replaceClaim(ctx, claim)
	}
	return wrap("apply", r.kind, live.GetName(), stale(r.apply(ctx, wanted, live)))
}

// Remove deletes the cluster's object of this kind and name, when there is one. What is somebody else's stays.
func (c *ObjectControl) Remove(ctx context.Context, rc *redisv1.RedisCluster, unwanted Object, cached Getter) error {
	r, err := c.target(unwanted)
	if err != nil {
		return err
	}
	name := unwanted.GetName()
	if _, err = cached(name); apierrors.IsNotFound(err) {
		return nil
	}
	live, err := r.get(ctx, name)
	if err == nil {
		if r.belongs(live, rc) != nil {
			return nil //nolint:nilerr // It is not the cluster's: there is nothing to remove.
		}
		err = r.delete(ctx, live)
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	return wrap("remove", r.kind, name, stale(err))
}

func wrap(verb, kind, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s %s: %w", verb, kind, name, err)
}
