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
	// manualBound is what redis gives a manual failover by vote, and what a primary is held for.
	manualBound = 5 * time.Second
	// voteBound is short: a vote that fails is repeated by redis only after four node-timeouts.
	voteBound = time.Second
	// takeBound leaves time to hear of slots that have moved.
	takeBound = 2 * time.Second
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
	start := a.opts.Clock.Now()
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	info, err := a.promotable(ctx, r)
	if err != nil || info == nil {
		return err
	}
	if mode == redis.Manual {
		info, err = a.takeByConsent(ctx, r, info)
	} else {
		info, err = a.takeAlone(ctx, r, info, mode)
	}
	if err != nil {
		return err
	}
	if err := a.awaitRole(ctx, cluster.Primary); err != nil {
		return fmt.Errorf("%s failover: not primary after %s", r.Mode, bound)
	}
	a.noteTakeOver(r, info.ReplOffset, start)
	return nil
}

// takeAlone has redis take over from a primary that is not asked, or by vote.
func (a *Agent) takeAlone(
	ctx context.Context, r agent.PromoteRequest, info *cluster.NodeInfo, mode redis.FailoverMode,
) (_ *cluster.NodeInfo, err error) {
	if mode == redis.Takeover || r.Death != nil {
		if info, err = a.learn(ctx, r, info); err != nil {
			return nil, err
		}
	}
	ep, err := a.endpoint()
	if err != nil {
		return nil, err
	}
	if mode == redis.Takeover {
		var leaving []redis.Leaving
		if leaving, err = leavingFrom(r.Death, info); err != nil {
			return nil, err
		}
		err = a.marked(a.clients.TakeOver(ctx, ep, leaving))
	} else {
		err = a.clients.Failover(ctx, ep, mode)
	}
	if err != nil && !errors.Is(err, redis.ErrNotReplica) {
		return nil, err
	}
	return info, nil
}

// noteTakeOver remembers what has been done, and what it has cost.
func (a *Agent) noteTakeOver(r agent.PromoteRequest, offset int64, start time.Time) {
	now := a.opts.Clock.Now()
	done := &agent.TakeOver{PrimaryID: r.PrimaryID, At: now, Mode: r.Mode, Millis: now.Sub(start).Milliseconds()}
	if r.Death != nil {
		done.Millis += r.Death.Millis
		done.OffsetGap = max(0, r.Death.Offset-offset)
	}
	a.lastTakeOver.Store(done)
	glog.Infof("%s: took over from %s (%s) within %d ms, %d bytes of its writes are missing", &a.opts,
		cluster.NodeID(r.PrimaryID).Short(), r.Mode, done.Millis, done.OffsetGap)
}

func failover(mode agent.PromoteMode) (redis.FailoverMode, time.Duration, error) {
	switch mode {
	case agent.PromoteManual:
		return redis.Manual, manualBound, nil
	case agent.PromoteForce:
		return redis.Force, voteBound, nil
	case agent.PromoteTakeover:
		return redis.Takeover, takeBound, nil
	}
	return 0, 0, fmt.Errorf("mode %q is not known", mode)
}

// promotable is what the node says, nil when there is nothing to do, or why it must not be done.
func (a *Agent) promotable(ctx context.Context, r agent.PromoteRequest) (*cluster.NodeInfo, error) {
	if a.gate.read().stopping {
		return nil, errors.New("the pod is being stopped")
	}
	look := a.node.look(ctx)
	if look.info == nil {
		return nil, fmt.Errorf("redis does not answer: %w", look.err)
	}
	self := look.info.Self()
	switch {
	case self.Role == cluster.Primary && !self.Slots.IsEmpty():
		return nil, nil // It is done already.
	case self.Role != cluster.Replica:
		return nil, errors.New("the node is no replica")
	case self.PrimaryID != cluster.NodeID(r.PrimaryID):
		return nil, fmt.Errorf("the node follows %s", self.PrimaryID.Short())
	case look.info.Loading:
		return nil, errors.New("the node loads its dataset")
	case r.Mode == agent.PromoteManual && !look.info.LinkUp:
		return nil, errors.New("the node is not in sync")
	}
	return look.info, nil
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

// unfenceByHand lifts the fence for a person, and says what came of it.
func (a *Agent) unfenceByHand(ctx context.Context) string {
	if !a.state.read().Fenced {
		return "the node is not fenced"
	}
	if err := a.Unfence(ctx, agent.FenceRequest{}); err != nil {
		return fmt.Sprintf("not fenced any more until the agent restarts: %v", err)
	}
	return "not fenced any more"
}

// Unfence lifts the fence.
func (a *Agent) Unfence(context.Context, agent.FenceRequest) error {
	glog.Infof("%s: not fenced any more", &a.opts)
	return a.state.change(func(r *record) { r.Fenced, r.Doubt = false, "" })
}
