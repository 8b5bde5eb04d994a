package redisnode

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/golang/glog"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

const (
	handOverBound    = 10 * time.Second
	handOverInterval = 100 * time.Millisecond
)

// handOver gets the pod ready to stop: a primary gives its role to its best replica and waits until that has
// happened. It says what it did, for a person. Whatever that is, the pod may stop now.
func (a *Agent) handOver(ctx context.Context) string {
	a.gate.set(func() { a.gate.stopping = true })
	ctx, cancel := context.WithTimeout(ctx, handOverBound)
	defer cancel()
	start := a.opts.Clock.Now()
	a.remember(ctx, a.node.look(ctx)) // which file the data are in may have changed since the last look
	result := a.giveRole(ctx)
	if err := a.letEnd(ctx); err != nil {
		glog.Warningf("%s: %v", &a.opts, err)
	}
	glog.Infof("%s: hand-over: %s (%s)", &a.opts, result, a.opts.Clock.Since(start).Round(time.Millisecond))
	return result
}

func (a *Agent) giveRole(ctx context.Context) string {
	last := "no replica was found in time"
	for {
		look := a.node.look(ctx)
		if look.info == nil {
			return fmt.Sprintf("redis does not answer: %v", look.err)
		}
		self := look.info.Self()
		if self.Role != cluster.Primary || self.Slots.IsEmpty() {
			return "nothing to hand over"
		}
		replicas := a.heirs(ctx, look.info.Table)
		if len(replicas) == 0 {
			return "no replica is in sync: stopping without one"
		}
		for _, to := range replicas {
			err := a.peers.promote(ctx, to, self.ID, agent.PromoteManual, nil)
			if err != nil {
				last = fmt.Sprintf("%s does not take over: %v", to.Status.PodName, err)
				continue
			}
			if err := a.awaitRole(ctx, cluster.Replica); err != nil {
				return fmt.Sprintf("%s took over, and redis has not heard of it in time", to.Status.PodName)
			}
			return to.Status.PodName + " took over"
		}
		if pause(ctx, a.opts.Clock, handOverInterval) != nil {
			return last
		}
	}
}

// heirs are the replicas of this node that can take over without loss, the one that has most first. They are
// found by what they say of themselves.
func (a *Agent) heirs(ctx context.Context, table cluster.Table) []peer {
	self, _ := table.Self()
	found := a.peers.ask(ctx, addressesOfReplicas(table))
	found = slices.DeleteFunc(found, func(p peer) bool {
		s := p.Status
		return s.Stopping || s.Role != roleReplica || cluster.NodeID(s.PrimaryID) != self.ID || !s.LinkUp
	})
	slices.SortStableFunc(found, func(x, y peer) int { return cmp.Compare(y.Status.ReplOffset, x.Status.ReplOffset) })
	return found
}
