package redisnode

import (
	"context"
	"time"

	"github.com/golang/glog"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
	"github.com/redisoperator/redis-operator/pkg/redis"
)

const (
	joinIntervalMin = 500 * time.Millisecond
	joinIntervalMax = 30 * time.Second
	// maxMeets bounds the peers met at once: each brings its slots in its first packet, the rest comes by gossip.
	maxMeets = 32
)

// keepJoined sees to it that the node is in the cluster: one that knows nobody meets those that are in it, and
// peers that moved to another address are met there. It only ever meets an address whose agent has just
// proven that it belongs to this cluster. It gives no slots and no roles, and does not introduce nodes that
// are all alone: forming a cluster is the operator's.
func (a *Agent) keepJoined(ctx context.Context) {
	interval := joinIntervalMin
	for pause(ctx, a.opts.Clock, interval) == nil {
		look, _ := a.node.latest()
		if look.info == nil || settledIn(look.info.Table) {
			interval = joinIntervalMin
			continue
		}
		if n := a.join(ctx, look.info.Table); n > 0 {
			glog.Infof("%s: met %d peers", &a.opts, n)
		}
		interval = min(2*interval, joinIntervalMax)
	}
}

// settledIn says whether the node knows others, and is connected to all of them.
func settledIn(table cluster.Table) bool {
	for _, n := range table {
		if !n.Flags.Myself && (!n.Connected || n.Flags.NoAddr || n.Flags.Handshake) {
			return false
		}
	}
	return len(table) > 1
}

func (a *Agent) join(ctx context.Context, table cluster.Table) int {
	var meet []redis.Peer
	for _, p := range a.peers.find(ctx, nil) {
		if len(meet) < maxMeets && shouldMeet(table, p) {
			meet = append(meet, redis.Peer{IP: p.IP, Port: agent.RedisPort, BusPort: agent.BusPort})
		}
	}
	if len(meet) == 0 {
		return 0
	}
	ep, err := a.endpoint()
	if err == nil {
		err = a.clients.Meet(ctx, ep, meet)
	}
	if err != nil {
		glog.Warningf("%s: %v", &a.opts, err)
		return 0
	}
	return len(meet)
}

// shouldMeet says whether a peer that has proven who it is, is to be met. It is pure.
func shouldMeet(table cluster.Table, p peer) bool {
	if p.Status.Phase != agent.PhaseRunning || p.ID() == "" || p.Status.Stopping {
		return false
	}
	if known, ok := table.Find(p.ID()); ok {
		return !known.Flags.Myself && !known.Connected && (known.Flags.NoAddr || known.Addr.IP != p.IP)
	}
	return len(table) == 1 && p.inCluster()
}
