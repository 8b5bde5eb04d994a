package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/labels"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/kube"
)

// growthRest is how long a claim is left alone that the API server did not let grow: its class may change meanwhile.
const growthRest = time.Minute

// volumes is what there is to say of a cluster's volume claims, beside what is on them.
type volumes struct {
	size    *resource.Quantity // the most that a bound claim asks for; nil where data does not outlive a pod
	refused []string           // what the API server says to claims that are to grow
}

// growVolumes has the claims of the cluster ask for the size of the spec, unless the cluster is to be left alone. What
// the API server refuses keeps nothing else from being done: it is told, and asked for again a while later.
func (c *Controller) growVolumes(ctx context.Context, t target) (volumes, error) {
	if t.rc.Spec.Storage.Type != redisv1.StoragePersistent {
		return volumes{}, nil
	}
	claims, err := c.claimsOf(t.rc)
	if err != nil {
		return volumes{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	v := volumes{size: new(resource.Quantity)}
	var failed error
	for _, claim := range claims {
		if claim.Status.Phase != corev1.ClaimBound {
			continue
		}
		has := claim.Spec.Resources.Requests.Storage()
		if has.Cmp(*v.size) > 0 {
			*v.size = *has
		}
		wanted := t.rc.Spec.Storage.Size
		if wanted == nil || has.Cmp(*wanted) >= 0 || t.rc.Spec.Paused || rehearsed(t.rc) {
			continue
		}
		refused, err := c.growVolume(ctx, t, claim)
		if failed = errors.Join(failed, err); refused != "" {
			v.refused = append(v.refused, refused)
		}
	}
	return v, failed
}

// growVolume has one claim grow, and gives what the API server refused it with, now or not long ago.
func (c *Controller) growVolume(
	ctx context.Context, t target, claim *corev1.PersistentVolumeClaim,
) (refused string, err error) {
	now := c.Clock.Now()
	last := t.ledger.growth[claim.Name]
	if now.Before(last.until) {
		return last.err.Error(), nil
	}
	err = c.Objects.Grow(ctx, t.rc, claim, *t.rc.Spec.Storage.Size)
	if growth, ok := errors.AsType[*kube.GrowthError](err); ok {
		t.ledger.growth[claim.Name] = failure{err: growth, until: now.Add(growthRest)}
		return growth.Error(), nil
	}
	return "", err
}

// resizeBound is how long a file system may take to grow under a pod that runs. Most drivers need seconds; one that
// cannot do it says the same for ever.
const resizeBound = 5 * time.Minute

// outgrown says that a pod's volume is larger by now than its file system, and will be until the pod is made anew. One
// that was made since is not asked for once more.
func (c *Controller) outgrown(pod *corev1.Pod, claim *corev1.PersistentVolumeClaim) bool {
	if !everStarted(pod) || claim == nil {
		return false
	}
	return slices.ContainsFunc(claim.Status.Conditions, func(p corev1.PersistentVolumeClaimCondition) bool {
		since := p.LastTransitionTime
		return p.Type == corev1.PersistentVolumeClaimFileSystemResizePending && p.Status == corev1.ConditionTrue &&
			pod.CreationTimestamp.Before(&since) && c.Clock.Since(since.Time) > resizeBound
	})
}

// claimOf is the claim of an ordinal; nil when there is none. It must not be changed.
func (c *Controller) claimOf(rc *redisv1.RedisCluster, ordinal int) *corev1.PersistentVolumeClaim {
	stores, err := c.stores(rc.Namespace)
	if err != nil || rc.Spec.Storage.Type != redisv1.StoragePersistent {
		return nil
	}
	claim, err := stores.Claims.PersistentVolumeClaims(rc.Namespace).Get(rc.ClaimName(ordinal))
	if err != nil {
		return nil
	}
	return claim
}

// claimsOf are the claims that this very RedisCluster has, by name. They must not be changed.
func (c *Controller) claimsOf(rc *redisv1.RedisCluster) ([]*corev1.PersistentVolumeClaim, error) {
	stores, err := c.stores(rc.Namespace)
	if err != nil {
		return nil, err
	}
	selector := labels.SelectorFromSet(labels.Set{redisv1.LabelClusterUID: string(rc.UID)})
	claims, err := stores.Claims.PersistentVolumeClaims(rc.Namespace).List(selector)
	if err != nil {
		return nil, fmt.Errorf("list volume claims: %w", err)
	}
	slices.SortFunc(claims, func(a, b *corev1.PersistentVolumeClaim) int { return strings.Compare(a.Name, b.Name) })
	return claims, nil
}

// adoptClaims takes over the claims that a deleted RedisCluster of the same name has left, also those that no pod is
// wanted for: the nodes of some shards may be on them.
func (c *Controller) adoptClaims(ctx context.Context, rc *redisv1.RedisCluster) error {
	if !rc.Spec.Storage.Adopt {
		return nil
	}
	stores, err := c.stores(rc.Namespace)
	if err != nil {
		return err
	}
	selector := labels.SelectorFromSet(labels.Set{redisv1.LabelCluster: rc.Name})
	claims, err := stores.Claims.PersistentVolumeClaims(rc.Namespace).List(selector)
	if err != nil {
		return fmt.Errorf("list volume claims: %w", err)
	}
	for _, claim := range claims {
		ordinal, err := strconv.Atoi(claim.Labels[redisv1.LabelOrdinal])
		if err != nil || claim.Name != rc.ClaimName(ordinal) || claim.Labels[redisv1.LabelClusterUID] == string(rc.UID) {
			continue
		}
		if err := c.ensureClaim(ctx, rc, ordinal); err != nil {
			return err
		}
	}
	return nil
}
