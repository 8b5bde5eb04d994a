package kube

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/client/clientset/versioned"
)

// StatusUpdater writes the status of RedisClusters.
type StatusUpdater struct {
	client versioned.Interface
}

// NewStatusUpdater makes a StatusUpdater.
func NewStatusUpdater(client versioned.Interface) *StatusUpdater {
	return &StatusUpdater{client: client}
}

// Update writes the status when it differs from the one that rc has, and changes nothing of rc. It returns what the API
// server has by then; nil when nothing was written. A RedisCluster that is gone needs no status. One that has changed
// since rc was read is ErrStale: the next look makes another status.
func (u *StatusUpdater) Update(
	ctx context.Context, rc *redisv1.RedisCluster, status redisv1.RedisClusterStatus,
) (*redisv1.RedisCluster, error) {
	if equality.Semantic.DeepEqual(rc.Status, status) {
		return nil, nil
	}
	updated := rc.DeepCopy()
	updated.Status = status
	written, err := u.client.RedisoperatorV1().RedisClusters(rc.Namespace).
		UpdateStatus(ctx, updated, metav1.UpdateOptions{FieldManager: fieldManager})
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("update status: %w", stale(err))
	}
	return written, nil
}
