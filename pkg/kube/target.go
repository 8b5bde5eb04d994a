package kube

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// target is the API of one kind in one namespace, without its type.
type target struct {
	apiVersion, kind string
	// belongs is nil when an object is the cluster's and stays.
	belongs func(obj Object, rc *redisv1.RedisCluster) error

	get    func(ctx context.Context, name string) (Object, error)
	create func(ctx context.Context, obj Object) error
	patch  func(ctx context.Context, name string, kind types.PatchType, data []byte, opts metav1.PatchOptions) error
	remove func(ctx context.Context, name string, opts metav1.DeleteOptions) error
}

// typedClient is what the clients of the generated clientset have in common.
type typedClient[T Object] interface {
	Get(ctx context.Context, name string, opts metav1.GetOptions) (T, error)
	Create(ctx context.Context, obj T, opts metav1.CreateOptions) (T, error)
	Patch(ctx context.Context, name string, pt types.PatchType, data []byte, opts metav1.PatchOptions,
		subresources ...string) (T, error)
	Delete(ctx context.Context, name string, opts metav1.DeleteOptions) error
}

// target finds the API for an object.
func (c *ObjectControl) target(obj Object) (target, error) {
	core, namespace := c.client.CoreV1(), obj.GetNamespace()
	switch obj.(type) {
	case *corev1.Service:
		return newTarget("v1", "Service", core.Services(namespace)), nil
	case *corev1.ConfigMap:
		return newTarget("v1", "ConfigMap", core.ConfigMaps(namespace)), nil
	case *corev1.ServiceAccount:
		return newTarget("v1", "ServiceAccount", core.ServiceAccounts(namespace)), nil
	case *policyv1.PodDisruptionBudget:
		budgets := c.client.PolicyV1().PodDisruptionBudgets(namespace)
		return newTarget("policy/v1", "PodDisruptionBudget", budgets), nil
	case *corev1.PersistentVolumeClaim:
		r := newTarget("v1", "PersistentVolumeClaim", core.PersistentVolumeClaims(namespace))
		r.belongs = claimBelongs
		return r, nil
	default:
		return target{}, fmt.Errorf("ensure %T: not a kind that the operator keeps", obj)
	}
}

func newTarget[T Object](apiVersion, kind string, client typedClient[T]) target {
	return target{
		apiVersion: apiVersion,
		kind:       kind,
		belongs: func(obj Object, rc *redisv1.RedisCluster) error {
			return checkOwner(kind, obj, rc)
		},
		get: func(ctx context.Context, name string) (Object, error) {
			return client.Get(ctx, name, metav1.GetOptions{})
		},
		create: func(ctx context.Context, obj Object) error {
			typed, ok := obj.(T)
			if !ok {
				return fmt.Errorf("a %T is not a %s", obj, kind)
			}
			_, err := client.Create(ctx, typed, metav1.CreateOptions{FieldManager: fieldManager})
			return err
		},
		patch: func(
			ctx context.Context, name string, pt types.PatchType, data []byte, opts metav1.PatchOptions,
		) error {
			_, err := client.Patch(ctx, name, pt, data, opts)
			return err
		},
		remove: client.Delete,
	}
}

// make creates the object. Who loses the race for a name looks again: whose object it is now decides.
func (r target) make(ctx context.Context, wanted Object) error {
	err := r.create(ctx, wanted)
	if apierrors.IsAlreadyExists(err) {
		err = fmt.Errorf("%w: %w", ErrStale, err)
	}
	return wrap("create", r.kind, wanted.GetName(), err)
}

// delete deletes exactly the object that was looked at.
func (r target) delete(ctx context.Context, live Object) error {
	return r.remove(ctx, live.GetName(), metav1.DeleteOptions{Preconditions: preconditions(live)})
}

// apply makes the live object what is wanted, by server-side apply. What the operator set before and does not want any
// more is taken away; what others set stays.
//
// Objects are made by create and not by apply, because only create refuses when somebody else was faster. So the
// fields that create set are first moved to the manager of apply: it removes only what it owns.
func (r target) apply(ctx context.Context, wanted, live Object) error {
	move, err := csaupgrade.UpgradeManagedFieldsPatch(live, sets.New(fieldManager), fieldManager)
	if err != nil {
		return err
	}
	if move != nil {
		opts := metav1.PatchOptions{FieldManager: fieldManager}
		if err = r.patch(ctx, live.GetName(), types.JSONPatchType, move, opts); err != nil {
			return err
		}
	}
	body, err := r.applyBody(wanted, live)
	if err != nil {
		return err
	}
	opts := metav1.PatchOptions{FieldManager: fieldManager, Force: new(true)}
	return r.patch(ctx, live.GetName(), types.ApplyPatchType, body, opts)
}

// applyBody is the wanted object as the API takes it. It names the UID of the live object, so that one made by somebody
// else under the same name in the meantime is not overwritten.
func (r target) applyBody(wanted, live Object) ([]byte, error) {
	if claim, ok := live.(*corev1.PersistentVolumeClaim); ok {
		wanted = withSpecOf(wanted, claim)
	}
	tree, err := runtime.DefaultUnstructuredConverter.ToUnstructured(wanted)
	if err != nil {
		return nil, err
	}
	tree["apiVersion"], tree["kind"] = r.apiVersion, r.kind
	delete(tree, "status")
	if metadata, ok := tree["metadata"].(map[string]any); ok {
		delete(metadata, "creationTimestamp")
		metadata["uid"] = string(live.GetUID())
	}
	return json.Marshal(tree)
}
