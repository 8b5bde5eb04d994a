package controller

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/cache"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
)

// sync brings one RedisCluster one step closer to its spec, and says when to look again; 0: at the next event.
func (c *Controller) sync(ctx context.Context, key cache.ObjectName) (time.Duration, error) {
	rc, err := c.load(key)
	if rc == nil || err != nil {
		return 0, err
	}
	a, err := c.ensure(ctx, rc)
	if err != nil {
		return 0, errors.Join(err, c.report(ctx, rc, outcome{err: err}))
	}
	view, err := c.observe(ctx, rc, a)
	if err != nil {
		return 0, errors.Join(err, c.report(ctx, rc, outcome{err: err}))
	}
	decision := plan.Next(wanted(rc), view)
	err = c.act(ctx, target{rc, view, a}, decision)
	return decision.Requeue, errors.Join(err, c.report(ctx, rc, outcome{view, true, decision, err}))
}

// load is the RedisCluster as the cache has it, with defaults, to change at will; nil when it is gone or going.
func (c *Controller) load(key cache.ObjectName) (*redisv1.RedisCluster, error) {
	stores, err := c.stores(key.Namespace)
	if err != nil {
		return nil, err
	}
	cached, err := stores.Clusters.RedisClusters(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		c.agents.forget(key)
		return nil, nil
	}
	if err != nil || cached.DeletionTimestamp != nil {
		return nil, err
	}
	rc := cached.DeepCopy()
	redisv1.SetDefaults(rc)
	return rc, nil
}

// report writes the status, once, if it says anything new, and tells what changed.
func (c *Controller) report(ctx context.Context, rc *redisv1.RedisCluster, o outcome) error {
	next := statusOf(rc, o, c.Clock.Now())
	if err := c.Status.Update(ctx, rc, next); err != nil {
		return err
	}
	c.Events.Conditions(rc, next)
	return nil
}
