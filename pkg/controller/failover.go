package controller

import (
	"context"
	"fmt"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/cluster/plan"
	"github.com/redisoperator/redis-operator/pkg/kube"
	"github.com/redisoperator/redis-operator/pkg/objects"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

// failover has a replica take its primary's place. The replica is asked again at the last moment: a link that is up is
// a primary that lives, and one that is down cannot hand over.
func (c *Controller) failover(ctx context.Context, t target, s plan.Failover) error {
	m, err := t.seen(s.Pod)
	if err != nil {
		return err
	}
	ep := endpoint(m.Pod.IP, t.access)
	now := c.Redis.ObserveAll(ctx, []redis.Endpoint{ep})[0]
	if now.Err != nil {
		return now.Err
	}
	self := now.Info.Self()
	switch {
	case self.ID != s.Node:
		return fmt.Errorf("promote %s: %w: it has node %s by now", s.Pod, kube.ErrStale, self.ID.Short())
	case self.Role == cluster.Primary:
		return nil
	case self.PrimaryID != s.Primary:
		return fmt.Errorf("promote %s: %w: it follows node %s by now", s.Pod, kube.ErrStale, self.PrimaryID.Short())
	case s.Mode == plan.TakeOver && now.Info.LinkUp && now.Info.LinkSilent <= objects.NodeTimeout(t.rc):
		return fmt.Errorf("promote %s: %w: its primary is there", s.Pod, kube.ErrStale)
	case s.Mode == plan.HandOver && !now.Info.LinkUp:
		return fmt.Errorf("promote %s: %w: it is not in sync", s.Pod, kube.ErrStale)
	case !t.view.Claimed(s.Primary):
		return c.Redis.Failover(ctx, ep, redis.Takeover) // its agent would wait for slots that it does not get
	}
	return t.order(ctx, m, s)
}

// order has the replica's agent see to it: it waits for the role to change, and refuses an operator whose time is over.
func (t target) order(ctx context.Context, m cluster.Member, s plan.Failover) error {
	mode := agent.PromoteTakeover
	if s.Mode == plan.HandOver {
		mode = agent.PromoteManual
	}
	err := t.access.agents.Promote(ctx, m.Pod.IP, agent.PromoteRequest{
		Order: t.orderFor(m), Mode: mode, PrimaryID: string(s.Primary),
	})
	if err != nil {
		return fmt.Errorf("promote %s: %w", s.Pod, err)
	}
	return nil
}
