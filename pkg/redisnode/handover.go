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
	// inFlight is how long a slot that changes hands at this moment may take to arrive at its new owner.
	inFlight = 200 * time.Millisecond
)

// handOver gets the pod ready to stop: a primary gives its role to its best replica and waits until that has
// happened. It says what it did, for a person. Whatever that is, the pod may stop now.
func (a *Agent) handOver(ctx context.Context) string {
	a.gate.set(func() { a.gate.stopping = true })
	ctx, cancel := context.WithTimeout(ctx, handOverBound)
	defer cancel()
	start := a.opts.Clock.Now()
	result := a.giveRole(ctx)
	glog.Infof("%s: hand-over: %s (%s)", &a.opts, result, a.opts.Clock.Since(start).Round(time.Millisecond))
	return result
}

func (a *Agent) giveRole(ctx context.Context) string {
	last := "no replica was found in time"
	held, resume := a.holdSlots(ctx)
	defer resume()
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
			err := a.peers.promote(ctx, to, self.ID, agent.PromoteManual, reignOf(self, held))
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

// holdSlots has a primary with slots on their way to another let no more of them go: who moves them asks it, by a
// command that may write, before each change of hands. A replica that took over without having heard of one would take
// the slot back, and its new owner would delete the keys. It says whether there are any, and gives what lets them go.
func (a *Agent) holdSlots(ctx context.Context) (held bool, resume func()) {
	look := a.node.look(ctx)
	if look.info == nil || len(look.info.Self().Open) == 0 {
		return false, func() {}
	}
	ep, err := a.endpoint()
	if err == nil {
		err = a.clients.PauseWrites(ctx, ep, handOverBound)
	}
	if err != nil {
		glog.Warningf("%s: slots are on their way, and are not held: %v", &a.opts, err)
		return true, func() {}
	}
	_ = pause(ctx, a.opts.Clock, inFlight) // what is late by then is the replica's to find out: see learn
	return true, func() {
		if err := a.clients.ResumeWrites(context.WithoutCancel(ctx), ep); err != nil {
			glog.Warningf("%s: %v", &a.opts, err)
		}
	}
}

// reignOf is what the replica has to have heard of; nil when no slot is on its way.
func reignOf(self cluster.Node, held bool) *agent.Death {
	if !held {
		return nil
	}
	return deathOf(self)
}

// heirs are the replicas of this node that can take over without loss, the one that has most first. They are
// found by what they say of themselves.
func (a *Agent) heirs(ctx context.Context, table cluster.Table) []peer {
	self, _ := table.Self()
	var known []string
	for _, n := range table {
		if n.PrimaryID == self.ID {
			known = append(known, n.Addr.IP)
		}
	}
	found := a.peers.ask(ctx, known)
	found = slices.DeleteFunc(found, func(p peer) bool {
		s := p.Status
		return s.Stopping || s.Role != roleReplica || cluster.NodeID(s.PrimaryID) != self.ID || !s.LinkUp
	})
	slices.SortStableFunc(found, func(x, y peer) int { return cmp.Compare(y.Status.ReplOffset, x.Status.ReplOffset) })
	return found
}
