package redisnode

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/golang/glog"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

const (
	// manualBound is what redis gives a manual failover.
	manualBound = 5 * time.Second
	// voteBound is short: a vote that fails is repeated by redis only after four node-timeouts.
	voteBound = time.Second
	// roleInterval is how often a role that is about to change is looked at.
	roleInterval = 10 * time.Millisecond
)

// Promote makes this node's redis the primary in place of the one that it follows, and returns when it is.
func (a *Agent) Promote(ctx context.Context, r agent.PromoteRequest) error {
	mode, bound, err := failover(r.Mode)
	if err != nil {
		return err
	}
	a.promoting.Lock()
	defer a.promoting.Unlock()
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	ready, err := a.promotable(ctx, r)
	if err != nil || !ready {
		return err
	}
	ep, err := a.endpoint()
	if err != nil {
		return err
	}
	if err := a.clients.Failover(ctx, ep, mode); err != nil && !errors.Is(err, redis.ErrNotReplica) {
		return err
	}
	if err := a.awaitRole(ctx, cluster.Primary); err != nil {
		return fmt.Errorf("%s failover: not primary after %s", r.Mode, bound)
	}
	glog.Infof("%s: took over from %s (%s)", &a.opts, cluster.NodeID(r.PrimaryID).Short(), r.Mode)
	return nil
}

func failover(mode agent.PromoteMode) (redis.FailoverMode, time.Duration, error) {
	switch mode {
	case agent.PromoteManual:
		return redis.Manual, manualBound, nil
	case agent.PromoteForce:
		return redis.Force, voteBound, nil
	case agent.PromoteTakeover:
		return redis.Takeover, voteBound, nil
	}
	return 0, 0, fmt.Errorf("mode %q is not known", mode)
}

// promotable says whether there is something to do, or why it must not be done.
func (a *Agent) promotable(ctx context.Context, r agent.PromoteRequest) (bool, error) {
	if a.gate.read().stopping {
		return false, errors.New("the pod is being stopped")
	}
	look := a.node.look(ctx)
	if look.info == nil {
		return false, fmt.Errorf("redis does not answer: %w", look.err)
	}
	self := look.info.Self()
	switch {
	case self.Role == cluster.Primary && !self.Slots.IsEmpty():
		return false, nil // It is done already.
	case self.Role != cluster.Replica:
		return false, errors.New("the node is no replica")
	case self.PrimaryID != cluster.NodeID(r.PrimaryID):
		return false, fmt.Errorf("the node follows %s", self.PrimaryID.Short())
	case look.info.Loading:
		return false, errors.New("the node loads its dataset")
	case r.Mode == agent.PromoteManual && !look.info.LinkUp:
		return false, errors.New("the node is not in sync")
	}
	return true, nil
}

// awaitRole waits until redis has the role, and slots when that is primary.
func (a *Agent) awaitRole(ctx context.Context, role cluster.Role) error {
	for {
		if look := a.node.look(ctx); look.info != nil {
			self := look.info.Self()
			if self.Role == role && (role == cluster.Replica || !self.Slots.IsEmpty()) {
				return nil
			}
		}
		if err := pause(ctx, a.opts.Clock, roleInterval); err != nil {
			return err
		}
	}
}

// Fence keeps redis from being started again.
func (a *Agent) Fence(context.Context, agent.FenceRequest) error {
	glog.Infof("%s: fenced", &a.opts)
	return a.state.change(func(r *record) { r.Fenced = true })
}

// Unfence lifts the fence.
func (a *Agent) Unfence(context.Context, agent.FenceRequest) error {
	glog.Infof("%s: not fenced any more", &a.opts)
	return a.state.change(func(r *record) { r.Fenced = false })
}
