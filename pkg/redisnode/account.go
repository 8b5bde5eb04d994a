package redisnode

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/golang/glog"

	"github.com/redisoperator/redis-operator/pkg/agent"
	"github.com/redisoperator/redis-operator/pkg/cluster"
)

// account is what a peer knows of a node whose own nodes.conf is lost.
type account struct {
	from  string // the peer's pod; "" for none
	table agent.Table
	node  cluster.Node
}

// accountOf is a nodes.conf for the node from the table of a peer that lists it, and who that is. Peers do not all know
// the same: what a node has become it tells each of the others itself, and that takes half a node-timeout. So all are
// asked until one knows a place for it, those that run before those that are held, and the newest account is taken.
func (g *gate) accountOf(ctx context.Context, id cluster.NodeID) (text, from string) {
	found := g.peers.find(ctx, nil)
	slices.SortStableFunc(found, func(a, b peer) int { return rank(a.Status) - rank(b.Status) })
	var newest account
	for some := range slices.Chunk(found, askAtOnce) {
		for _, a := range g.accounts(ctx, some, id) {
			if newest.from == "" || compareAccounts(a, newest) > 0 {
				newest = a
			}
		}
		if newest.hasPlace() {
			break
		}
	}
	if newest.from == "" {
		return "", ""
	}
	return rebuildNodes(newest.table, id), newest.from
}

// rank has one that runs before one that is held, whose table is as old as its disk.
func rank(s agent.Status) int {
	if s.Phase == agent.PhaseRunning {
		return 0
	}
	return 1
}

// accounts are those of the peers that know the node, in the peers' order.
func (g *gate) accounts(ctx context.Context, from []peer, id cluster.NodeID) []account {
	all := make([]account, len(from))
	var group sync.WaitGroup
	for i, p := range from {
		group.Go(func() {
			if p.ID() == id {
				return
			}
			text, err := g.peers.table(ctx, p.IP)
			if err != nil {
				glog.Warningf("%s: table: %v", g.opts, err)
				return
			}
			table, err := cluster.ParseNodes(text.Nodes)
			if err != nil {
				glog.Warningf("%s: table of %s: %v", g.opts, p.Status.PodName, err)
				return
			}
			if node, listed := table.Find(id); listed && !node.Flags.Handshake {
				all[i] = account{p.Status.PodName, text, node}
			}
		})
	}
	group.Wait()
	return slices.DeleteFunc(all, func(a account) bool { return a.from == "" })
}

// hasPlace says whether the node is something in the cluster. What is none may only not have been heard of yet.
func (a account) hasPlace() bool { return !a.node.Slots.IsEmpty() || a.node.PrimaryID != "" }

// compareAccounts is above 0 when a is newer than b. The epoch that stands with a replica is its primary's.
func compareAccounts(a, b account) int {
	return cmp.Or(
		compareBools(a.table.Running, b.table.Running),
		compareBools(a.hasPlace(), b.hasPlace()),
		cmp.Compare(a.node.ConfigEpoch, b.node.ConfigEpoch),
		cmp.Compare(a.table.Epoch, b.table.Epoch),
	)
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
