package redisnode

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/golang/glog"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

const (
	// takeOverBound is how long the replicas of a primary that died are asked. Redis may start again after it, as
	// what it was.
	takeOverBound = 3 * time.Second
	// guardInterval is how often the guard looks for a redis that does not run.
	guardInterval = 100 * time.Millisecond
)

// guard keeps a connection to the pod's redis, which breaks at the moment that the process dies. When a new one is
// refused, nobody listens on the socket any more: the process is dead, which is proven and not only suspected. The
// best copy of a primary that died takes over at once, without a vote; a vote comes after the node-timeout only.
func (a *Agent) guard(ctx context.Context) {
	for ctx.Err() == nil {
		if ep, err := a.endpoint(); err == nil {
			if err := a.clients.Watch(ctx, ep); !errors.Is(err, redis.ErrRefused) {
				a.lived.Store(true)
			}
			a.settleDeath(ctx)
		}
		if pause(ctx, a.opts.Clock, guardInterval) != nil {
			return
		}
	}
}

// settleDeath does what there is to be done about a redis that has lived and is dead, once. The guard calls it, and the
// gate: the container may be started again before the guard has seen that it was dead.
func (a *Agent) settleDeath(ctx context.Context) {
	a.settling.Lock()
	defer a.settling.Unlock()
	if !a.lived.Load() {
		return
	}
	if ep, err := a.endpoint(); err == nil && a.proveDeath(ctx, ep) {
		a.lived.Store(false)
		a.takeOver(ctx)
	}
}

// proveDeath says whether nobody listens where redis did.
func (a *Agent) proveDeath(ctx context.Context, ep redis.Endpoint) bool {
	_, err := a.clients.Ping(ctx, ep)
	return ctx.Err() == nil && errors.Is(err, redis.ErrRefused)
}

// takeOver has the best synced replica of this node's dead redis take its place. Until that is done, or cannot be, the
// gate stays shut: redis then starts as a replica. Without a synced replica it starts as what it was, with its data;
// also when the ConfigMap says so, and there are data.
func (a *Agent) takeOver(ctx context.Context) {
	last := a.gate.recall()
	self, ok := last.table.Self()
	if !ok || self.Role != cluster.Primary || self.Slots.IsEmpty() {
		return
	}
	if last.restarts && last.hasData {
		glog.Infof("%s: redis died as the primary of slots %s: it starts again with its data, as spec.recovery.crash says",
			&a.opts, self.Slots)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, takeOverBound)
	defer cancel()
	start := a.opts.Clock.Now()
	if len(self.Open) > 0 {
		// Some may be changing hands: who takes over has to hear of it first.
		_ = pause(ctx, a.opts.Clock, inFlight)
	}
	result := a.giveSlots(ctx, last, start)
	glog.Infof("%s: redis died as the primary of slots %s: %s (%s)", &a.opts, self.Slots, result,
		a.opts.Clock.Since(start).Round(time.Millisecond))
}

// giveSlots asks one copy after the other, the one that has most first, and says what came of it.
func (a *Agent) giveSlots(ctx context.Context, died saved, start time.Time) string {
	self, _ := died.table.Self()
	last := "no replica is in sync and gets what is written: it starts again with what it has"
	for _, to := range a.copies(ctx, died) {
		death := deathOf(self)
		death.Offset = a.node.lastOffset()
		death.Millis = a.opts.Clock.Since(start).Milliseconds()
		err := a.peers.promote(ctx, to, self.ID, agent.PromoteTakeover, death)
		if err == nil {
			return to.Status.PodName + " took over"
		}
		last = fmt.Sprintf("%s does not take over: %v", to.Status.PodName, err)
	}
	return last
}

// deathOf is what a node that does not run says of itself, from its nodes.conf.
func deathOf(self cluster.Node) *agent.Death {
	return &agent.Death{Slots: self.Slots.String(), Epoch: self.ConfigEpoch, Leaving: leavingOf(self)}
}

// mayFollow says whether a node may be a replica of another by a table. That it is one comes with its next ping, which
// may be seconds after its link is up: until then it is there as a primary without slots.
func mayFollow(n cluster.Node, primary cluster.NodeID) bool {
	return n.PrimaryID == primary || n.ID != primary && n.Role == cluster.Primary && n.Slots.IsEmpty()
}

// addressesOfReplicas are those of the nodes that may follow the table's own. Who does, says so itself.
func addressesOfReplicas(table cluster.Table) []string {
	self, _ := table.Self()
	var known []string
	for _, n := range table {
		if mayFollow(n, self.ID) && n.Addr.IP != "" {
			known = append(known, n.Addr.IP)
		}
	}
	return known
}

// copies are the replicas of this node, which is dead, that had followed it to its end. One that may not have been sent
// yet what was written last, or that lacks what was written before that, counts only where it is nowhere else: an
// append-only file has it.
func (a *Agent) copies(ctx context.Context, died saved) []peer {
	self, _ := died.table.Self()
	due := a.node.dueOffset()
	found := slices.DeleteFunc(a.peers.ask(ctx, addressesOfReplicas(died.table)), func(p peer) bool {
		s := p.Status
		follows := s.Role == roleReplica && cluster.NodeID(s.PrimaryID) == self.ID
		lacks := s.Fresh || s.ReplOffset < due
		return s.Stopping || !follows || !s.Synced || lacks && died.hasLog
	})
	slices.SortStableFunc(found, func(x, y peer) int { return cmp.Compare(y.Status.ReplOffset, x.Status.ReplOffset) })
	return found
}
