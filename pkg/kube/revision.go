package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
)

// RevisionControl keeps the history of clusters in ControllerRevisions.
type RevisionControl struct {
	client kubernetes.Interface
}

// NewRevisionControl makes a RevisionControl.
func NewRevisionControl(client kubernetes.Interface) *RevisionControl {
	return &RevisionControl{client: client}
}

// Keep makes the wanted revision the newest of the cluster's, which the cache has: it gets the next number, be it there
// already or not. Of more than the limit the oldest goes. When that is so already, nothing is sent to the API server.
func (c *RevisionControl) Keep(
	ctx context.Context, rc *redisv1.RedisCluster, wanted *appsv1.ControllerRevision,
	cached []*appsv1.ControllerRevision, limit int,
) error {
	history := slices.DeleteFunc(slices.Clone(cached), func(r *appsv1.ControllerRevision) bool {
		return !metav1.IsControlledBy(r, rc)
	})
	slices.SortFunc(history, func(a, b *appsv1.ControllerRevision) int { return int(a.Revision - b.Revision) })
	var newest int64
	if len(history) > 0 {
		newest = history[len(history)-1].Revision
	}
	at := slices.IndexFunc(history, func(r *appsv1.ControllerRevision) bool { return r.Name == wanted.Name })
	switch {
	case at < 0:
		made := wanted.DeepCopy()
		made.Revision = newest + 1
		return c.create(ctx, made)
	case history[at].Revision < newest:
		return c.renumber(ctx, history[at], newest+1)
	case len(history) > limit:
		return c.remove(ctx, history[0])
	}
	return nil
}

// create makes a revision. One of that name is news that the cache does not have yet, or a namesake's that is going.
func (c *RevisionControl) create(ctx context.Context, revision *appsv1.ControllerRevision) error {
	_, err := c.client.AppsV1().ControllerRevisions(revision.Namespace).Create(ctx, revision,
		metav1.CreateOptions{FieldManager: fieldManager})
	if apierrors.IsAlreadyExists(err) {
		err = fmt.Errorf("%w: %w", ErrStale, err)
	}
	return wrap("create", "ControllerRevision", revision.Name, err)
}

// renumber makes a revision that is there the newest: what it keeps cannot be changed, its number can.
func (c *RevisionControl) renumber(ctx context.Context, revision *appsv1.ControllerRevision, number int64) error {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": revision.UID, "resourceVersion": revision.ResourceVersion},
		"revision": number,
	})
	if err != nil {
		return err
	}
	_, err = c.client.AppsV1().ControllerRevisions(revision.Namespace).Patch(ctx, revision.Name, types.MergePatchType,
		patch, metav1.PatchOptions{FieldManager: fieldManager})
	return wrap("patch", "ControllerRevision", revision.Name, stale(err))
}

func (c *RevisionControl) remove(ctx context.Context, revision *appsv1.ControllerRevision) error {
	err := c.client.AppsV1().ControllerRevisions(revision.Namespace).Delete(ctx, revision.Name,
		metav1.DeleteOptions{Preconditions: preconditions(revision)})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return wrap("remove", "ControllerRevision", revision.Name, stale(err))
}
