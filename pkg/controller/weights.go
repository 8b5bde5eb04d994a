package controller

import (
	"context"
	"fmt"
	"sync"
	"time"

	redisv1 "github.com/redisoperator/redis-operator/pkg/apis/redis/v1"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

const (
	// weightsAge is how old measured weights may get: measuring asks every master about every slot.
	weightsAge = time.Minute
	// weightsTimeout bounds one measurement. A node that hangs must not keep others from being healed.
	weightsTimeout = 5 * time.Second
)

// weigh adds to the view what each slot weighs, where shares are counted in bytes. While slots move they keep the
// weights that they began with: who gets what must not change under way. Weights that cannot be measured again are
// the former ones, and where there are none, slots do not move.
func (c *Controller) weigh(ctx context.Context, rc *redisv1.RedisCluster, a access, view *cluster.View) {
	l := c.ledgers.of(rc)
	l.unmeasured = nil
	if rc.Spec.Migration.Balance != redisv1.BalanceBytes || !view.Served() {
		return
	}
	now := c.Clock.Now()
	if l.weights == nil || rc.Status.Migration == nil && now.Sub(l.measured) >= weightsAge {
		weights, err := c.measure(ctx, a, *view)
		l.measured = now
		if err != nil {
			l.unmeasured = err
		} else {
			l.weights = weights
		}
	}
	view.Weights = l.weights
}

// measure asks every owner of slots, at the same time, what they hold.
func (c *Controller) measure(ctx context.Context, a access, view cluster.View) (*cluster.Weights, error) {
	ctx, cancel := context.WithTimeout(ctx, weightsTimeout)
	defer cancel()
	var mu sync.Mutex
	weights := new(cluster.Weights)
	err := each(ctx, view.Shards(), func(ctx context.Context, s cluster.Shard) error {
		loads, err := c.Slots.SlotLoads(ctx, endpoint(s.Primary.Pod.IP, a), s.Slots)
		if err != nil {
			return fmt.Errorf("measure the slots of %s: %w", s.Primary.Pod.Name, err)
		}
		mu.Lock()
		defer mu.Unlock()
		for slot, load := range loads {
			weights[slot] += max(0, load.Bytes)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return weights, nil
}
